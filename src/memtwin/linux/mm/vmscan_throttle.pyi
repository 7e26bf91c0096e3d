"""Made by ``make stubs`` from vmscan_throttle.py and vmscan_throttle.pxd."""


