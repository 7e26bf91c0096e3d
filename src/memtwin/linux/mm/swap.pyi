"""Made by ``make stubs`` from swap.py and swap.pxd."""

from memtwin.linux.core.state import State

def batched(s: State) -> list[tuple[int, int]]: ...
