"""Where each private page of a process is, in runs: what pagemap says, kept as text.

A line for each area that has pages: the address at which it begins, then its runs, each a count and a letter::

    7f0000000000 20. 300A 12s0:4096 4f

``.`` neither in memory nor in swap; ``a`` anonymous, ``c`` anonymous and in the swap cache, ``A`` and ``C`` the same on
the active list; ``f`` of a file, or shared; ``s`` in swap, with the area and the slot of the first (the others have the
slots that follow). Only root may read slots and lists. The laboratory writes ``workers/NAME/pages``; of a root that has
``memtwin/PID/pages`` that is read, but ``memtwin snapshot`` does not write it.

Follows Documentation/admin-guide/mm/pagemap.rst of Linux 6.1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.errors import SnapshotError
from memtwin.units import PAGE_SHIFT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memtwin.sources.processes import SourceProcess

_START: Final = re.compile(r"[0-9a-f]{1,16}")
_RUN: Final = re.compile(r"([0-9]{1,12})(?:([.aAcCf])|s([0-9]{1,3}):([0-9]{1,12}))")
ABSENT, FILE, SWAPPED = ".", "f", "s"
ANONYMOUS: Final = "aAcC"
CACHED: Final = "cC"
ACTIVE: Final = "AC"


class PageRun(NamedTuple):
    """*pages* pages from page number *first* on; *kind* as above, *area* and *slot* of those in swap."""

    first: int
    pages: int
    kind: str
    area: int = 0
    slot: int = 0


def path_of(process: SourceProcess) -> str:
    """Return under which path of its source a process's page runs lie."""
    return f"memtwin/{process.pid}/pages" if process.root.startswith("proc/") else f"{process.root}/pages"


def parse(text: str, path: str) -> tuple[PageRun, ...]:
    r"""Return the runs of a text; raise SnapshotError for what is none.

    >>> parse("10000 2A 3. 4s1:7\n", "pages")[1]
    PageRun(first=21, pages=4, kind='s', area=1, slot=7)
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        start, *words = line.split() or [""]
        runs = [_RUN.fullmatch(word) for word in words]
        if not _START.fullmatch(start) or not all(runs):
            expected = "an address, then runs such as 12a or 3s0:7"
            raise SnapshotError(path, f"line {number}: {line[:60]!r}: expected {expected}")
        at = int(start, 16) >> PAGE_SHIFT
        for run in filter(None, runs):
            count, kind = int(run[1]), run[2] or SWAPPED
            if kind != ABSENT:
                found.append(PageRun(at, count, kind, int(run[3] or 0), int(run[4] or 0)))
            at += count
    return tuple(found)


def render(areas: Iterable[tuple[int, Iterable[PageRun]]]) -> str:
    r"""Return the text of runs, by the first page of each area.

    >>> render([(16, [PageRun(16, 2, "A"), PageRun(21, 4, "s", 1, 7)])])
    '10000 2A 3. 4s1:7\n'
    """
    lines = []
    for start, runs in areas:
        words, at = [], start
        for run in runs:
            if run.first > at:
                words.append(f"{run.first - at}{ABSENT}")
            words.append(f"{run.pages}{run.kind}" + (f"{run.area}:{run.slot}" if run.kind == SWAPPED else ""))
            at = run.first + run.pages
        if words:
            lines.append(f"{start << PAGE_SHIFT:x} {' '.join(words)}\n")
    return "".join(lines)
