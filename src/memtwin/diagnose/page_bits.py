"""Pages as bits of a number, the first page the lowest: runs of neighbours, and what a scenario writes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.diagnose.player import FAULT_AROUND_PAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_SET: Final = 4096
"""Pages of one line."""


def runs(bits: int) -> Iterator[tuple[int, int]]:
    """Yield the first page of each run of neighbours, and how many it has.

    >>> list(runs(0b1110_0101))
    [(0, 1), (2, 1), (5, 3)]
    """
    at = 0
    while bits:
        gap = (bits & -bits).bit_length() - 1
        bits >>= gap
        length = (~bits & (bits + 1)).bit_length() - 1
        yield at + gap, length
        at, bits = at + gap + length, bits >> length


def lowest(bits: int, number: int) -> int:
    """Return the lowest *number* of *bits*.

    >>> bin(lowest(0b110110, 3))
    '0b10110'
    """
    found = 0
    for first, npages in runs(bits):
        if number <= 0:
            break
        part = min(npages, number)
        found |= ((1 << part) - 1) << first
        number -= part
    return found


def parts(bits: int) -> Iterator[tuple[int, int]]:
    """Yield *bits* in parts that a line can hold, each from its first page."""
    at = 0
    while bits:
        gap = (bits & -bits).bit_length() - 1
        at, bits = at + gap, bits >> gap
        yield at, bits & ((1 << LONGEST_SET) - 1)
        at, bits = at + LONGEST_SET, bits >> LONGEST_SET


def digits(bits: int) -> str:
    """Return bits as the scenario language has them, the first pages first."""
    return f"{bits:x}"[::-1]


def windows(bits: int) -> int:
    """Return how many faults map *bits* of a file: each maps what is in memory of 16 pages around.

    >>> windows(0b1), windows(0b11 << 15)
    (1, 2)
    """
    found = 0
    while bits:
        at = ((bits & -bits).bit_length() - 1) // FAULT_AROUND_PAGES + 1
        bits = bits >> at * FAULT_AROUND_PAGES
        found += 1
    return found
