"""Made by ``make stubs`` from vmscan_node.py and vmscan_node.pxd."""


