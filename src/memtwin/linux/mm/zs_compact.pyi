"""Made by ``make stubs`` from zs_compact.py and zs_compact.pxd."""


