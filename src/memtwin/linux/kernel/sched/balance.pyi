"""Made by ``make stubs`` from balance.py and balance.pxd."""


