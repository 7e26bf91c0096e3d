"""Made by ``make stubs`` from page_io.py and page_io.pxd."""


