"""Made by ``make stubs`` from fallback.py and fallback.pxd."""

from memtwin.linux.core.state import State

def moves_pageblock(s: State, zone: int, pfn: int) -> bool: ...
