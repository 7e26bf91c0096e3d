"""Made by ``make stubs`` from page_writeback.py and page_writeback.pxd."""

from memtwin.linux.core.state import State

def dirty_thresholds(s: State) -> tuple[int, int]: ...
