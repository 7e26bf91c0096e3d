"""``swaps``: the swap areas, as ``swapon --show`` of util-linux 2.38 (Debian 12) prints them.

SIZE and USED come from /proc/swaps, which counts kB: the area without its header page, and the slots that are
taken, among them those whose page is still in RAM too. A human size keeps one decimal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.errors import UsageError
from memtwin.render.table import Align, Column, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memtwin.procfs.swap_header import SwapHeader
    from memtwin.procfs.swaps import Swaps
    from memtwin.render.openmetrics import Metric

COLUMNS: Final = ("NAME", "TYPE", "SIZE", "USED", "PRIO")
OF_HEADER: Final = ("UUID", "LABEL")
"""Columns that stand in the area's own header: known on this host only, and to root."""
_ALIGN: Final[dict[str, Align]] = {"SIZE": "right", "USED": "right", "PRIO": "right"}
_DELETED: Final = " (deleted)"
_PREFIXES: Final = "BKMGTPE"


def chosen(words: str) -> tuple[str, ...]:
    """Return the columns that ``--show=NAME,PRIO`` asks for."""
    names = tuple(word.strip().upper() for word in words.split(",") if word.strip())
    for name in names:
        if name not in {*COLUMNS, *OF_HEADER}:
            raise UsageError(f"unknown column: {name}", hint=f"the columns are {', '.join((*COLUMNS, *OF_HEADER))}")
    return names or COLUMNS


def table(
    swaps: Swaps,
    columns: Sequence[str] = COLUMNS,
    *,
    in_bytes: bool = False,
    headers: Mapping[str, SwapHeader] | None = None,
) -> Table:
    """Return one row an area, in the order of /proc/swaps; *headers* by the areas' names, as far as they are known."""
    rows = []
    for area in swaps.areas:
        size, used = (kib * 1024 for kib in (area.size_kib, area.used_kib))
        cells = {
            "NAME": area.filename.removesuffix(_DELETED),
            "TYPE": area.kind,
            "SIZE": str(size) if in_bytes else human(size),
            "USED": str(used) if in_bytes else human(used),
            "PRIO": str(area.priority),
            "UUID": "",
            "LABEL": "",
        }
        header = (headers or {}).get(area.filename)
        if header is not None:
            cells |= {"UUID": header.uuid or "", "LABEL": header.label or ""}
        rows.append(tuple(cells[name] for name in columns))
    return Table(tuple(Column(name, _ALIGN.get(name, "left")) for name in columns), tuple(rows))


def data(swaps: Swaps) -> list[dict[str, str | int]]:
    """Return the areas for JSON."""
    return [
        {
            "name": area.filename,
            "type": area.kind,
            "size_bytes": area.size_kib * 1024,
            "used_bytes": area.used_kib * 1024,
            "priority": area.priority,
        }
        for area in swaps.areas
    ]


def metrics(swaps: Swaps) -> list[Metric]:
    """Return each area's size, use and priority, labelled as in node_exporter's swap collector."""
    from memtwin.render.openmetrics import Metric  # noqa: PLC0415 - when asked for

    areas = [({"device": area.filename, "swap_type": area.kind}, area) for area in swaps.areas]
    return [
        Metric("node_swap_size_bytes", "gauge", "Swap device size in bytes.",
               tuple((labels, area.size_kib * 1024) for labels, area in areas)),
        Metric("node_swap_used_bytes", "gauge", "Swap device used in bytes.",
               tuple((labels, area.used_kib * 1024) for labels, area in areas)),
        Metric("node_swap_priority", "gauge", "Swap device priority.",
               tuple((labels, area.priority) for labels, area in areas)),
    ]  # fmt: skip


def human(size_bytes: int) -> str:
    """Return a size with one decimal, when that is not 0, and the unit's letter.

    >>> human(1_073_737_728), human(59144 * 1024), human(0)
    ('1024M', '57.8M', '0B')
    """
    power = max(size_bytes.bit_length() - 1, 0) // 10
    whole, rest = divmod(size_bytes, 1 << 10 * power)
    tenths = (rest * 1000 // (1 << 10 * power) + 50) // 100
    if tenths == 10:
        whole, tenths = whole + 1, 0
    return f"{whole}.{tenths}{_PREFIXES[power]}" if tenths else f"{whole}{_PREFIXES[power]}"
