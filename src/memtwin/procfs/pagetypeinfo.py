"""``/proc/pagetypeinfo``: free blocks by order and migrate type, and what type each page block has.

Root only.

Layout: order and size of a page block; a blank line; a heading and one row for each zone and type, with
``%6lu `` an order; a blank line; a heading and one row for each zone with ``%12lu `` a type. Counting stops
at 100000, which is printed as ``>100000``: here :data:`CAP` means that many *or more*.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memtwin.procfs.text import Lines, join, number

SOURCE = ("mm/vmstat.c", "v6.1")
PATH = "proc/pagetypeinfo"

CAP = 100_000
"""The largest count of free blocks that the kernel prints: this many or more."""

_FREE = re.compile(r"Node +([0-9]{1,20}), zone +(\S+), type +(\S+)((?: +>?[0-9]{1,20})*) *", re.ASCII)
_BLOCKS = re.compile(r"Node +([0-9]{1,20}), zone +(\S+)((?: +[0-9]{1,20})+) *", re.ASCII)
_FREE_HEADING = "Free pages count per migrate type at order"
_BLOCKS_HEADING = "Number of blocks type"


@dataclass(frozen=True, slots=True)
class FreeBlocks:
    """Free blocks of one migrate type in one zone: ``counts[order]``, at most :data:`CAP`."""

    node: int
    zone: str
    type: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PageBlocks:
    """How many page blocks of a zone are of each type, in the order of :attr:`Pagetypeinfo.types`."""

    node: int
    zone: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pagetypeinfo:
    """Both tables. *types* are the migrate types by name, *orders* how many orders there are.

    *rest* is what follows, line by line (mixed blocks, on kernels with page_owner=on).
    """

    page_block_order: int
    pages_per_block: int
    orders: int
    free: tuple[FreeBlocks, ...]
    types: tuple[str, ...]
    blocks: tuple[PageBlocks, ...]
    rest: tuple[str, ...] = ()


def parse(text: str, path: str = PATH) -> Pagetypeinfo:
    """Read pagetypeinfo; *path* names it in errors."""
    lines = Lines(text, path)
    order = _head(lines, "Page block order:")
    size = _head(lines, "Pages per block:")
    _blank(lines)
    orders = len(_heading(lines, _FREE_HEADING))
    free = []
    while lines.peek():
        free.append(_free(lines, orders))
    _blank(lines)
    types = _heading(lines, _BLOCKS_HEADING)
    blocks = []
    while lines.peek():
        blocks.append(_blocks(lines, len(types)))
    return Pagetypeinfo(order, size, orders, tuple(free), types, tuple(blocks), tuple(lines))


def render(record: Pagetypeinfo) -> str:
    """Return the text that the kernel prints, as pagetypeinfo_show() does."""
    return join(
        [
            f"Page block order: {record.page_block_order}",
            f"Pages per block:  {record.pages_per_block}",
            "",
            f"{_FREE_HEADING:<43} {''.join([f'{order:6d} ' for order in range(record.orders)])}",
            *(_free_line(row) for row in record.free),
            "",
            f"{_BLOCKS_HEADING:<23}{''.join([f'{name:>12} ' for name in record.types])}",
            *(_blocks_line(row) for row in record.blocks),
            *record.rest,
        ]
    )


def _free_line(row: FreeBlocks) -> str:
    counts = "".join([f"{count:6d} " if count < CAP else f">{CAP:6d} " for count in row.counts])
    return f"Node {row.node:4d}, zone {row.zone:>8}, type {row.type:>12} {counts}"


def _blocks_line(row: PageBlocks) -> str:
    return f"Node {row.node}, zone {row.zone:>8} {''.join([f'{count:12d} ' for count in row.counts])}"


def _head(lines: Lines, label: str) -> int:
    expected = f"{label} and a number"
    line = lines.next(expected)
    value = number(line.removeprefix(label).strip(" "))
    if not line.startswith(label) or value is None:
        raise lines.bad(expected)
    return value


def _blank(lines: Lines) -> None:
    if lines.next("a blank line"):
        raise lines.bad("a blank line")


def _heading(lines: Lines, label: str) -> tuple[str, ...]:
    line = lines.next(label)
    if not line.startswith(label):
        raise lines.bad(label)
    return tuple(line.removeprefix(label).split())


def _free(lines: Lines, orders: int) -> FreeBlocks:
    expected = f"Node N, zone NAME, type NAME and {orders} counts"
    match = _FREE.fullmatch(lines.next(expected))
    if match is None:
        raise lines.bad(expected)
    counts = tuple([min(int(token.removeprefix(">")), CAP) for token in match[4].split()])
    if len(counts) != orders:
        raise lines.bad(expected)
    return FreeBlocks(int(match[1]), match[2], match[3], counts)


def _blocks(lines: Lines, types: int) -> PageBlocks:
    expected = f"Node N, zone NAME and {types} counts"
    match = _BLOCKS.fullmatch(lines.next(expected))
    if match is None:
        raise lines.bad(expected)
    counts = tuple(map(int, match[3].split()))
    if len(counts) != types:
        raise lines.bad(expected)
    return PageBlocks(int(match[1]), match[2], counts)
