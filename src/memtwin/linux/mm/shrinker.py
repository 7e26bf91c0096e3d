"""Shrinkers: what gives kernel memory back when pages of user space and files are reclaimed.

Each pass over the lists also looks at caches of kernel objects, in proportion: at priority *p* it scans

::

    delta = (objects >> p) * 4 / seeks           seeks: 2 for names and inodes; 0: half of all objects
    total = deferred / 2^p + delta               at most twice the objects

in batches (1,024 names, 128 others); what is less than a batch is deferred until it adds up.  Freed objects count
only when a whole slab comes free.  ``vm.vfs_cache_pressure`` scales the number of names.

Follows mm/vmscan.c of Linux 6.1 (``do_shrink_slab``) and mm/workingset.c, fs/super.c for the two caches.

Not modelled: other shrinkers, memory cgroups.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, global_node_page_state
from cython.cimports.memtwin.linux.fs.dcache import shrink_dentries
from cython.cimports.memtwin.linux.mm.huge_memory import shrink_huge_zero_page
from cython.cimports.memtwin.linux.mm.huge_split import deferred_split_count, deferred_split_scan
from cython.cimports.memtwin.linux.mm.workingset import count_shadow_nodes, scan_shadow_nodes
from cython.cimports.memtwin.linux.mm.zs_compact import zs_compact

SOURCE = "mm/vmscan.c", "v6.1"

SHRINK_BATCH = cython.declare(u64, 128)
SUPER_BATCH = cython.declare(u64, 1024)
SHRINK_STOP = cython.declare(u64, 0xFFFFFFFFFFFFFFFF)


def count_objects(s: State, shrinker: u32) -> u64:
    """Objects that a shrinker could free."""
    if shrinker == SHRINK_SHADOWS:
        return count_shadow_nodes(s)
    if shrinker == SHRINK_HUGE_ZERO:
        return shrink_huge_zero_page(s, True)
    if shrinker == SHRINK_DEFERRED_SPLIT:
        return deferred_split_count(s)
    if shrinker == SHRINK_ZRAM_POOL or shrinker == SHRINK_ZSWAP_POOL:
        return s.zs_freeable[shrinker - SHRINK_ZRAM_POOL]
    return s.dentry_lru.nr * cython.cast(u64, s.sysctl.vfs_cache_pressure) // 100


def scan_objects(s: State, shrinker: u32, objects: u64) -> u64:
    """Let a shrinker look at objects; returns how many were freed, or that it has no more."""
    freed: u64
    if shrinker == SHRINK_HUGE_ZERO:
        return shrink_huge_zero_page(s, False)
    if shrinker == SHRINK_DEFERRED_SPLIT:
        return deferred_split_scan(s, objects)
    if shrinker == SHRINK_ZRAM_POOL or shrinker == SHRINK_ZSWAP_POOL:
        freed = zs_compact(s, shrinker - SHRINK_ZRAM_POOL)
        return freed if freed else SHRINK_STOP
    return scan_shadow_nodes(s, objects) if shrinker == SHRINK_SHADOWS else shrink_dentries(s, objects)


def do_shrink_slab(s: State, shrinker: u32, gfp: u32, priority: cython.int) -> u64:
    """One shrinker's share of a pass; returns the objects freed."""
    freeable: u64 = count_objects(s, shrinker)
    deferred: u64
    delta: u64
    total: u64
    batch: u64 = SUPER_BATCH if shrinker == SHRINK_DENTRIES else SHRINK_BATCH
    scanned: u64 = 0
    freed: u64 = 0
    n: u64
    got: u64
    if not freeable or (shrinker == SHRINK_DENTRIES and not gfp & GFP_FS):
        return 0
    deferred = s.shrink_deferred[shrinker]
    s.shrink_deferred[shrinker] = 0
    delta = freeable // 2 if shrinker == SHRINK_SHADOWS else (freeable >> priority) * 2
    total = min((deferred >> priority) + delta, 2 * freeable)
    while total >= batch or (total and total >= freeable):
        n = min(batch, total)
        got = scan_objects(s, shrinker, n)
        if got == SHRINK_STOP:
            break
        freed += got
        s.event[SLABS_SCANNED] += n
        total -= n
        scanned += n
    if deferred + delta > scanned:
        s.shrink_deferred[shrinker] = min(deferred + delta - scanned, 2 * freeable)
    return freed


def shrink_slab(s: State, gfp: u32, priority: cython.int) -> u64:
    """Let every shrinker do its share; returns the slab pages that came free."""
    before: i64 = global_node_page_state(s, NR_SLAB_RECLAIMABLE) + global_node_page_state(s, NR_SLAB_UNRECLAIMABLE)
    shrinker: u32
    for shrinker in range(NR_SHRINKERS):
        do_shrink_slab(s, shrinker, gfp, priority)
    return cython.cast(
        u64,
        max(
            before - global_node_page_state(s, NR_SLAB_RECLAIMABLE) - global_node_page_state(s, NR_SLAB_UNRECLAIMABLE),
            0,
        ),
    )


def drop_slab(s: State) -> None:
    """What writing 2 to vm.drop_caches does: every shrinker at priority 0, while that frees much."""
    round_: u32 = 0
    freed: u64
    shrinker: u32
    while True:
        freed = 0
        for shrinker in range(NR_SHRINKERS):
            freed += do_shrink_slab(s, shrinker, GFP_FS, 0)
        if (freed >> round_) <= 1:
            break
        round_ += 1
    s.event[DROP_SLAB] += 1
