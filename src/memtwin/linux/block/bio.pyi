"""Made by ``make stubs`` from bio.py and bio.pxd."""


