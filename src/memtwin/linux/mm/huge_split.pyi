"""Made by ``make stubs`` from huge_split.py and huge_split.pxd."""


