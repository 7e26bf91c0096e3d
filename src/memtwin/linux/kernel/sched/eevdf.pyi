"""Made by ``make stubs`` from eevdf.py and eevdf.pxd."""


