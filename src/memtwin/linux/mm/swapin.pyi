"""Made by ``make stubs`` from swapin.py and swapin.pxd."""


