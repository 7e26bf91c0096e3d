"""What the compiled core gives to its callers where a number is not enough: plain Python, with names and types."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from memtwin.linux.core.state import State


class NoticeKind(IntEnum):
    """What a machine reports by itself."""

    OOM = 0
    """Memory has run out, and a process is about to be killed, or nobody can be."""
    REAP = 1
    """The memory of a victim that did not exit by itself was taken."""


class Notice(NamedTuple):
    """One report; *current* and *victim* are tasks, 0 for none; *then*: the machine's counters and processes.

    *then* is a State without pages, tables and files: what it counts can be asked, nothing can run on it.
    """

    time_ns: int
    kind: NoticeKind
    order: int
    gfp: int
    current: int
    victim: int
    then: State
