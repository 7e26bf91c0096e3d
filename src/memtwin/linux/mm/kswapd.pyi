"""Made by ``make stubs`` from kswapd.py and kswapd.pxd."""


