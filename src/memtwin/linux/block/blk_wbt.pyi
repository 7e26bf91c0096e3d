"""Made by ``make stubs`` from blk_wbt.py and blk_wbt.pxd."""

from memtwin.linux.core.state import State

def limit_of(s: State, device: int, background: bool) -> int: ...
