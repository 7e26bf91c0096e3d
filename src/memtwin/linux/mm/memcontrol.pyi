"""Made by ``make stubs`` from memcontrol.py and memcontrol.pxd."""


