"""Made by ``make stubs`` from swap_cluster.py and swap_cluster.pxd."""


