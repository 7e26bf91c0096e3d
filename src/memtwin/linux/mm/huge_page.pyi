"""Made by ``make stubs`` from huge_page.py and huge_page.pxd."""


