"""Made by ``make stubs`` from mmap.py and mmap.pxd."""


