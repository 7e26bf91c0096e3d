"""``lru``: how old memory is: the generations of the multi-gen LRU, or its active and inactive lists, by node.

Reclaim takes from the oldest generation. Pages that page tables say were used come to the youngest; the two youngest
count as active in meminfo, the others as inactive. Without the multi-gen LRU, or where debugfs cannot be read, there
are only two ages: the active and inactive lists of /proc/zoneinfo. Source: mm/vmscan.c (lru_gen_seq_show), v6.12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import COLUMN
from memtwin.render.grid import BAR, NUMBER, Column, Grid, Sentence, Style, View
from memtwin.sysfs import lru_gen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from memtwin.procfs.zoneinfo import Zoneinfo
    from memtwin.render.openmetrics import Metric

_AGE: Final = Style(lambda ms: f"{ms / 1000:.1f}s", "right")
_YOUNG: Final = 2


class Lru(NamedTuple):
    """What is known: generations are None where debugfs has none; *is_on* is None where the kernel does not say."""

    generations: lru_gen.LruGen | None
    zoneinfo: Zoneinfo | None
    is_on: bool | None
    page_bytes: int


class AgeRow(NamedTuple):
    """Pages of one age on one node, in bytes; *seq* and *age_ms* are None for a list."""

    node: int
    name: str
    seq: int | None
    age_ms: int | None
    anon_bytes: int
    file_bytes: int


def view(found: Lru) -> View:
    """Return a row for each generation of each node, the oldest first, or one for each list."""
    page_bytes = found.page_bytes
    rows = tuple(
        generation_rows(found.generations, page_bytes)
        if found.generations
        else list_rows(found.zoneinfo, page_bytes)
        if found.zoneinfo
        else ()
    )
    total = sum(row.anon_bytes + row.file_bytes for row in rows)
    columns = (
        Column("node", "NODE", NUMBER), Column("counts_as", "COUNTS AS"), Column("seq", "GENERATION", NUMBER),
        Column("age_ms", "AGE", _AGE), Column("anon_bytes", "ANON", COLUMN), Column("file_bytes", "FILE", COLUMN),
        Column(None, "", BAR),
    )  # fmt: skip
    cells = tuple((*row, (row.anon_bytes + row.file_bytes) / total if total else 0.0) for row in rows)
    ordered = tuple((node, name, seq, age, anon, file, share) for node, name, seq, age, anon, file, share in cells)
    return View("lru", (Grid(columns, ordered),), tuple(sentences(found, rows)), lambda: metrics(rows))


def generation_rows(record: lru_gen.LruGen, page_bytes: int) -> Iterator[AgeRow]:
    """Yield the generations of each node, those of all groups that have the same place from the youngest together."""
    places: dict[tuple[int, int], list[lru_gen.Generation]] = {}
    for group in record.groups:
        for node in group.nodes:
            for place, generation in enumerate(reversed(node.generations)):
                places.setdefault((node.number, place), []).append(generation)
    one = len(record.groups) == 1
    for (number, place), found in sorted(places.items(), key=lambda item: (item[0][0], -item[0][1])):
        yield AgeRow(
            number, "active" if place < _YOUNG else "inactive", found[0].seq if one else None,
            min(g.age_ms for g in found), sum(g.anon for g in found) * page_bytes,
            sum(g.file for g in found) * page_bytes,
        )  # fmt: skip


def list_rows(record: Zoneinfo, page_bytes: int) -> Iterator[AgeRow]:
    """Yield the inactive and the active list of each node, from those of its zones that print them.

    Before 4.8 a zone has lists of its own, ``nr_inactive_anon`` and its like. An empty zone prints none.
    """
    sizes: dict[tuple[int, str], list[int]] = {}
    for zone in record.zones:
        for age in ("inactive", "active"):
            names = [(f"nr_zone_{age}_{kind}", f"nr_{age}_{kind}") for kind in ("anon", "file")]
            pages = [zone.stats.get(name, zone.stats.get(before)) for name, before in names]
            if None not in pages:
                size = sizes.setdefault((zone.node, age), [0, 0])
                size[:] = (had + (more or 0) * page_bytes for had, more in zip(size, pages, strict=True))
    for (node, age), (anon, file) in sizes.items():
        yield AgeRow(node, age, None, None, anon, file)


def sentences(found: Lru, rows: tuple[AgeRow, ...]) -> Iterator[Sentence]:
    """Yield which policy reclaims, and what the ages mean."""
    if found.generations:
        path = (lru_gen.PATH,)
        yield Sentence(
            "Reclaim takes the oldest generation, the first row of a node; use moves pages to the last.", path
        )
        if len(found.generations.groups) > 1:
            groups = f"{len(found.generations.groups):,}"
            yield Sentence(
                f"Generations of {groups} memory cgroups are added by their place; ages are the least.", path
            )
        old = [row for row in rows if row.name == "inactive" and row.age_ms is not None]
        if old:
            oldest = max(old, key=lambda row: row.age_ms or 0)
            seconds = (oldest.age_ms or 0) // 1000
            yield Sentence(
                f"What is in the oldest generation was not seen in use for {seconds:,} seconds or more.", path
            )
        return
    lists = ("proc/zoneinfo: nr_zone_inactive_anon, nr_zone_active_anon, nr_zone_inactive_file, nr_zone_active_file",)
    if found.is_on:
        yield Sentence(
            "The multi-gen LRU is on; its generations are in debugfs, which only root may read. Active counts the two "
            "youngest.",
            (lru_gen.ENABLED,),
        )
    elif found.is_on is None:
        yield Sentence(
            f"Whether the multi-gen LRU is on is not known: there is no {lru_gen.ENABLED}. Without it reclaim takes "
            "from the inactive lists, and what is used twice is on the active ones.",
            lists,
        )
    else:
        yield Sentence("Reclaim takes from the inactive lists; what is used twice is on the active ones.", lists)


def metrics(rows: tuple[AgeRow, ...]) -> Iterator[Metric]:
    """Yield the bytes of each age and type; of a generation with its number."""
    from memtwin.render.openmetrics import Metric

    def labels(row: AgeRow, kind: str) -> Mapping[str, str]:
        generation = {} if row.seq is None else {"generation": f"{row.seq}"}
        return {"node": f"{row.node}", "counts_as": row.name, "type": kind, **generation}

    sizes = tuple(
        (labels(row, kind), size) for row in rows for kind, size in (("anon", row.anon_bytes), ("file", row.file_bytes))
    )
    yield Metric("memtwin_lru_bytes", "gauge", "Memory that can be reclaimed, by age and type.", sizes)
