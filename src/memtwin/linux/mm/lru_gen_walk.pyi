"""Made by ``make stubs`` from lru_gen_walk.py and lru_gen_walk.pxd."""


