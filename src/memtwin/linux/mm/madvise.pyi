"""Made by ``make stubs`` from madvise.py and madvise.pxd."""

from memtwin.linux.core.state import State

def madvise(s: State, task: int, start: int, pages: int, advice: int) -> int: ...
