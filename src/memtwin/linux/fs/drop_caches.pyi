"""Made by ``make stubs`` from drop_caches.py and drop_caches.pxd."""

from memtwin.linux.core.state import State

def drop_caches(s: State, what: int) -> None: ...
