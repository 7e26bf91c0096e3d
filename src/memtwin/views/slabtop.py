"""``slabtop``: the kernel's object caches, largest first, as ``slabtop -o`` of procps-ng 4.0.2 (Debian 12) prints them.

USE is active of all objects; CACHE SIZE is the pages of the slabs, free objects in them too, so that a cache that was
large once may stay so (fragmentation within slabs). Allocations of more than two pages by kmalloc are in ``Slab`` of
meminfo, but in no cache here. Under SLUB a cache in the list may stand for several that were
merged, being alike: its name is that of one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.procfs.slabinfo import is_reclaimable
from memtwin.render.amount import KIB_K, KIB_K_CHANGE, PERCENT
from memtwin.render.grid import NUMBER, Column, Form, Grid, Sentence, Style, View
from memtwin.units import kib_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from memtwin.procfs.slabinfo import SlabCache
    from memtwin.render.openmetrics import Metric


def _use(cache: SlabCache) -> int:
    return 100 * cache.active_objs // cache.num_objs if cache.num_objs else 0


SORTS: Final[Mapping[str, Callable[[SlabCache], int]]] = {
    "a": lambda cache: cache.active_objs,
    "b": lambda cache: cache.objperslab,
    "c": lambda cache: cache.num_slabs * cache.pagesperslab,
    "l": lambda cache: cache.num_slabs,
    "v": lambda cache: cache.active_slabs,
    "o": lambda cache: cache.num_objs,
    "p": lambda cache: cache.pagesperslab,
    "s": lambda cache: cache.objsize,
    "u": _use,
}
"""What ``-s`` sorts by, falling; ``n``, by name, is the only one that rises."""

_MERGED_SHOWN: Final = 4


class Known(NamedTuple):
    """What /sys/kernel/slab says of a cache: can its memory be reclaimed, and which caches were merged into it."""

    reclaimable: bool | None
    merged: tuple[str, ...] = ()


def order(caches: Sequence[SlabCache], sort: str) -> list[SlabCache]:
    """Return *caches* by a letter of :data:`SORTS` or ``n``; equals stay in the kernel's order."""
    if sort == "n":
        return sorted(caches, key=lambda cache: cache.name)
    return sorted(caches, key=SORTS[sort], reverse=True)


def view(caches: Sequence[SlabCache], page_bytes: int, known: Mapping[str, Known]) -> View:
    """Return the summary and one row a cache, in the order given; *known* is for JSON alone."""
    columns = (
        Column(None, "OBJS", NUMBER, 6), Column(None, "ACTIVE", NUMBER, 6), Column(None, "USE", PERCENT, 4),
        Column(None, "OBJ SIZE", _OBJECT, 8), Column(None, "SLABS", NUMBER, 6), Column(None, "OBJ/SLAB", NUMBER, 8),
        Column(None, "CACHE SIZE", KIB_K, 10), Column(None, "NAME", width=23, pad=True),
    )  # fmt: skip
    rows = tuple(
        (one.num_objs, one.active_objs, _use(one), one.objsize, one.num_slabs, one.objperslab,
         size_bytes(one, page_bytes), one.name)
        for one in caches
    )  # fmt: skip
    fixed = tuple(column._replace(grow=False) for column in columns)
    grids = (_summary(caches), Grid(fixed, rows, form=Form.TERMINAL), data(caches, page_bytes, known))
    return View("slabtop", grids, metrics=lambda: metrics(caches))


def explain(
    caches: Sequence[SlabCache], page_bytes: int, known: Mapping[str, Known], before: Mapping[str, int] | None
) -> View:
    """Return size, change since *before* (bytes by name), reclaimable or not, and what was merged, a row a cache."""
    columns = (
        Column(None, "NAME"), Column(None, "CACHE SIZE", KIB_K),
        Column(None, "CHANGE", KIB_K_CHANGE, optional=before is None), Column(None, "USE", PERCENT),
        Column(None, "OBJS", NUMBER, optional=True), Column(None, "OBJ SIZE", _BYTES, optional=True),
        Column(None, "RECLAIMABLE"), Column(None, "MERGED", prose=True),
    )  # fmt: skip
    rows = []
    for cache in caches:
        size, facts = size_bytes(cache, page_bytes), known.get(cache.name, Known(None))
        change = None if before is None else size - before.get(cache.name, 0)
        flag = {True: "yes", False: "no", None: f"{'yes' if is_reclaimable(cache.name) else 'no'}, by its name"}
        merged = " ".join(facts.merged[:_MERGED_SHOWN]) + (" ..." if len(facts.merged) > _MERGED_SHOWN else "")
        rows.append((
            cache.name, size, change, _use(cache), cache.num_objs, cache.objsize, flag[facts.reclaimable], merged,
        ))  # fmt: skip
    grids = (Grid(columns, tuple(rows), form=Form.TERMINAL), data(caches, page_bytes, known))
    said = tuple(sentences(caches, page_bytes, known)) if before is None else ()
    return View("slabtop", grids, said, lambda: metrics(caches))


def sentences(caches: Sequence[SlabCache], page_bytes: int, known: Mapping[str, Known]) -> Iterator[Sentence]:
    """Yield how much of the slab memory can be reclaimed, and which caches are large and mostly empty."""
    whole = sum(size_bytes(cache, page_bytes) for cache in caches)
    back = sum(size_bytes(cache, page_bytes) for cache in caches if can_shrink(cache.name, known))
    if not whole:
        return
    yield Sentence(
        f"{kib_of(back)} of {kib_of(whole)} KiB are of reclaimable caches (inodes, dentries, page cache indexes): the "
        "kernel shrinks them when memory is short, `echo 2 > /proc/sys/vm/drop_caches` does at once. The rest goes "
        "only when the code that holds the objects frees them.",
        ("proc/slabinfo",),
    )
    for cache in caches:
        size = size_bytes(cache, page_bytes)
        if size > whole // 20 and _use(cache) < 50:
            yield Sentence(
                f"{cache.name} holds {kib_of(size)} KiB and uses {_use(cache)}% of it: objects were freed, but a few "
                "in each slab keep its pages.",
                (f"proc/slabinfo: {cache.name}",),
            )


def data(caches: Sequence[SlabCache], page_bytes: int, known: Mapping[str, Known]) -> Grid:
    """Return the caches for JSON; ``reclaimable`` is null where only the name could say."""
    keys = (
        "name", "size_bytes", "active_objects_count", "objects_count", "object_size_bytes", "objects_per_slab_count",
        "pages_per_slab_count", "active_slabs_count", "slabs_count", "reclaimable", "merged",
    )  # fmt: skip
    rows = tuple(
        (
            one.name, size_bytes(one, page_bytes), one.active_objs, one.num_objs, one.objsize, one.objperslab,
            one.pagesperslab, one.active_slabs, one.num_slabs, *known.get(one.name, Known(None)),
        )
        for one in caches
    )  # fmt: skip
    return Grid(tuple(map(Column, keys)), rows, form=Form.DATA)


def metrics(caches: Sequence[SlabCache]) -> list[Metric]:
    """Return the families of node_exporter's slabinfo collector."""
    from memtwin.render.openmetrics import Metric

    families = {
        "active_objects": ("The number of objects that are currently active (i.e., in use).", "active_objs"),
        "objects": ("The total number of allocated objects.", "num_objs"),
        "object_size_bytes": ("The size of objects in this slab, in bytes.", "objsize"),
        "objects_per_slab": ("The number of objects stored in each slab.", "objperslab"),
        "pages_per_slab": ("The number of pages allocated for each slab.", "pagesperslab"),
    }
    return [
        Metric(f"node_slabinfo_{name}", "gauge", told_of,
               tuple(({"slab": cache.name}, getattr(cache, field)) for cache in caches))
        for name, (told_of, field) in families.items()
    ]  # fmt: skip


def size_bytes(cache: SlabCache, page_bytes: int) -> int:
    """Return the memory that the cache's slabs take."""
    return cache.num_slabs * cache.pagesperslab * page_bytes


def can_shrink(name: str, known: Mapping[str, Known]) -> bool:
    """Return whether the kernel can shrink the cache: as sysfs says, else by its name."""
    flag = known[name].reclaimable if name in known else None
    return is_reclaimable(name) if flag is None else flag


def _summary(caches: Sequence[SlabCache]) -> Grid:
    active, objects = sum(cache.active_objs for cache in caches), sum(cache.num_objs for cache in caches)
    used = sum(cache.active_objs * cache.objsize for cache in caches)
    size = sum(cache.num_objs * cache.objsize for cache in caches)
    slabs = (sum(cache.active_slabs for cache in caches), sum(cache.num_slabs for cache in caches))
    filled = sum(1 for cache in caches if cache.num_objs)
    sizes = [int(cache.objsize) for cache in caches] or [0]
    mean = size // objects if objects else 0
    rows = (
        ("Active / Total Objects (% used)", f"{active} / {objects} ({_percent(active, objects)})"),
        ("Active / Total Slabs (% used)", f"{slabs[0]} / {slabs[1]} ({_percent(*slabs)})"),
        ("Active / Total Caches (% used)", f"{filled} / {len(caches)} ({_percent(filled, len(caches))})"),
        ("Active / Total Size (% used)", f"{_kib(used)} / {_kib(size)} ({_percent(used, size)})"),
        ("Minimum / Average / Maximum Object", f"{_kib(min(sizes))} / {_kib(mean)} / {_kib(max(sizes))}"),
    )
    columns = (Column(None, "", width=35), Column(None, ""))
    return Grid(columns, tuple((f" {label}", f": {text}") for label, text in rows), form=Form.TERMINAL, headings=False)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"


def _kib(size: int) -> str:
    return f"{size / 1024:.2f}K"


_OBJECT: Final = Style(_kib, "right")
_BYTES: Final = Style(lambda size: f"{size}B", "right")
