"""Made by ``make stubs`` from kcompactd.py and kcompactd.pxd."""

from memtwin.linux.core.state import State

def begin_operation(s: State) -> None: ...
