"""Made by ``make stubs`` from migrate.py and migrate.pxd."""


