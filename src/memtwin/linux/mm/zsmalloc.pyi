"""Made by ``make stubs`` from zsmalloc.py and zsmalloc.pxd."""


