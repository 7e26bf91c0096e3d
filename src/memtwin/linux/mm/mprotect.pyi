"""Made by ``make stubs`` from mprotect.py and mprotect.pxd."""

from memtwin.linux.core.state import State

def mprotect(s: State, task: int, start: int, pages: int, read: bool, write: bool, execute: bool) -> int: ...
