"""The lines of files as a whole: ``fsync``, ``truncate`` and ``close``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memtwin.scenario import lines as kinds
from memtwin.scenario.shared import file as named_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.scenario.parser import _Body
    from memtwin.scenario.words import Line


@dataclass(frozen=True, slots=True)
class Fsync(kinds.WorkerOp):
    """``fsync`` of a file."""

    file: str


@dataclass(frozen=True, slots=True)
class Truncate(kinds.WorkerOp):
    """Make a file empty, as ``open(2)`` with O_TRUNC does."""

    file: str


@dataclass(frozen=True, slots=True)
class Close(kinds.WorkerOp):
    """Close a file that the process has used; its next use opens it again."""

    file: str


def whole_file(make: type[Fsync | Truncate | Close]) -> Callable[[_Body, Line], kinds.Op]:
    """Return what parses one of the three."""

    def parse_op(body: _Body, line: Line) -> kinds.Op:
        words = line.counted(f"NAME {make.__name__.lower()} FILE", 3, 3)
        return make(line.index, line.lineno, line.text, words[0], named_file(body, line, words[2]))

    return parse_op
