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

from memtwin.render.table import Column, Table
from memtwin.units import Kib
from memtwin.views.used import DEFAULT, cache, used

if TYPE_CHECKING:
    from memtwin.procfs.meminfo import Meminfo

_PREFIXES: Final = "KMGTP"
_SIGN: Final = 1 << 63
"""The tool counts bytes in signed 64 bits: what a container's filter prints as 2^54 - 1 kB is -1 kB there."""


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


class Scale(NamedTuple):
    """How a number is written: in base**power bytes, or *human*, in the unit that gives four characters."""

    power: int = 1
    base: int = 1024
    human: bool = False


def free(meminfo: Meminfo, formula: str = DEFAULT) -> Free:
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


KIBIBYTES: Final = Scale()


def table(
    figures: Free, scale: Scale = KIBIBYTES, *, wide: bool = False, lohi: bool = False, total: bool = False,
    committed: bool = False,
) -> Table:  # fmt: skip
    """Return the table of ``free`` with its flags -w, -l, -t and -v."""
    caches_titles = ("buffers", "cache") if wide else ("buff/cache",)
    titles = ("total", "used", "free", "shared", *caches_titles, "available")
    mem, swap = figures.mem, figures.swap
    caches = (figures.buffers, figures.cache) if wide else (_plus(figures.buffers, figures.cache),)
    rows = [("Mem:", (*mem, figures.shared, *caches, figures.available))]
    if lohi:
        rows += [("Low:", figures.low), ("High:", figures.high)]
    rows.append(("Swap:", swap))
    if total:
        both = zip(mem, swap, strict=True)
        rows.append(("Total:", tuple(_plus(ram, disk) for ram, disk in both)))
    if committed:
        rows.append(("Comm:", figures.commit))
    columns = (Column("", width=8, grow=False), *(Column(title, "right", 11, grow=False) for title in titles))
    return Table(columns, tuple((head, *(written(cell, scale) for cell in cells)) for head, cells in rows))


def line(figures: Free, scale: Scale = KIBIBYTES) -> str:
    """Return the one line of ``free -L``."""
    cache_use = _plus(figures.buffers, figures.cache)
    pairs = (("SwapUse", figures.swap.used), ("CachUse", cache_use), (" MemUse", figures.mem.used))
    told = "".join(f"{head} {written(size, scale):>11} " for head, size in (*pairs, ("MemFree", figures.mem.free)))
    return f"{told}\n"


def data(figures: Free) -> dict[str, dict[str, int | None]]:
    """Return the figures in bytes, for JSON."""
    mem = _bytes_of(figures.mem) | {
        "shared_bytes": _bytes(figures.shared),
        "buffers_bytes": _bytes(figures.buffers),
        "cache_bytes": _bytes(figures.cache),
        "available_bytes": _bytes(figures.available),
    }
    commit = figures.commit
    return {
        "mem": mem,
        "low": _bytes_of(figures.low),
        "high": _bytes_of(figures.high),
        "swap": _bytes_of(figures.swap),
        "commit": {
            "limit_bytes": _bytes(commit.total),
            "committed_bytes": _bytes(commit.used),
            "free_bytes": _bytes(commit.free),
        },
    }


def written(size: Kib | None, scale: Scale) -> str:
    """Return *size* as ``free`` writes it.

    >>> written(Kib(8_053_064), Scale(human=True)), written(Kib(8_053_064), Scale(2))
    ('7.7Gi', '7864')
    """
    if size is None:
        return "-"
    size_bytes = (size * 1024 + _SIGN) % (2 * _SIGN) - _SIGN
    if scale.human:
        return _human(size_bytes, scale.base)
    return str(size_bytes if scale.power == 0 else int(size_bytes / scale.base**scale.power))


def _human(size_bytes: int, base: int) -> str:
    """Return the first of one decimal and none, K and up, that has four characters, not counting an ``i``."""
    from struct import pack, unpack  # noqa: PLC0415 - for -h only

    told = f"{size_bytes}B"
    mark = "" if base == 1000 else "i"
    for power, prefix in enumerate(_PREFIXES, 1):
        if len(told.removesuffix(mark)) <= 4:
            break
        scaled = size_bytes / base**power
        (single,) = unpack("f", pack("f", scaled))  # the tool rounds a C float
        told = f"{single:.1f}{prefix}{mark}"
        if len(told) > 4 + len(mark):
            told = f"{int(scaled)}{prefix}{mark}"
    return told


def _span(total: Kib | None, unused: Kib | None) -> Span:
    used = _minus(total, unused)
    return Span(total, None if used is None else Kib(max(used, 0)), unused)


def _plus(a: Kib | None, b: Kib | None) -> Kib | None:
    return None if a is None or b is None else Kib(a + b)


def _minus(a: Kib | None, b: Kib | None) -> Kib | None:
    return None if a is None or b is None else Kib(a - b)


def _bytes(size: Kib | None) -> int | None:
    return None if size is None else size * 1024


def _bytes_of(span: Span) -> dict[str, int | None]:
    return {
        "total_bytes": _bytes(span.total),
        "used_bytes": _bytes(span.used),
        "free_bytes": _bytes(span.free),
    }
