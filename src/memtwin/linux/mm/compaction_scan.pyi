"""Made by ``make stubs`` from compaction_scan.py and compaction_scan.pxd."""


