"""Compaction: pages are moved together so that a large free block is made where there are only small ones.

Who compacts: a request for a large block that finds none (**direct compaction**, before and after it reclaims),
``kcompactd`` (``kcompactd.py``) after kswapd has reclaimed for a large block, or when too much of the free memory lies
in small blocks, and an administrator who writes ``vm.compact_memory``.

Whether that is worth it, and what of a failure is remembered, ``compaction_suitable.py`` says.  A block of exactly
the wanted order that comes free while a request compacts is **captured** for it.

Follows mm/compaction.c (``compact_zone``, ``try_to_compact_pages``, ``compact_node``) and mm/migrate.c
(``migrate_pages``) of Linux 6.1.

Not modelled: contention for locks, CMA, huge pages, several nodes.
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add, list_add_tail, list_del
from cython.cimports.memtwin.linux.core.state import State, hooks, is_cut_off, task_at, this_cpu, zone_at
from cython.cimports.memtwin.linux.mm.compaction_free import compaction_alloc
from cython.cimports.memtwin.linux.mm.compaction_scan import (
    ISOLATE_ABORT,
    ISOLATE_NONE,
    block_end_pfn,
    isolate_migratepages,
    pageblock_start_pfn,
    putback_movable_pages,
    scanners_met,
    zone_end_pfn,
)
from cython.cimports.memtwin.linux.mm.compaction_suitable import (
    compact_finished,
    compaction_defer_reset,
    compaction_deferred,
    compaction_restarting,
    compaction_suitable,
    defer_compaction,
    reset_isolation_suitable_zone,
)
from cython.cimports.memtwin.linux.mm.migrate import migrate_page
from cython.cimports.memtwin.linux.mm.page_alloc_fast import gfp_migratetype, gfp_zone
from cython.cimports.memtwin.linux.mm.pcp import free_pcppages_bulk, free_unref_page
from cython.cimports.memtwin.linux.mm.swap import lru_add_drain

from memtwin.linux.core.state import raise_if_broken

# --- a zone ----------------------------------------------------------------------------------------------------------


def init_compact(cc: cython.pointer(CompactControl), zone: u32, order: i32, gfp: u32, mode: u32):
    """A compaction of a zone for a block of 2^*order* pages; -1: until its scanners meet."""
    cc.zone = zone
    cc.order = cc.search_order = order
    cc.gfp = gfp
    cc.mode = mode
    cc.alloc_flags = cc.highest_zone = 0
    cc.migratetype = gfp_migratetype(gfp)
    cc.direct = cc.proactive = cc.ignore_block_suitable = False
    cc.whole_zone = cc.ignore_skip_hint = order < 0
    cc.fast_search_fail = 0


def compact_zone_begin(s: State, cc: cython.pointer(CompactControl)) -> u32:
    """Set the scanners where they begin; anything but COMPACT_CONTINUE: there is nothing to do."""
    zone: cython.pointer(Zone) = zone_at(s, cc.zone)
    end: u64 = zone_end_pfn(s, cc.zone)
    sync: u32 = 1 if cc.mode != MIGRATE_ASYNC else 0
    found: u32 = compaction_suitable(s, cc.zone, cc.order, cc.alloc_flags, cc.highest_zone)
    cc.migrate_scanned = cc.free_scanned = 0
    cc.migratepages.head = cc.migratepages.tail = cc.freepages.head = cc.freepages.tail = 0
    cc.migratepages.nr = cc.freepages.nr = 0
    if found != COMPACT_CONTINUE:
        return found
    if compaction_restarting(s, cc.zone, cc.order):
        reset_isolation_suitable_zone(s, cc.zone)
    cc.fast_start_pfn = cc.last_migrated_pfn = 0
    if cc.whole_zone:
        cc.migrate_pfn = zone.start_pfn
        cc.free_pfn = pageblock_start_pfn(end - 1)
    else:
        if zone.compact_cached_free_pfn < zone.start_pfn or zone.compact_cached_free_pfn >= end:
            zone.compact_cached_free_pfn = pageblock_start_pfn(end - 1)
        cc.free_pfn = zone.compact_cached_free_pfn
        cc.migrate_pfn = zone.compact_cached_migrate_pfn[sync]
        if cc.migrate_pfn < zone.start_pfn or cc.migrate_pfn >= end:
            cc.migrate_pfn = zone.start_pfn
            zone.compact_cached_migrate_pfn[0] = zone.compact_cached_migrate_pfn[1] = zone.start_pfn
        cc.whole_zone = cc.migrate_pfn <= zone.compact_init_migrate_pfn
    cc.update_cached = not sync and zone.compact_cached_migrate_pfn[0] == zone.compact_cached_migrate_pfn[1]
    lru_add_drain(s)
    return COMPACT_CONTINUE


def migrate_pages(s: State, cc: cython.pointer(CompactControl), failed: cython.pointer(cython.bint)) -> cython.bint:
    """Move what was taken to the free frames; False: these ran out.  *failed*: a page stayed where it is.

    The rest is freed.
    """
    stay: u64 = 0
    pfn: u32
    frame: u32
    kept: CompactControl
    enough: cython.bint = True
    kept.migratepages.head = kept.migratepages.tail = 0
    kept.migratepages.nr = 0
    while cc.migratepages.head:
        frame = compaction_alloc(s, cc)
        if not frame:
            stay += 1
            enough = False
            break
        pfn = cc.migratepages.head
        list_del(s.pages, cython.address(cc.migratepages), pfn)
        if migrate_page(s, pfn, frame):
            s.event[PGMIGRATE_SUCCESS] += 1
            continue
        list_add_tail(s.pages, cython.address(kept.migratepages), pfn)
        list_add(s.pages, cython.address(cc.freepages), frame)
        stay += 1
    s.event[PGMIGRATE_FAIL] += stay
    failed[0] = stay != 0
    putback_movable_pages(s, cython.address(kept))
    putback_movable_pages(s, cc)
    return enough


def drain_behind(s: State, cc: cython.pointer(CompactControl)):
    """The migrate scanner has left the block where it took pages: let the freed frames merge at once."""
    pcp: cython.pointer(PerCpuPages) = cython.address(this_cpu(s).pcp[cc.zone])
    if cc.order <= 0 or not cc.last_migrated_pfn:
        return
    if cc.last_migrated_pfn < cc.migrate_pfn & ~((cython.cast(u64, 1) << cc.order) - 1):
        lru_add_drain(s)
        free_pcppages_bulk(s, pcp, pcp.count, 0)
        cc.last_migrated_pfn = 0


def compact_zone_step(s: State, cc: cython.pointer(CompactControl)) -> u32:
    """Take some pages and move them; returns COMPACT_CONTINUE as long as there is more to do."""
    began: u64 = cc.migrate_pfn
    found: u32 = compact_finished(s, cc)
    failed: cython.bint = False
    if found != COMPACT_CONTINUE:
        return found
    cc.rescan = pageblock_start_pfn(cc.last_migrated_pfn) == pageblock_start_pfn(began)
    found = isolate_migratepages(s, cc)
    if found == ISOLATE_ABORT:
        putback_movable_pages(s, cc)
        return COMPACT_CONTENDED
    if found == ISOLATE_NONE:
        if cc.update_cached:
            zone_at(s, cc.zone).compact_cached_migrate_pfn[1] = zone_at(s, cc.zone).compact_cached_migrate_pfn[0]
    else:
        cc.update_cached = False
        cc.last_migrated_pfn = began
        if not migrate_pages(s, cc, cython.address(failed)) and not scanners_met(cc):
            return COMPACT_CONTENDED
        if failed and cc.direct and cc.mode == MIGRATE_ASYNC:
            cc.migrate_pfn = block_end_pfn(cc.migrate_pfn - 1, cc.order)
            cc.last_migrated_pfn = 0
    drain_behind(s, cc)
    return COMPACT_SUCCEEDED if cc.direct and s.captured else COMPACT_CONTINUE


def compact_zone_end(s: State, cc: cython.pointer(CompactControl)):
    """Free the frames that are left, and count what was scanned."""
    pfn: u32
    highest: u64 = 0
    while cc.freepages.head:
        pfn = cc.freepages.head
        list_del(s.pages, cython.address(cc.freepages), pfn)
        highest = max(highest, cython.cast(u64, pfn))
        free_unref_page(s, pfn, 0)
    highest = pageblock_start_pfn(highest)
    zone_at(s, cc.zone).compact_cached_free_pfn = max(zone_at(s, cc.zone).compact_cached_free_pfn, highest)
    s.event[COMPACT_MIGRATE_SCANNED] += cc.migrate_scanned
    s.event[COMPACT_FREE_SCANNED] += cc.free_scanned


def compact_zone(s: State, cc: cython.pointer(CompactControl)) -> u32:
    """Compact a zone for the running task; threads may have the cpu in between."""
    found: u32 = compact_zone_begin(s, cc)
    if found != COMPACT_CONTINUE:
        return found
    while found == COMPACT_CONTINUE and not is_cut_off(s):
        found = compact_zone_step(s, cc)
        hooks.cond_resched(s)
    compact_zone_end(s, cc)
    return found


# --- direct compaction, and vm.compact_memory ------------------------------------------------------------------------


def compact_zone_order(
    s: State,
    zone: u32,
    order: i32,
    gfp: u32,
    prio: u32,
    alloc_flags: u32,
    highest_zone: u32,
    captured: cython.pointer(u32),
) -> u32:
    """Compact a zone for a request; *captured*: the block that it got meanwhile, 0: none."""
    cc: CompactControl
    found: u32
    init_compact(
        cython.address(cc), zone, order, gfp, MIGRATE_ASYNC if prio == COMPACT_PRIO_ASYNC else MIGRATE_SYNC_LIGHT
    )
    cc.alloc_flags = alloc_flags
    cc.highest_zone = highest_zone
    cc.direct = True
    cc.whole_zone = cc.ignore_skip_hint = cc.ignore_block_suitable = prio == COMPACT_PRIO_SYNC_FULL
    s.capture_zone = zone
    s.capture_order = order
    s.captured = 0
    found = compact_zone(s, cython.address(cc))
    captured[0] = s.captured
    s.capture_order = 0
    s.captured = 0
    return COMPACT_SUCCEEDED if captured[0] else found


def try_to_compact_pages(
    s: State, order: i32, gfp: u32, alloc_flags: u32, prio: u32, captured: cython.pointer(u32)
) -> u32:
    """Compact one zone after another, from the highest, until a block should be there (COMPACT_…)."""
    highest: u32 = gfp_zone(gfp)
    zone: u32 = highest + 1
    found: u32
    best: u32 = COMPACT_SKIPPED
    captured[0] = 0
    if not gfp & GFP_IO:
        return COMPACT_SKIPPED
    while zone:
        zone -= 1
        if not zone_at(s, zone).managed:
            continue
        if prio > COMPACT_PRIO_SYNC_FULL and compaction_deferred(s, zone, order):
            best = max(best, cython.cast(u32, COMPACT_DEFERRED))
            continue
        found = compact_zone_order(s, zone, order, gfp, prio, alloc_flags, highest, captured)
        best = max(best, found)
        if found == COMPACT_SUCCEEDED:
            compaction_defer_reset(s, zone, order, False)
            break
        if prio != COMPACT_PRIO_ASYNC and (found == COMPACT_COMPLETE or found == COMPACT_PARTIAL_SKIPPED):
            defer_compaction(s, zone, order)
        if (prio == COMPACT_PRIO_ASYNC and s.rq.resched) or task_at(s, this_cpu(s).current).killed:
            break
    return best


def compact_node(s: State):
    """What writing ``vm.compact_memory`` does: every zone as a whole."""
    cc: CompactControl
    zone: u32
    lru_add_drain(s)
    for zone in range(MAX_NR_ZONES):
        if zone_at(s, zone).managed:
            init_compact(cython.address(cc), zone, -1, GFP_KERNEL, MIGRATE_SYNC)
            compact_zone(s, cython.address(cc))


def compact_memory(s: State) -> None:
    """Compact every zone, as an administrator does who writes ``vm.compact_memory``."""
    with cython.nogil:
        compact_node(s)
    raise_if_broken(s)
