"""What zsmalloc makes of compressed lengths: size classes, the groups of pages that they need, what is stored whole.

Lengths are rounded up to a class, 16 bytes apart, with 8 bytes more for the handle. A class has groups of as many pages
as waste least; classes that come out alike are one. Since Linux 6.3 a group may have 8 pages, before it 4, and the
measure of waste is another. From the first class whose group is one object in one page on, zram stores a page as it is.

Follows mm/zsmalloc.c (``get_pages_per_zspage`` of v6.1, ``calculate_zspage_chain_size`` of v6.12) for pages of 4 KiB.

>>> Classes(is_new=False).whole_from, Classes(is_new=True).whole_from
(3257, 3625)
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

SOURCE = ("mm/zsmalloc.c", "v6.1")
PAGE_BYTES: Final = 4096
_HANDLE, _LEAST, _DELTA = 8, 32, 16
_NEW: Final = (6, 3)
"""The release with longer groups (CONFIG_ZSMALLOC_CHAIN_SIZE, 8 by default)."""


class SizeClass(NamedTuple):
    """Objects of up to *size* bytes: *objects* lie in a group of *pages*."""

    size: int
    pages: int
    objects: int

    @property
    def object_bytes(self) -> float:
        """What an object takes where its group is full."""
        return self.pages * PAGE_BYTES / self.objects


class Classes:
    """The size classes of a kernel; *is_new*: since Linux 6.3."""

    def __init__(self, *, is_new: bool) -> None:
        found: list[SizeClass] = []
        above: SizeClass | None = None
        self.whole_from = PAGE_BYTES
        """The compressed length from which a page is stored as it is."""
        for size in range(PAGE_BYTES, _LEAST - 1, -_DELTA):
            pages = _fewest_percent(size) if not is_new else _least_waste(size)
            one = SizeClass(size, pages, pages * PAGE_BYTES // size)
            if pages > 1 and one.objects > 1 and self.whole_from == PAGE_BYTES:
                self.whole_from = size - _HANDLE + 1
            if above is None or one[1:] != above[1:]:
                above = one
            found.append(above)
        self._by_index = found[::-1]

    def of(self, length: int) -> SizeClass:
        """Return the class of an object of *length* bytes."""
        index = max(length + _HANDLE - _LEAST + _DELTA - 1, 0) // _DELTA
        return self._by_index[min(index, len(self._by_index) - 1)]

    def stored(self, length: int) -> int:
        """Return how many bytes are stored of a page that compresses to *length*: the page, if that is too long."""
        return PAGE_BYTES if length >= self.whole_from else length

    def pool_bytes(self, lengths: Iterable[int], times: float = 1.0) -> int:
        """Return what a pool takes for objects of these stored lengths, each *times*, its groups full but the last."""
        counts = Counter(self.of(length) for length in lengths)
        groups = {one: -(-round(count * times) // one.objects) for one, count in counts.items()}
        return sum(number * one.pages for one, number in groups.items()) * PAGE_BYTES


def classes_of(release: tuple[int, int]) -> Classes:
    """Return the classes of a kernel.

    >>> classes_of((6, 1)).whole_from, classes_of((6, 12)).whole_from
    (3257, 3625)
    """
    return Classes(is_new=release >= _NEW)


def _fewest_percent(size: int) -> int:
    used = [pages * PAGE_BYTES // size * size * 100 // (pages * PAGE_BYTES) for pages in range(1, 5)]
    return used.index(max(used)) + 1


def _least_waste(size: int) -> int:
    if size & (size - 1) == 0:
        return 1
    waste = [pages * PAGE_BYTES % size for pages in range(1, 9)]
    return waste.index(min(waste)) + 1
