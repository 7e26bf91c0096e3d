"""Made by ``make stubs`` from util.py and util.pxd."""

from memtwin.linux.core.state import State

def commit_limit(s: State) -> int: ...
