"""Made by ``make stubs`` from dirty_limits.py and dirty_limits.pxd."""

from memtwin.linux.core.state import State

def dirty_thresholds(s: State) -> tuple[int, int]: ...
