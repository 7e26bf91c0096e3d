"""Made by ``make stubs`` from khugepaged.py and khugepaged.pxd."""


