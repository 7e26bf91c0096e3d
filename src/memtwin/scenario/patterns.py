"""Which pages a touch visits, and in which order: four patterns on one generator, and a list.

All but :class:`Seq` and :class:`Listed` draw from splitmix64, so that the same line of a scenario visits the same
pages on a real kernel, in :func:`pages` and in the compiled model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_ONES: Final = re.compile("1+")


@dataclass(frozen=True, slots=True)
class Seq:
    """Every page once, upwards."""


@dataclass(frozen=True, slots=True)
class Rand:
    """``rand:N:SEED``: *n* draws, each page equally likely, a page may come again."""

    n: int
    seed: int


@dataclass(frozen=True, slots=True)
class Hot:
    """``hot:N:H%:P%:SEED``: *prob_percent* of *n* draws fall on the first *hot_percent* of the pages."""

    n: int
    hot_percent: int
    prob_percent: int
    seed: int


@dataclass(frozen=True, slots=True)
class Pow:
    """``pow:N:A:SEED``: *n* draws of page floor(u**A * npages), u uniform in 0..1; A = 1..16."""

    n: int
    exponent: int
    seed: int


@dataclass(frozen=True, slots=True)
class Listed:
    """``set:DIGITS[:SEED[:DIGITS]]``: the pages of which there is a bit in *bits*, each once.

    A digit (0 to f) is four pages, the first page its lowest bit. Without a seed they are visited upwards; with one
    the runs of neighbours are walked beside one another, each upwards, and which goes on is drawn, by what is left of
    each. The second digits are the pages that a touch which writes only reads.
    """

    bits: int
    seed: int | None = None
    read: int = 0

    @property
    def n(self) -> int:
        """How many pages are visited."""
        return self.bits.bit_count()

    @property
    def steps(self) -> Iterator[tuple[int, int, bool]]:
        """The touches: the first page of each, how many pages, and whether they are only read.

        >>> list(Listed(0b1110_0101).steps), [page for page, _, _ in Listed(0b11_0110, seed=1).steps]
        ([(0, 1, False), (2, 1, False), (5, 3, False)], [1, 4, 2, 5])
        """
        if self.seed is None:
            yield from ((first, length, False) for first, length in self.runs)
            return
        draws = splitmix64(self.seed)
        left = [list(run) for run in self.runs]
        turns = [number for number, (_, length) in enumerate(left) for _ in range(length)]
        for last in range(len(turns) - 1, -1, -1):
            drawn = next(draws) % (last + 1)
            number, turns[drawn] = turns[drawn], turns[last]
            page = left[number][0]
            left[number][0] += 1
            yield page, 1, bool(self.read >> page & 1)

    @property
    def runs(self) -> list[tuple[int, int]]:
        """The runs of neighbours: the first page of each, and how many."""
        return [(one.start(), one.end() - one.start()) for one in _ONES.finditer(f"{self.bits:b}"[::-1])]


Pattern = Seq | Rand | Hot | Pow | Listed

_MASK: Final = (1 << 64) - 1


def splitmix64(state: int) -> Iterator[int]:
    """Yield the 64-bit numbers of Steele, Lea and Flood's splitmix64 from *state*, without end.

    >>> numbers = splitmix64(0)
    >>> hex(next(numbers)), hex(next(numbers))
    ('0xe220a8397b1dcdaf', '0x6e789e6aa1b965f4')
    """
    while True:
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        yield z ^ (z >> 31)


def pages(pattern: Pattern, npages: int) -> Iterator[int]:
    """Yield the numbers (0..npages-1) of the pages, or chunks of a file, that *pattern* visits, in order.

    >>> list(pages(Seq(), 3)), list(pages(Rand(n=4, seed=7), 100))
    ([0, 1, 2], [87, 4, 46, 3])
    """
    if isinstance(pattern, Seq):
        yield from range(npages)
        return
    if isinstance(pattern, Listed):
        for first, length, _ in pattern.steps:
            yield from range(first, first + length)
        return
    draws = splitmix64(pattern.seed)
    if isinstance(pattern, Rand):
        for _ in range(pattern.n):
            yield next(draws) % npages
    elif isinstance(pattern, Hot):
        hot = max(1, npages * pattern.hot_percent // 100)
        for _ in range(pattern.n):
            side, page = next(draws), next(draws)
            is_hot = side % 100 < pattern.prob_percent or hot >= npages
            yield page % hot if is_hot else hot + page % (npages - hot)
    else:
        for _ in range(pattern.n):
            uniform = share = (next(draws) >> 11) * 2.0**-53
            for _ in range(pattern.exponent - 1):  # not **: each product is rounded, as the worker's is
                share *= uniform
            yield min(int(share * npages), npages - 1)
