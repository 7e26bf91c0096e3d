"""Made by ``make stubs`` from page_alloc.py and page_alloc.pxd."""

from memtwin.linux.core.state import State

def si_mem_available(s: State) -> int: ...
