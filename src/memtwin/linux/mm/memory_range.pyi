"""Made by ``make stubs`` from memory_range.py and memory_range.pxd."""


