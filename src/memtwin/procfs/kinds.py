"""RAM by kind, of rows of /proc/meminfo: parts that add up to MemTotal, for pictures over time.

Of rows that were read at different moments a part may be larger than what is left for it: it is cut to that, so that
the sum stays. A view that accounts for every page is :mod:`memtwin.views.account`.

>>> kinds({"MemFree": 40, "Cached": 30, "Shmem": 10, "Dirty": 5, "AnonPages": 20, "Slab": 6, "PageTables": 1}, 100)
(20, 6, 1, 0, 3, 10, 15, 5, 40)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(NamedTuple):
    """A part of RAM: its name, and the group that coarser pictures show it in."""

    name: str
    group: str


KINDS: Final = (
    Kind("anonymous memory", "programs"), Kind("slab", "kernel"), Kind("page tables", "kernel"),
    Kind("compressed swap", "kernel"), Kind("kernel and other", "kernel"), Kind("shared memory, tmpfs", "cache"),
    Kind("files", "cache"), Kind("files, to be written", "cache"), Kind("free", "free"),
)  # fmt: skip
"""From the bottom up."""


def kinds(rows: Mapping[str, int], total_kib: int, compressed_kib: int = 0) -> tuple[int, ...]:
    """Return the size of each of :data:`KINDS` in KiB; *compressed_kib* is what zram and zswap take."""
    free = min(rows.get("MemFree", 0), total_kib)
    anon = min(rows.get("AnonPages", 0), total_kib - free)
    cached = rows.get("Cached", 0) + rows.get("Buffers", 0)
    cache = min(cached, total_kib - free - anon)
    shared, dirty = _cut(cache, rows.get("Shmem", 0), rows.get("Dirty", 0) + rows.get("Writeback", 0))
    kernel = total_kib - free - anon - cache
    parts = _cut(kernel, rows.get("Slab", 0), rows.get("PageTables", 0), compressed_kib)
    return anon, *parts, kernel - sum(parts), shared, cache - shared - dirty, dirty, free


def _cut(whole: int, *parts: int) -> list[int]:
    """Return *parts* as far as they fit into *whole*, the first first."""
    found: list[int] = []
    for part in parts:
        found.append(min(part, whole - sum(found)))
    return found
