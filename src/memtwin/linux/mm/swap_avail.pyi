"""Made by ``make stubs`` from swap_avail.py and swap_avail.pxd."""


