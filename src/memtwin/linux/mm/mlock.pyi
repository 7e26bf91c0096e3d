"""Made by ``make stubs`` from mlock.py and mlock.pxd."""

from memtwin.linux.core.state import State

def mlock(s: State, task: int, start: int, pages: int, lock: bool) -> int: ...
