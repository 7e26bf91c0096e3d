"""What zram would make of pages: per algorithm the ratio, the RAM that it takes, and what a page costs.

A page whose words are all the same is kept as that word. Another is compressed; what gets too long is stored as it is;
the rest goes to a size class of zsmalloc. Shares of a random sample stand for all pages, with an interval that holds
the true figure in 95 of 100 samples (of the mean, with the sample's own spread).
"""

from __future__ import annotations

import math
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import PERCENT, PROSE
from memtwin.render.grid import Column, Grid, Sentence, Style, View, figures
from memtwin.render.words import count, listed, size
from memtwin.units import kib_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.sysfs.zram.zsmalloc import Classes

PAGE_BYTES: Final = 4096
_SURE: Final = 1.96
"""Standard errors on each side that hold 95 of 100."""
_RATIO: Final = Style(lambda ratio: f"{ratio:.2f}", "right")
_MICRO: Final = Style(lambda micro: f"{micro:.1f}", "right")
SAME: Final = 0
"""The length of a page whose words are all the same."""


class Measured(NamedTuple):
    """What an algorithm made of the sampled pages: the length of each (:data:`SAME`: not compressed), and CPU time."""

    algorithm: str
    lengths: tuple[int, ...]
    cpu_ns: int


class Estimate(NamedTuple):
    """What zram would hold for all pages: its ``mm_stat``, in bytes, and the interval of the RAM it takes."""

    algorithm: str
    orig_data_size: int
    compr_data_size: int
    mem_used_total: int
    low: int
    high: int
    same: float
    whole: float
    """Shares of pages that are one word, and that are stored as they are."""
    page_us: float | None
    rest_mean: float
    """Mean length in bytes of pages that are compressed."""

    @property
    def ratio(self) -> float | None:
        """How many bytes of pages lie in a byte of RAM."""
        return self.orig_data_size / self.mem_used_total if self.mem_used_total else None


class Looked(NamedTuple):
    """What was read: *pages* of so many; *seconds* it took; pages in swap and processes that were left out."""

    name: str
    pages: int
    of: int
    seconds: float
    swapped: int
    refused: int
    mix: str | None = None
    """The contents of the scenario language that stand for these pages, for ``--grow NAME=SIZE,content=MIX``."""


def estimate(measured: Measured, total: int, classes: Classes) -> Estimate:
    """Return what zram would hold for *total* pages of which *measured* is a sample."""
    lengths = measured.lengths
    sampled = len(lengths)
    times = total / sampled
    stored = [classes.stored(length) for length in lengths if length != SAME]
    pool = classes.pool_bytes(stored, times)
    costs = [0.0] * (sampled - len(stored)) + [classes.of(length).object_bytes for length in stored]
    left_out = math.sqrt(max(1 - sampled / total, 0.0))
    wide = _SURE * (stdev(costs) if sampled > 1 else costs[0]) / math.sqrt(sampled) * left_out * total
    compressed = sampled - lengths.count(SAME)
    return Estimate(
        measured.algorithm, total * PAGE_BYTES, round(sum(stored) * times), pool, max(round(pool - wide), 0),
        round(pool + wide), lengths.count(SAME) / sampled, stored.count(PAGE_BYTES) / sampled,
        measured.cpu_ns / 1000 / compressed if compressed else None,
        fmean([length for length in stored if length < PAGE_BYTES] or [0]),
    )  # fmt: skip


def view(found: Sequence[Estimate], looked: Looked, lacking: dict[str, str], release: str) -> View:
    """Return the estimates as a table, with what they rest on."""
    columns = (
        Column("algorithm", "ALGORITHM"), Column("ratio", "RATIO", _RATIO), Column("ratio_low", "LOW", _RATIO),
        Column("ratio_high", "HIGH", _RATIO), Column("orig_data_size", "PAGES", PROSE),
        Column("compr_data_size", "COMPRESSED", PROSE), Column("mem_used_total", "RAM", PROSE),
        Column("mem_low", None), Column("mem_high", None), Column("same_percent", "SAME", PERCENT),
        Column("whole_percent", "WHOLE", PERCENT), Column("page_us", "µs/PAGE", _MICRO),
    )  # fmt: skip
    rows = tuple(
        (
            one.algorithm, one.ratio, _over(one, one.high), _over(one, one.low), one.orig_data_size,
            one.compr_data_size, one.mem_used_total, one.low, one.high, 100 * one.same, 100 * one.whole, one.page_us,
        )
        for one in found
    )  # fmt: skip
    facts = figures(
        "looked", name=looked.name, pages=looked.pages, of_pages=looked.of, seconds=looked.seconds,
        swapped_pages=looked.swapped, refused_processes=looked.refused, kernel=release, content_mix=looked.mix,
    )  # fmt: skip
    sentences = tuple(Sentence(text, ()) for text in _sentences(found, looked, lacking, release))
    return View("zram-estimate", (Grid(columns, rows, "algorithms"), facts), sentences)


def _over(one: Estimate, ram: int) -> float | None:
    return one.orig_data_size / ram if ram else None


def _sentences(found: Sequence[Estimate], looked: Looked, lacking: dict[str, str], release: str) -> Iterator[str]:
    part = "All" if looked.pages >= looked.of else f"{looked.pages:,} of"
    of = f"{count(looked.of, 'page')} of {looked.name}"
    yield f"{part} {of} were read in {looked.seconds:.1f} s; nothing was written."
    ratios = [(one.ratio, one) for one in found if one.ratio]
    if ratios:
        ratio, best = max(ratios, key=lambda pair: pair[0])
        saved = kib_of(best.orig_data_size - best.mem_used_total)
        most = size(kib_of(best.mem_used_total))
        if best.low != best.high:
            most = f"{size(kib_of(best.low))} to {size(kib_of(best.high))} of RAM (in 95 of 100 samples)"
        yield (
            f"With {best.algorithm} {size(kib_of(best.orig_data_size))} would take {most}, a ratio of {ratio:.2f}: "
            f"{size(saved)} less."
        )
    if looked.mix:
        yield f"On the model such memory is --grow NAME=SIZE,content={looked.mix} of memtwin run and memtwin whatif."
    if looked.swapped:
        yield f"{count(looked.swapped, 'page')} are in swap already, and were not read: they may compress otherwise."
    if looked.refused:
        yield f"{count(looked.refused, 'process')} may not be read by this user, and are left out."
    if lacking:
        named = listed(f"{name} ({hint})" for name, hint in lacking.items())
        yield f"Without a library, and so not here: {named}."
    yield (
        f"RAM is what zsmalloc of Linux {release} takes with full groups of pages; one that is used for long has "
        "holes. µs/PAGE is this host's library, not the kernel's. lzo-rle, the kernel's default, has no library: what "
        "it stores differed from lzo's by up to 3 % where that was measured."
    )
