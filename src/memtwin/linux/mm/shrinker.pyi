"""Made by ``make stubs`` from shrinker.py and shrinker.pxd."""

from memtwin.linux.core.state import State

def drop_slab(s: State) -> None: ...
