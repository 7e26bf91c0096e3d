"""``free``: how much memory and swap there is, as free of procps-ng 4.0 prints it (4.0.2 of Debian 12; ``-L`` 4.0.4).

All figures come from /proc/meminfo::

    available = MemAvailable, or MemFree when that is absent, 0 or beyond MemTotal
    used      = MemTotal - available (procps 4.0.1 and later; other programs: views/used.py)
    cache     = Cached + SReclaimable
    shared    = Shmem                       (also a part of cache: tmpfs and shared memory)
    commit    = CommitLimit, Committed_AS   (what was promised, not what is used)

A figure that the kernel does not print is ``-`` in the table and null in JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import Scale, procps
from memtwin.render.grid import ABSENT, BAR, Column, Form, Grid, Shape, Style, Value, View
from memtwin.render.grid import figures as figures_of
from memtwin.units import Kib, bytes_of
from memtwin.views.used import DEFAULT, cache, used

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from memtwin.procfs.meminfo import Meminfo
    from memtwin.render.openmetrics import Metric

KIBIBYTES: Final = Scale()


class Span(NamedTuple):
    """Total, used and free of one kind of memory."""

    total: Kib | None
    used: Kib | None
    free: Kib | None


class Free(NamedTuple):
    """The figures of ``free``."""

    mem: Span
    shared: Kib | None
    buffers: Kib | None
    cache: Kib | None
    available: Kib | None
    low: Span
    high: Span
    swap: Span
    commit: Span


def compute(meminfo: Meminfo, formula: str = DEFAULT) -> Free:
    """Return what ``free`` makes of *meminfo*; *formula* is one of :data:`memtwin.views.used.FORMULAS`."""

    def kib(label: str) -> Kib | None:
        return Kib(meminfo[label]) if label in meminfo else None

    total, unused, available = kib("MemTotal"), kib("MemFree"), kib("MemAvailable")
    if not available or (total is not None and available > total):
        available = unused
    low_total, low_free = kib("LowTotal"), kib("LowFree")
    if low_total is None:  # no high memory: all is low
        low_total, low_free = total, unused
    limit, committed = kib("CommitLimit"), kib("Committed_AS")
    return Free(
        mem=Span(total, used(meminfo, formula), unused),
        shared=kib("Shmem"),
        buffers=kib("Buffers"),
        cache=cache(meminfo, formula),
        available=available,
        low=_span(low_total, low_free),
        high=_span(kib("HighTotal") or Kib(0), kib("HighFree") or Kib(0)),
        swap=_span(kib("SwapTotal"), kib("SwapFree")),
        commit=Span(limit, committed, _minus(limit, committed)),
    )


_TITLES: Final = ("total", "used", "free")
_DATA: Final = tuple(
    Column(f"{name}_bytes")
    for name in ("total", "used", "limit", "committed", "free", "shared", "buffers", "cache", "available")
)
"""Columns of the JSON; a row has those that are not ABSENT."""


def view(
    figures: Free, formula: str = DEFAULT, scale: Scale = KIBIBYTES, *, wide: bool = False, lohi: bool = False,
    total: bool = False, committed: bool = False, line: bool = False,
    metrics: Callable[[], Iterable[Metric]] | None = None, known: Free | None = None,
) -> View:  # fmt: skip
    """Return the table of ``free`` with its flags -w, -l, -t, -v, or with -L its one line.

    *known* are the figures for JSON, where some of *figures* are printed as the tool does and mean nothing.
    """
    mem, swap = figures.mem, figures.swap
    caches_titles = ("buffers", "cache") if wide else ("buff/cache",)
    caches = (figures.buffers, figures.cache) if wide else (_plus(figures.buffers, figures.cache),)
    rows: list[tuple[str, tuple[Kib | None, ...]]] = [("Mem:", (*mem, figures.shared, *caches, figures.available))]
    if lohi:
        rows += [("Low:", figures.low), ("High:", figures.high)]
    rows.append(("Swap:", swap))
    if total:
        rows.append(("Total:", tuple(_plus(ram, disk) for ram, disk in zip(mem, swap, strict=True))))
    if committed:
        rows.append(("Comm:", figures.commit))
    style = Style(lambda size_bytes: procps(size_bytes, scale), "right")
    titles = (*_TITLES, "shared", *caches_titles, "available")
    columns = (
        Column(None, "", width=8, grow=False),
        *(Column(None, title, style, 11, grow=False) for title in titles),
        Column(None, "", BAR),
    )
    cells = tuple((head, *_spaced(sizes, len(titles)), _share_used(sizes)) for head, sizes in rows)
    shown = Grid(columns, cells, form=Form.TERMINAL)
    return View("free", (_line(figures, style) if line else shown, *_data(known or figures, formula)), metrics=metrics)


def _spaced(sizes: Sequence[Kib | None], count: int) -> tuple[Value, ...]:
    return (*map(bytes_of, sizes), *(ABSENT,) * (count - len(sizes)))


def _share_used(sizes: Sequence[Kib | None]) -> float | None:
    total, used_kib = sizes[0], sizes[1]
    return used_kib / total if total and used_kib is not None else None


def _line(figures: Free, style: Style) -> Grid:
    """Return the one line of ``free -L``: names and figures in turns."""
    pairs = (
        ("SwapUse", figures.swap.used), ("CachUse", _plus(figures.buffers, figures.cache)),
        (" MemUse", figures.mem.used), ("MemFree", figures.mem.free),
    )  # fmt: skip
    columns = (*(column for _ in pairs for column in (Column(None, ""), Column(None, "", style, 11))), Column(None, ""))
    cells = (*(cell for name, kib in pairs for cell in (name, bytes_of(kib))), "")
    return Grid(columns, (cells,), form=Form.TERMINAL, headings=False)


def _data(figures: Free, formula: str) -> tuple[Grid, Grid]:
    mem, commit, nothing = figures.mem, figures.commit, (ABSENT,) * 4
    rows = [
        ("mem", *_spread(mem), *map(bytes_of, (figures.shared, figures.buffers, figures.cache, figures.available))),
        *((name, *_spread(getattr(figures, name)), *nothing) for name in ("low", "high", "swap")),
        ("commit", ABSENT, ABSENT, *map(bytes_of, commit), *nothing),
    ]
    return figures_of(**{"as": formula}), Grid((Column(""), *_DATA), rows, shape=Shape.KEYED, form=Form.DATA)


def _spread(span: Span) -> tuple[Value, ...]:
    """Return total, used and free with no limit and nothing committed between them."""
    return bytes_of(span.total), bytes_of(span.used), ABSENT, ABSENT, bytes_of(span.free)


def _span(total: Kib | None, unused: Kib | None) -> Span:
    used = _minus(total, unused)
    return Span(total, None if used is None else Kib(max(used, 0)), unused)


def _plus(a: Kib | None, b: Kib | None) -> Kib | None:
    return None if a is None or b is None else Kib(a + b)


def _minus(a: Kib | None, b: Kib | None) -> Kib | None:
    return None if a is None or b is None else Kib(a - b)
