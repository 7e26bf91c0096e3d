"""Made by ``make stubs`` from fair.py and fair.pxd."""


