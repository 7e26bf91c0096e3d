"""Made by ``make stubs`` from page_alloc_fast.py and page_alloc_fast.pxd."""

from memtwin.linux.core.state import State

def free_pages(s: State) -> int: ...
