"""Made by ``make stubs`` from vma.py and vma.pxd."""


