"""Made by ``make stubs`` from init.py and init.pxd."""


