"""Made by ``make stubs`` from events.py and events.pxd."""


