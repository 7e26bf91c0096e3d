"""Made by ``make stubs`` from vmscan.py and vmscan.pxd."""


