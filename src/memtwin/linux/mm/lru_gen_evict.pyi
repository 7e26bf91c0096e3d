"""Made by ``make stubs`` from lru_gen_evict.py and lru_gen_evict.pxd."""


