"""Made by ``make stubs`` from compaction_free.py and compaction_free.pxd."""


