"""Made by ``make stubs`` from zbud.py and zbud.pxd."""


