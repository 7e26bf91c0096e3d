"""Made by ``make stubs`` from notices.py and notices.pxd."""

from memtwin.linux.core.state import State
from memtwin.linux.records import Notice

def take_notices(s: State) -> list[Notice]: ...
