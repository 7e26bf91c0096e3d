"""Made by ``make stubs`` from zswap_writeback.py and zswap_writeback.pxd."""


