"""Made by ``make stubs`` from huge_pmd.py and huge_pmd.pxd."""


