"""``slabtop``: the kernel's object caches, largest first, as ``slabtop -o`` of procps-ng 4.0.2 (Debian 12) prints them.

USE is active of all objects; CACHE SIZE is the pages of the slabs, free objects in them too, so that a cache that was
large once may stay so (fragmentation within slabs). Allocations of more than two pages by kmalloc are in ``Slab`` of
meminfo, but in no cache here. Under SLUB a cache in the list may stand for several that were
merged, being alike: its name is that of one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.render.table import Column, Table, clean, text

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

_HEADING: Final = "  OBJS ACTIVE  USE OBJ SIZE  SLABS OBJ/SLAB CACHE SIZE NAME                   "
_RECLAIMABLE: Final = frozenset((
    "bdev_cache", "btrfs_inode", "buffer_head", "dax_cache", "dentry", "dquot", "ext4_extent_status", "extent_status",
    "erofs_inode", "fscrypt_inode_info", "inode_cache", "mb_cache_entry", "ovl_inode", "radix_tree_node", "xfs_buf",
    "xfs_ili", "xfs_inode",
))  # fmt: skip
_RECLAIMABLE_STARTS: Final = ("kmalloc-rcl-", "jbd2_", "erofs_pcluster-", "ext4_free_data", "ext4_groupinfo_")
_NOT_SHRUNK: Final = frozenset(("shmem_inode_cache", "hugetlbfs_inode_cache", "mqueue_inode_cache"))
_MERGED_SHOWN: Final = 4


class Known(NamedTuple):
    """What /sys/kernel/slab says of a cache: can its memory be given back, and which caches were merged into it."""

    reclaimable: bool | None
    merged: tuple[str, ...] = ()


def ordered(caches: Sequence[SlabCache], sort: str) -> list[SlabCache]:
    """Return *caches* by a letter of :data:`SORTS` or ``n``; equals stay in the kernel's order."""
    if sort == "n":
        return sorted(caches, key=lambda cache: cache.name)
    return sorted(caches, key=SORTS[sort], reverse=True)


def told(caches: Sequence[SlabCache], page_bytes: int) -> str:
    """Return the summary and one row a cache, in the order given."""
    rows = "".join(f"{_row(cache, page_bytes)}\n" for cache in caches)
    return f"{_summary(caches)}\n{_HEADING}\n{rows}"


def explained(
    caches: Sequence[SlabCache], page_bytes: int, known: Mapping[str, Known], before: Mapping[str, int] | None
) -> str:
    """Return size, change since *before* (bytes by name), reclaimable or not, and what was merged, a row a cache."""
    titles = ("CACHE SIZE", "CHANGE", "USE", "OBJS", "OBJ SIZE")
    columns = (Column("NAME"), *(Column(title, "right") for title in titles), Column("RECLAIMABLE"), Column("MERGED"))
    rows = []
    for cache in caches:
        size, facts = size_bytes(cache, page_bytes), known.get(cache.name, Known(None))
        change = "-" if before is None else f"{(size - before.get(cache.name, 0)) // 1024:+d}K"
        flag = {True: "yes", False: "no", None: f"{'yes' if by_name(cache.name) else 'no'}, by its name"}
        merged = " ".join(facts.merged[:_MERGED_SHOWN]) + (" ..." if len(facts.merged) > _MERGED_SHOWN else "")
        rows.append((
            cache.name, f"{size // 1024}K", change, f"{_use(cache)}%", str(cache.num_objs), f"{cache.objsize}B",
            flag[facts.reclaimable], merged,
        ))  # fmt: skip
    return text(Table(columns, tuple(rows)))


def sentences(caches: Sequence[SlabCache], page_bytes: int, known: Mapping[str, Known]) -> Iterator[str]:
    """Yield how much of the slab memory can be given back, and which caches are large and mostly empty."""
    whole = sum(size_bytes(cache, page_bytes) for cache in caches)
    back = sum(size_bytes(cache, page_bytes) for cache in caches if is_reclaimable(cache.name, known))
    if not whole:
        return
    yield (
        f"{back // 1024} of {whole // 1024} KiB are of reclaimable caches (inodes, dentries, page cache indexes): the "
        "kernel shrinks them when memory is short, `echo 2 > /proc/sys/vm/drop_caches` does at once. The rest goes "
        "only when those who hold the objects let go."
    )
    for cache in caches:
        size = size_bytes(cache, page_bytes)
        if size > whole // 20 and _use(cache) < 50:
            yield (
                f"{cache.name} holds {size // 1024} KiB and uses {_use(cache)}% of it: objects were freed, but a few "
                "in each slab keep its pages."
            )


def data(caches: Sequence[SlabCache], page_bytes: int, known: Mapping[str, Known]) -> list[dict[str, Any]]:
    """Return the caches for JSON; ``reclaimable`` is null where only the name could tell."""
    return [
        {
            "name": cache.name,
            "size_bytes": size_bytes(cache, page_bytes),
            "active_objects_count": cache.active_objs,
            "objects_count": cache.num_objs,
            "object_size_bytes": cache.objsize,
            "objects_per_slab_count": cache.objperslab,
            "pages_per_slab_count": cache.pagesperslab,
            "active_slabs_count": cache.active_slabs,
            "slabs_count": cache.num_slabs,
            "reclaimable": known[cache.name].reclaimable if cache.name in known else None,
            "merged": list(known[cache.name].merged) if cache.name in known else [],
        }
        for cache in caches
    ]


def metrics(caches: Sequence[SlabCache]) -> list[Metric]:
    """Return the families of node_exporter's slabinfo collector."""
    from memtwin.render.openmetrics import Metric  # noqa: PLC0415 - when asked for

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


def is_reclaimable(name: str, known: Mapping[str, Known]) -> bool:
    """Return whether the kernel can shrink the cache: as sysfs says, else by its name."""
    told = known[name].reclaimable if name in known else None
    return by_name(name) if told is None else told


def by_name(name: str) -> bool:
    """Return whether caches of this name are made with SLAB_RECLAIM_ACCOUNT in v6.1.

    >>> by_name("ext4_inode_cache"), by_name("kmalloc-64")
    (True, False)
    """
    if name in _RECLAIMABLE or name.startswith(_RECLAIMABLE_STARTS):
        return True
    return name.endswith("_inode_cache") and name not in _NOT_SHRUNK


def _summary(caches: Sequence[SlabCache]) -> str:
    active, objects = sum(cache.active_objs for cache in caches), sum(cache.num_objs for cache in caches)
    used = sum(cache.active_objs * cache.objsize for cache in caches)
    size = sum(cache.num_objs * cache.objsize for cache in caches)
    slabs = (sum(cache.active_slabs for cache in caches), sum(cache.num_slabs for cache in caches))
    filled = sum(1 for cache in caches if cache.num_objs)
    sizes = [int(cache.objsize) for cache in caches] or [0]
    mean = size // objects if objects else 0
    return (
        f" Active / Total Objects (% used)    : {active} / {objects} ({_percent(active, objects)})\n"
        f" Active / Total Slabs (% used)      : {slabs[0]} / {slabs[1]} ({_percent(*slabs)})\n"
        f" Active / Total Caches (% used)     : {filled} / {len(caches)} ({_percent(filled, len(caches))})\n"
        f" Active / Total Size (% used)       : {_kib(used)} / {_kib(size)} ({_percent(used, size)})\n"
        f" Minimum / Average / Maximum Object : {_kib(min(sizes))} / {_kib(mean)} / {_kib(max(sizes))}\n"
    )


def _row(cache: SlabCache, page_bytes: int) -> str:
    return (
        f"{cache.num_objs:6} {cache.active_objs:6} {_use(cache):3}% {_kib(cache.objsize):>8} {cache.num_slabs:6} "
        f"{cache.objperslab:8} {size_bytes(cache, page_bytes) // 1024:9}K {clean(cache.name):23}"
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"


def _kib(size: int) -> str:
    return f"{size / 1024:.2f}K"
