"""Made by ``make stubs`` from compaction.py and compaction.pxd."""

from memtwin.linux.core.state import State

def compact_memory(s: State) -> None: ...
