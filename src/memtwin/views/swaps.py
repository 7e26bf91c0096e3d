"""``swaps``: the swap areas, as ``swapon --show`` of util-linux 2.38 (Debian 12) prints them.

SIZE and USED come from /proc/swaps, which counts kB: the area without its header page, and the slots in use, those
whose page is still in RAM among them. A human size keeps one decimal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.errors import UsageError
from memtwin.render.amount import UTIL_LINUX
from memtwin.render.grid import NUMBER, TEXT, Column, Form, Grid, Value, View
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from memtwin.procfs.swap_header import SwapHeader
    from memtwin.procfs.swaps import SwapArea, Swaps
    from memtwin.render.openmetrics import Metric
    from memtwin.views.compressed_swap import Zram, Zswap

COLUMNS: Final = ("NAME", "TYPE", "SIZE", "USED", "PRIO")
OF_HEADER: Final = ("UUID", "LABEL")
"""Columns that stand in the area's own header: known on this host only, and to root."""
_DELETED: Final = " (deleted)"


def choose_columns(words: str) -> tuple[str, ...]:
    """Return the columns that ``--show=NAME,PRIO`` asks for; raise UsageError for one that there is not."""
    names = tuple(word.strip().upper() for word in words.split(",") if word.strip())
    for name in names:
        if name not in {*COLUMNS, *OF_HEADER}:
            raise UsageError(f"unknown column: {name}", hint=f"the columns are {', '.join((*COLUMNS, *OF_HEADER))}")
    return names or COLUMNS


def view(
    swaps: Swaps, columns: Sequence[str] = COLUMNS, *, in_bytes: bool = False,
    headers: Mapping[str, SwapHeader] | None = None, compressed: tuple[Sequence[Zram], Zswap] | None = None,
    explain: bool = False,
) -> View:  # fmt: skip
    """Return one row an area, in the order of /proc/swaps; *headers* by the areas' names, as far as they are known.

    *compressed* is what zram and zswap hold; *explain* shows it, with the order in which areas are used.
    """
    areas = _areas(swaps, columns, headers or {}, in_bytes=in_bytes)
    if compressed is None:
        return View("swaps", areas, metrics=lambda: metrics(swaps), version=2)
    from memtwin.views import compressed_swap

    grids = (*areas, *compressed_swap.grids(*compressed, explain=explain))
    said = tuple(compressed_swap.sentences(swaps, *compressed)) if explain else ()
    return View("swaps", grids, said, lambda: metrics(swaps), version=2)


def metrics(swaps: Swaps) -> Iterator[Metric]:
    """Yield each area's size, use and priority, labelled as in node_exporter's swap collector."""
    from memtwin.render.openmetrics import Metric

    areas = [({"device": area.filename, "swap_type": area.kind}, area) for area in swaps.areas]
    yield Metric("node_swap_size_bytes", "gauge", "Swap device size in bytes.",
                 tuple((labels, bytes_of(area.size_kib)) for labels, area in areas))  # fmt: skip
    yield Metric("node_swap_used_bytes", "gauge", "Swap device used in bytes.",
                 tuple((labels, bytes_of(area.used_kib)) for labels, area in areas))  # fmt: skip
    yield Metric("node_swap_priority", "gauge", "Swap device priority.",
                 tuple((labels, area.priority) for labels, area in areas))  # fmt: skip


def _areas(
    swaps: Swaps, columns: Sequence[str], headers: Mapping[str, SwapHeader], *, in_bytes: bool
) -> tuple[Grid, Grid]:
    size = NUMBER if in_bytes else UTIL_LINUX
    styles = {"SIZE": size, "USED": size, "PRIO": NUMBER}
    data = (Column("name"), Column("type"), Column("size_bytes"), Column("used_bytes"), Column("priority"))
    shown = tuple(Column(None, name, styles.get(name, TEXT)) for name in columns)
    cells = [_cells(area, headers.get(area.filename)) for area in swaps.areas]
    rows = tuple(
        (area.filename, area.kind, bytes_of(area.size_kib), bytes_of(area.used_kib), area.priority)
        for area in swaps.areas
    )
    return (
        Grid(shown, tuple(tuple(found[name] for name in columns) for found in cells), form=_shown(swaps)),
        Grid(data, rows, "areas", form=Form.DATA),
    )


def _cells(area: SwapArea, header: SwapHeader | None) -> dict[str, Value]:
    """Return an area by the tool's columns; what a header does not say is empty, as the tool has it."""
    return {
        "NAME": area.filename.removesuffix(_DELETED),
        "TYPE": area.kind,
        "SIZE": bytes_of(area.size_kib),
        "USED": bytes_of(area.used_kib),
        "PRIO": area.priority,
        "UUID": (header and header.uuid) or "",
        "LABEL": (header and header.label) or "",
    }


def _shown(swaps: Swaps) -> Form:
    """Without an area the tool prints nothing, not even headings."""
    return Form.TERMINAL if swaps.areas else Form.NONE
