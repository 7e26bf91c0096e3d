"""Made by ``make stubs`` from lru_gen_shrink.py and lru_gen_shrink.pxd."""


