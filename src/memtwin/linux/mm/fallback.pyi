"""Made by ``make stubs`` from fallback.py and fallback.pxd."""


