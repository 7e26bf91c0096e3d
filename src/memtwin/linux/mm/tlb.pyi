"""Made by ``make stubs`` from tlb.py and tlb.pxd."""


