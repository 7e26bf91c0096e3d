"""Made by ``make stubs`` from xarray.py and xarray.pxd."""


