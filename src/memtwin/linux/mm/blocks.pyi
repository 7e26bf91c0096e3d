"""Made by ``make stubs`` from blocks.py and blocks.pxd."""

from memtwin.linux.core.state import State

GFP: dict[str, str]
def allocate(s: State, order: int, count: int, kind: str) -> list[int]: ...
def release(s: State, order: int, blocks: list[int]) -> None: ...
