"""Made by ``make stubs`` from pool.py and pool.pxd."""


