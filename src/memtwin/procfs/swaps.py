r"""``/proc/swaps``: the swap areas in the order of swapon, with size and use in kB.

Layout: a heading; then the path, blanks up to column 40 (at least one), ``partition`` or ``file`` and a tab,
size, used and priority, each after a tab and after a second one where the number before it has less than
eight digits. A blank, tab, newline or backslash in the path is printed in octal.

>>> swaps = Swaps((SwapArea("/swap file", "file", 1048572, 8, -2),))
>>> render(swaps).splitlines()[1]
'/swap\\040file                           file\t\t1048572\t\t8\t\t-2'
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memtwin.procfs.text import Lines, join
from memtwin.units import Kib

SOURCE = ("mm/swapfile.c", "v6.1")
PATH = "proc/swaps"

HEADING = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority"
_ROW = re.compile(r"([^ \t]+) +(partition|file)\t+([0-9]{1,20})\t+([0-9]{1,20})\t+(-?[0-9]{1,20})", re.ASCII)
_WIDE_KIB = 10_000_000
_ESCAPES = {" ": "\\040", "\t": "\\011", "\n": "\\012", "\\": "\\134"}
_UNESCAPES = {octal: character for character, octal in _ESCAPES.items()}


@dataclass(frozen=True, slots=True)
class SwapArea:
    """One active swap area; *kind* is ``partition`` or ``file``.

    The size is without the page of the header; used slots include those whose page is in the swap cache.
    """

    filename: str
    kind: str
    size_kib: Kib
    used_kib: Kib
    priority: int


@dataclass(frozen=True, slots=True)
class Swaps:
    """The active swap areas, in the order in which the kernel lists them."""

    areas: tuple[SwapArea, ...] = ()


def parse(text: str, path: str = PATH) -> Swaps:
    """Read swaps; *path* names it in errors."""
    lines = Lines(text, path)
    heading = "the heading Filename Type Size Used Priority"
    if lines.next(heading).split() != HEADING.split():
        raise lines.bad(heading)
    areas = []
    for line in lines:
        match = _ROW.fullmatch(line)
        if match is None:
            raise lines.bad("a path, partition or file, size, used and priority")
        name, kind, size, used, priority = match.groups()
        areas.append(SwapArea(_unescape(name), kind, Kib(int(size)), Kib(int(used)), int(priority)))
    return Swaps(tuple(areas))


def render(record: Swaps) -> str:
    """Return the text that the kernel prints, as swap_show() does."""
    return join([HEADING, *(_row(area) for area in record.areas)])


def _row(area: SwapArea) -> str:
    name = "".join([_ESCAPES.get(character, character) for character in area.filename])
    columns = len(name.encode(errors="surrogateescape"))
    blanks = " " * max(40 - columns, 1)
    kind = "file\t" if area.kind == "file" else area.kind
    size = f"{area.size_kib}\t" if area.size_kib < _WIDE_KIB else f"{area.size_kib}"
    used = f"{area.used_kib}\t" if area.used_kib < _WIDE_KIB else f"{area.used_kib}"
    return f"{name}{blanks}{kind}\t{size}\t{used}\t{area.priority}"


def _unescape(name: str) -> str:
    return re.sub(r"\\(?:040|011|012|134)", lambda octal: _UNESCAPES[octal[0]], name)
