"""Made by ``make stubs`` from lru_gen.py and lru_gen.pxd."""


