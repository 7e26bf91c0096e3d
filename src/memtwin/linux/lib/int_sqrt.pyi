"""Made by ``make stubs`` from int_sqrt.py and int_sqrt.pxd."""


