"""Made by ``make stubs`` from rmap.py and rmap.pxd."""


