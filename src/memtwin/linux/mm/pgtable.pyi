"""Made by ``make stubs`` from pgtable.py and pgtable.pxd."""


