"""Made by ``make stubs`` from mremap.py and mremap.pxd."""

from memtwin.linux.core.state import State

def mremap(s: State, task: int, start: int, pages: int, wanted: int, to: int) -> int: ...
