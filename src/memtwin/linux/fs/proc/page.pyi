"""Made by ``make stubs`` from page.py and page.pxd."""

from memtwin.linux.core.state import State
from memtwin.linux.records import FrameBlocks

def frame_blocks(s: State, zone: int, order: int) -> FrameBlocks: ...
