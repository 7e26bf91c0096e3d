"""Made by ``make stubs`` from swapfile.py and swapfile.pxd."""


