r"""``/proc/PID/limits``: the resource limits of a process (setrlimit(2)).

Layout: ``%-25s %-20s %-20s %-10s``: name, soft and hard limit (a number or ``unlimited``), unit.

>>> record = parse(
...     "Limit                     Soft Limit           Hard Limit           Units     \n"
...     "Max locked memory         8388608              unlimited            bytes     \n"
... )
>>> record.soft("Max locked memory"), record.rows[0].hard
(8388608, None)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memtwin.procfs.text import Lines, join

SOURCE = ("fs/proc/base.c", "v6.1")
PATH = "proc/{pid}/limits"

_ROW = re.compile(r"(Max \S[^\n]*?) +(unlimited|[0-9]{1,20}) +(unlimited|[0-9]{1,20}) *([a-z]*) *", re.ASCII)
_HEADING = "Limit                     Soft Limit           Hard Limit           Units     "


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit; None is unlimited."""

    name: str
    soft: int | None
    hard: int | None
    unit: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in file order."""

    rows: tuple[Limit, ...] = ()

    def soft(self, name: str) -> int | None:
        """Return the limit in force, or None if there is none (or no such row)."""
        return next((row.soft for row in self.rows if row.name == name), None)


def parse(text: str, path: str = PATH) -> Limits:
    """Read limits; *path* names it in errors."""
    lines = Lines(text, path)
    if lines.next("the heading").rstrip() != _HEADING.rstrip():
        raise lines.bad("the heading Limit, Soft Limit, Hard Limit, Units")
    rows = []
    for line in lines:
        match = _ROW.fullmatch(line)
        if match is None:
            raise lines.bad("a limit's name, two limits and a unit")
        rows.append(Limit(match[1], _limit(match[2]), _limit(match[3]), match[4]))
    return Limits(tuple(rows))


def render(record: Limits) -> str:
    """Return the text that the kernel prints, as proc_pid_limits() does."""
    return join([_HEADING, *(_line(row) for row in record.rows)])


def _limit(word: str) -> int | None:
    return None if word == "unlimited" else int(word)


def _line(row: Limit) -> str:
    soft, hard = ("unlimited" if limit is None else str(limit) for limit in (row.soft, row.hard))
    tail = f"{row.unit:<10}" if row.unit else ""
    return f"{row.name:<25} {soft:<20} {hard:<20} {tail}"
