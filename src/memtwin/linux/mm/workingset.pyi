"""Made by ``make stubs`` from workingset.py and workingset.pxd."""


