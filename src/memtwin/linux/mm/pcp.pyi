"""Made by ``make stubs`` from pcp.py and pcp.pxd."""


