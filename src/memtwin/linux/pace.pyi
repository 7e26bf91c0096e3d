"""Made by ``make stubs`` from pace.py and pace.pxd."""


