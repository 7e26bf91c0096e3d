"""Made by ``make stubs`` from softirq.py and softirq.pxd."""

from memtwin.linux.core.state import State

def start(s: State) -> None: ...
