"""What a process may do with its memory: ``mprotect``, ``limit``, ``stack``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from memtwin.scenario import lines as kinds

if TYPE_CHECKING:
    from memtwin.scenario.parser import _Body
    from memtwin.scenario.words import Line

MAX_STACK_BYTES: Final = 64 << 20
"""The most of its stack that one operation writes; by default a process may have 8 MiB."""


@dataclass(frozen=True, slots=True)
class Mprotect(kinds.WorkerOp):
    """``mprotect`` of a range of a region."""

    region: str
    offset_pages: int
    npages: int
    rights: kinds.Rights


@dataclass(frozen=True, slots=True)
class Limit(kinds.WorkerOp):
    """``setrlimit`` of the process's own *what*; *size_bytes* None: RLIM_INFINITY."""

    what: kinds.Limited
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Stack(kinds.WorkerOp):
    """Write one byte of each page of the stack, downwards from where the program is, over *size_bytes*."""

    size_bytes: int


def mprotect(body: _Body, line: Line) -> kinds.Op:
    """Parse a change of rights."""
    words = line.counted("NAME mprotect REGION OFF LEN none|r|rw|rx|rwx", 6, 6)
    region, (offset, npages) = body.region(line), line.page_range(words[3], words[4])
    rights = line.one_of(words[5], "rights", kinds.RIGHTS)
    return Mprotect(line.index, line.lineno, line.text, words[0], region, offset, npages, rights)


def limit(_body: _Body, line: Line) -> kinds.Op:
    """Parse a process's own limit."""
    words = line.counted("NAME limit as|data|stack|memlock SIZE|none", 4, 4)
    what = line.one_of(words[2], "a limit", kinds.LIMITS)
    size_bytes = None if words[3] == "none" else line.whole_pages(words[3], "SIZE")
    return Limit(line.index, line.lineno, line.text, words[0], what, size_bytes)


def stack(_body: _Body, line: Line) -> kinds.Op:
    """Parse the use of a stack."""
    size_bytes = line.whole_pages(line.counted("NAME stack SIZE", 3, 3)[2], "SIZE")
    if size_bytes > MAX_STACK_BYTES:
        raise line.error(f"at most {MAX_STACK_BYTES >> 20}M of stack", hint="several operations may write more")
    return Stack(line.index, line.lineno, line.text, line.words[0], size_bytes)
