"""Steps that make the slab caches of a machine: their slabs, and which of them the model allocates from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux import restore_swap
from memtwin.linux.core import mm_types as t
from memtwin.linux.mm import mm_init, slub
from memtwin.machine.layout import RECLAIMABLE, UNMOVABLE
from memtwin.procfs import slabinfo
from memtwin.units import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.linux.core.state import State
    from memtwin.machine.draft import Draft

KNOWN_CACHES = {
    "task_struct": t.CACHE_TASK_STRUCT,
    "signal_cache": t.CACHE_SIGNAL,
    "sighand_cache": t.CACHE_SIGHAND,
    "files_cache": t.CACHE_FILES,
    "cred_jar": t.CACHE_CRED,
    "pid": t.CACHE_PID,
    "mm_struct": t.CACHE_MM_STRUCT,
    "vm_area_struct": t.CACHE_VMA,
    "anon_vma": t.CACHE_ANON_VMA,
    "anon_vma_chain": t.CACHE_ANON_VMA_CHAIN,
    "radix_tree_node": t.CACHE_RADIX_TREE_NODE,
    "buffer_head": t.CACHE_BUFFER_HEAD,
    "filp": t.CACHE_FILP,
    "dentry": t.CACHE_DENTRY,
    "inode_cache": t.CACHE_INODE,
    "proc_inode_cache": t.CACHE_PROC_INODE,
    "ext4_inode_cache": t.CACHE_EXT4_INODE,
    "lsm_inode_cache": t.CACHE_LSM_INODE,
    "zs_handle": t.CACHE_ZS_HANDLE,
    "zspage": t.CACHE_ZSPAGE,
    "zswap_entry": t.CACHE_ZSWAP_ENTRY,
    "bio-192": t.CACHE_BIO,
    "shmem_inode_cache": t.CACHE_SHMEM_INODE,
    "khugepaged_mm_slot": t.CACHE_MM_SLOT,
}
MERGED = {"zspage": "ftrace_event_field", "zs_handle": "kmalloc-8", "zswap_entry": "vmap_area"}
"""Caches that slabinfo does not show: objects of their size lie in another one's slabs."""
OF_STORED = (t.CACHE_ZS_HANDLE, t.CACHE_ZSWAP_ENTRY)
"""Of which each page in zram or zswap has one."""
GROW_WHEN_READ = ("proc_inode_cache", "dentry", "filp", "inode_cache")
"""Caches that reading /proc itself fills: slabinfo, read after vmstat, may show a few slabs more."""


def place_slabs(d: Draft) -> None:
    """Slab caches and their slabs, the largest orders first; what slabinfo does not explain as one-page slabs."""
    rows = d.boot.slabinfo.caches if d.boot.slabinfo else ()
    slabs = {row.name: row.num_slabs for row in rows}
    for reclaimable in (True, False):
        kind = [row for row in rows if slabinfo.is_reclaimable(row.name) == reclaimable]
        name = "nr_slab_reclaimable" if reclaimable else "nr_slab_unreclaimable"
        left = (d.boot.vmstat.get(name) or 0) - sum(row.pages for row in kind)
        for row in sorted(kind, key=lambda row: row.name not in GROW_WHEN_READ):
            drop = min(slabs[row.name], -(left // row.pagesperslab)) if left < 0 else 0
            slabs[row.name] -= drop
            left += drop * row.pagesperslab
        _unexplained_slabs(d, reclaimable, left)
    for row in sorted(rows, key=lambda row: -row.pagesperslab):
        reclaimable = slabinfo.is_reclaimable(row.name)
        order = row.pagesperslab.bit_length() - 1
        cache = slub.create_cache(d.state, row.objsize, row.objperslab, order, reclaimable)
        d.caches[row.name] = cache
        _cache_slabs(d, cache, row, slabs[row.name])


def _cache_slabs(d: Draft, cache: int, row: slabinfo.SlabCache, slabs: int) -> None:
    """Make the slabs of one cache; free objects that slabinfo shows are spread over its last slabs.

    How full the cpu's own slab is, slabinfo does not show: half; that of writes to swap has the reserve of those.
    """
    missing = max(row.num_objs - row.active_objs, 0)
    for number in range(slabs):
        pfn = d.frames.block(row.pagesperslab.bit_length() - 1, _kind(slabinfo.is_reclaimable(row.name)))
        if number == 0:
            is_bio = KNOWN_CACHES.get(row.name) == t.CACHE_BIO
            in_use = t.BIO_POOL_SIZE if is_bio else row.objperslab // 2
            mm_init.add_slab(d.state, cache, pfn, in_use, on_cpu=True)
            continue
        free = min(missing, row.objperslab)
        missing -= free
        d.slabs.setdefault(cache, []).append((pfn, row.objperslab - free))
        mm_init.add_slab(d.state, cache, pfn, row.objperslab - free, on_cpu=False)


def _unexplained_slabs(d: Draft, reclaimable: bool, count: int) -> None:  # noqa: FBT001
    """Slab pages that no cache shows: large kmalloc, or a snapshot without slabinfo."""
    cache = slub.create_cache(d.state, PAGE_BYTES, 1, 0, reclaimable)
    for pfn, frames in d.frames.runs(count, _kind(reclaimable)):
        for offset in range(frames):
            mm_init.add_slab(d.state, cache, pfn + offset, 1, on_cpu=False)


def _kind(reclaimable: bool) -> int:  # noqa: FBT001
    """In pageblocks of which type slabs lie."""
    return RECLAIMABLE if reclaimable else UNMOVABLE


def know_caches(d: Draft) -> None:
    """Say which slab caches are those whose objects the model allocates."""
    know(d.state, d.caches)
    for kind in OF_STORED:
        restore_swap.own_objects(d.state, kind, d.slabs.get(cache_of(d.caches, kind), [])[::-1])


def know(state: State, caches: Mapping[str, int]) -> None:
    """Say which of *caches*, by name, are those whose objects the model allocates; without any it allocates none."""
    for kind in KNOWN_CACHES.values():
        mm_init.know_cache(state, kind, cache_of(caches, kind))


def cache_of(caches: Mapping[str, int], kind: int) -> int:
    """Return the cache of a kind of object (KnownCache), by itself or in another one's slabs; 0: there is none."""
    name = next(name for name, known in KNOWN_CACHES.items() if known == kind)
    return caches.get(name, 0) or caches.get(MERGED.get(name, ""), 0)
