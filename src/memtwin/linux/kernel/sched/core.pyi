"""Made by ``make stubs`` from core.py and core.pxd."""

from memtwin.linux.core.state import State

KTHREADS: tuple[str, ...]
def sleep_until(s: State, until_ns: int) -> None: ...
