"""Made by ``make stubs`` from page_writeback.py and page_writeback.pxd."""


