"""Made by ``make stubs`` from zsmalloc.py and zsmalloc.pxd."""

from memtwin.linux.core.state import State

def size_class_of(s: State, length: int) -> tuple[int, ...]: ...
