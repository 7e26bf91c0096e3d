"""Made by ``make stubs`` from mmzone.py and mmzone.pxd."""


