"""Made by ``make stubs`` from readahead.py and readahead.pxd."""


