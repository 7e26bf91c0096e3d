"""Made by ``make stubs`` from buddy.py and buddy.pxd."""


