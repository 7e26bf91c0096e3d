"""Made by ``make stubs`` from truncate.py and truncate.pxd."""

from memtwin.linux.core.state import State

def truncate(s: State, task: int, file: int) -> int: ...
