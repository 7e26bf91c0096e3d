"""Made by ``make stubs`` from wait.py and wait.pxd."""


