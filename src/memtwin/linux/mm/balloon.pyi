"""Made by ``make stubs`` from balloon.py and balloon.pxd."""

from memtwin.linux.core.state import State

def inflate(s: State, task: int, pages: int) -> int: ...
