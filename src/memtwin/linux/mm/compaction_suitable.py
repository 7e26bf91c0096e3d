"""Whether compaction is worth it: how fragmented a zone is, what failed lately, which pageblocks are passed over.

A zone is **suitable** when it has enough free memory to move pages into, though no block of the order: free memory over
the mark plus twice the block.  For orders above 3 the *fragmentation index* must say that it is for lack of a large
block, not of memory, that the request fails (over ``vm.extfrag_threshold``, 500)::

    index = 1000 - (1000 + 1000 * free pages / block) / free blocks        -1000: there is such a block

A compaction that failed **defers** the next: 1, 3, 7 … 63 requests of that order, or a larger one, are turned
away.

Follows mm/compaction.c of Linux 6.1 (``compaction_suitable``, ``defer_compaction``, ``compact_finished``,
``__reset_isolation_suitable``) and mm/vmstat.c (``fragmentation_index``, ``extfrag_for_order``).
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, task_at, this_cpu, zone_at
from cython.cimports.memtwin.linux.mm.compaction_scan import (
    pageblock_end_pfn,
    pageblock_start_pfn,
    scanners_met,
    zone_end_pfn,
)
from cython.cimports.memtwin.linux.mm.fallback import can_steal, fallback_type
from cython.cimports.memtwin.linux.mm.mmzone import low_wmark_pages, min_wmark_pages
from cython.cimports.memtwin.linux.mm.page_alloc_fast import wmark_pages, zone_watermark_ok

SOURCE = "mm/compaction.c", "v6.1"


COMPACT_MAX_DEFER_SHIFT = cython.declare(u32, 6)
HPAGE_ORDER = cython.declare(u32, 9)
SAMPLED_PAGES = cython.declare(u32, 8)


def compact_gap(order: i32) -> u64:
    """Free pages beyond the mark that a compaction for a block works with: twice the block."""
    return cython.cast(u64, 2) << order


# --- deferral --------------------------------------------------------------------------------------------------------


def defer_compaction(s: State, zone: u32, order: i32):
    """Compaction of a zone failed: twice as many requests as before are turned away, 64 at most."""
    z: cython.pointer(Zone) = zone_at(s, zone)
    z.compact_considered = 0
    z.compact_defer_shift = min(z.compact_defer_shift + 1, COMPACT_MAX_DEFER_SHIFT)
    z.compact_order_failed = min(z.compact_order_failed, order)


def compaction_deferred(s: State, zone: u32, order: i32) -> cython.bint:
    """Whether a request for a block is turned away now; it counts."""
    z: cython.pointer(Zone) = zone_at(s, zone)
    limit: u64 = cython.cast(u64, 1) << z.compact_defer_shift
    if order < z.compact_order_failed:
        return False
    z.compact_considered += 1
    if z.compact_considered >= limit:
        z.compact_considered = limit
        return False
    return True


def compaction_defer_reset(s: State, zone: u32, order: i32, success: cython.bint):
    """Compaction brought a block, or (*success*) a request got one."""
    z: cython.pointer(Zone) = zone_at(s, zone)
    if success:
        z.compact_considered = 0
        z.compact_defer_shift = 0
    z.compact_order_failed = max(z.compact_order_failed, order + 1)


def compaction_restarting(s: State, zone: u32, order: i32) -> cython.bint:
    """Whether this is the first compaction after the longest deferral."""
    z: cython.pointer(Zone) = zone_at(s, zone)
    return (
        order >= z.compact_order_failed
        and z.compact_defer_shift == COMPACT_MAX_DEFER_SHIFT
        and z.compact_considered >= cython.cast(u64, 1) << z.compact_defer_shift
    )


# --- skip bits -------------------------------------------------------------------------------------------------------


def reset_isolation_pfn(s: State, zone: u32, pfn: u64, source: cython.bint, target: cython.bint) -> cython.bint:
    """Clear a pageblock's skip bit if every eighth of its frames shows a page that could move, or a free one."""
    block: u64 = pfn >> PAGEBLOCK_ORDER
    at: u64 = max(pageblock_start_pfn(pfn), zone_at(s, zone).start_pfn)
    end: u64 = min(pageblock_end_pfn(pfn), zone_end_pfn(s, zone))
    if source and target and not s.pageblock_skip[block]:
        return True
    if not source and target and s.pageblock[block] != MIGRATE_MOVABLE:
        return False
    while at < end:
        if (source and s.pages[at].flags & PG_LRU) or (
            target and s.pages[at].owner == OWNER_BUDDY and s.pages[at].flags & PG_HEAD
        ):
            s.pageblock_skip[block] = 0
            return True
        at += SAMPLED_PAGES
    return False


def reset_isolation_suitable_zone(s: State, zone: u32):
    """After scanners have met: forget which pageblocks were passed over, and where to go on, from both ends."""
    z: cython.pointer(Zone) = zone_at(s, zone)
    migrate: u64 = z.start_pfn
    free: u64 = zone_end_pfn(s, zone) - 1
    first_migrate: u64 = free
    first_free: u64 = migrate
    source_set: cython.bint = False
    free_set: cython.bint = False
    if not z.compact_blockskip_flush:
        return
    z.compact_blockskip_flush = False
    while migrate < free:
        if reset_isolation_pfn(s, zone, migrate, True, source_set) and migrate < first_migrate:
            source_set = True
            first_migrate = migrate
            z.compact_init_migrate_pfn = migrate
            z.compact_cached_migrate_pfn[0] = z.compact_cached_migrate_pfn[1] = migrate
        if reset_isolation_pfn(s, zone, free, free_set, True) and free > first_free:
            free_set = True
            first_free = free
            z.compact_init_free_pfn = free
            z.compact_cached_free_pfn = free
        migrate += PAGEBLOCK_NR
        free -= PAGEBLOCK_NR
    if first_migrate >= first_free:
        z.compact_cached_migrate_pfn[0] = z.compact_cached_migrate_pfn[1] = migrate
        z.compact_cached_free_pfn = free


def reset_isolation_suitable(s: State):
    """Before kswapd sleeps: where a zone's scanners have met, its next compaction starts from its ends."""
    zone: u32
    for zone in range(MAX_NR_ZONES):
        if zone_at(s, zone).managed:
            reset_isolation_suitable_zone(s, zone)


# --- how fragmented a zone is ----------------------------------------------------------------------------------------


def free_blocks(
    s: State,
    zone: u32,
    order: u32,
    pages: cython.pointer(u64),
    blocks: cython.pointer(u64),
    suitable: cython.pointer(u64),
):
    """A zone's free pages and blocks, and how many blocks of an order the large ones would give."""
    o: u32
    mt: u32
    n: u64
    pages[0] = blocks[0] = suitable[0] = 0
    for o in range(NR_ORDERS):
        n = 0
        for mt in range(MIGRATE_TYPES):
            n += zone_at(s, zone).free_area[o][mt].nr
        blocks[0] += n
        pages[0] += n << o
        if o >= order:
            suitable[0] += n << (o - order)


def fragmentation_index(s: State, zone: u32, order: u32) -> i64:
    """Why a request for a block would fail: towards 0 for lack of memory, towards 1000 for lack of a large block."""
    pages: u64 = 0
    blocks: u64 = 0
    suitable: u64 = 0
    free_blocks(s, zone, order, cython.address(pages), cython.address(blocks), cython.address(suitable))
    if not blocks:
        return 0
    if suitable:
        return -1000
    return 1000 - cython.cast(i64, (1000 + pages * 1000 // (cython.cast(u64, 1) << order)) // blocks)


def extfrag_for_order(s: State, zone: u32, order: u32) -> u32:
    """Percent of a zone's free memory that lies in blocks smaller than an order."""
    pages: u64 = 0
    blocks: u64 = 0
    suitable: u64 = 0
    free_blocks(s, zone, order, cython.address(pages), cython.address(blocks), cython.address(suitable))
    return (pages - (suitable << order)) * 100 // pages if pages else 0


def fragmentation_score_node(s: State) -> u32:
    """How fragmented the node is for huge pages, 0 to 100: its zones', weighed by their size."""
    zone: u32
    present: u64 = 0
    score: u32 = 0
    for zone in range(MAX_NR_ZONES):
        present += zone_at(s, zone).present
    for zone in range(MAX_NR_ZONES):
        score += zone_at(s, zone).present * extfrag_for_order(s, zone, HPAGE_ORDER) // (present + 1)
    return score


def fragmentation_score_wmark(s: State, low: cython.bint) -> u32:
    """The score above which kcompactd begins by itself, or (*low*) at which it ends.

    For example: vm.compaction_proactiveness 20: 90 and 80; 100: 15 and 5
    """
    least: u32 = max(100 - cython.cast(u32, s.sysctl.compaction_proactiveness), cython.cast(u32, 5))
    return least if low else min(least + 10, cython.cast(u32, 100))


def kswapd_is_running(s: State) -> cython.bint:
    """Whether kswapd is at work: kcompactd leaves it alone."""
    return s.node_data[0].kswapd.state == THREAD_RUNNING


# --- whether it is worth it ------------------------------------------------------------------------------------------


def compaction_suitable_with(s: State, zone: u32, order: i32, alloc_flags: u32, highest_zone: u32, free: i64) -> u32:
    """Whether a compaction could bring a block if *free* pages were free (COMPACT_…)."""
    mark: u64
    if order < 0:
        return COMPACT_CONTINUE
    if zone_watermark_ok(s, zone, order, wmark_pages(s, zone, alloc_flags), highest_zone, alloc_flags):
        return COMPACT_SUCCEEDED
    mark = low_wmark_pages(s, zone) if order > COSTLY_ORDER else min_wmark_pages(s, zone)
    mark += compact_gap(order) + zone_at(s, zone).lowmem_reserve[highest_zone]
    free -= zone_at(s, zone).nr_reserved_highatomic
    return COMPACT_CONTINUE if free > cython.cast(i64, mark) else COMPACT_SKIPPED


def compaction_suitable(s: State, zone: u32, order: i32, alloc_flags: u32, highest_zone: u32) -> u32:
    """Whether a compaction could bring a block now: SUCCESS there is one, SKIPPED it could not, CONTINUE it could."""
    free: i64 = zone_at(s, zone).stat[NR_FREE_PAGES]
    found: u32 = compaction_suitable_with(s, zone, order, alloc_flags, highest_zone, free)
    index: i64
    if found == COMPACT_CONTINUE and order > COSTLY_ORDER:
        index = fragmentation_index(s, zone, order)
        if 0 <= index <= s.sysctl.extfrag_threshold:
            return COMPACT_SKIPPED
    return found


def block_is_free(s: State, cc: cython.pointer(CompactControl)) -> cython.bint:
    """Whether a request of the compaction's type would find a block now, its own or one that it may take."""
    zone: cython.pointer(Zone) = zone_at(s, cc.zone)
    order: u32
    attempt: u32
    for order in range(cc.order, NR_ORDERS):
        if zone.free_area[order][cc.migratetype].nr:
            return True
        for attempt in range(2):
            if zone.free_area[order][fallback_type(cc.migratetype, attempt)].nr and can_steal(order, cc.migratetype):
                return True
    return False


def proactive_finished(s: State, cc: cython.pointer(CompactControl)) -> u32:
    """Whether a proactive compaction is done: kswapd has work, or the zone's score is at its mark."""
    if kswapd_is_running(s):
        return COMPACT_PARTIAL_SKIPPED
    done: cython.bint = extfrag_for_order(s, cc.zone, HPAGE_ORDER) <= fragmentation_score_wmark(s, True)
    return COMPACT_SUCCEEDED if done else COMPACT_CONTINUE


def compact_finished(s: State, cc: cython.pointer(CompactControl)) -> u32:
    """Whether a compaction is done, and why (COMPACT_…)."""
    zone: cython.pointer(Zone) = zone_at(s, cc.zone)
    if scanners_met(cc):
        zone.compact_cached_migrate_pfn[0] = zone.compact_cached_migrate_pfn[1] = zone.start_pfn
        zone.compact_cached_free_pfn = pageblock_start_pfn(zone_end_pfn(s, cc.zone) - 1)
        if cc.direct:
            zone.compact_blockskip_flush = True
        return COMPACT_COMPLETE if cc.whole_zone else COMPACT_PARTIAL_SKIPPED
    if cc.proactive:
        return proactive_finished(s, cc)
    if cc.order >= 0 and cc.migrate_pfn & (PAGEBLOCK_NR - 1) == 0 and block_is_free(s, cc):
        return COMPACT_SUCCEEDED
    if cc.direct and task_at(s, this_cpu(s).current).killed:
        return COMPACT_CONTENDED
    return COMPACT_CONTINUE


def index(s: State, zone: int, order: int) -> int:
    """The fragmentation index of a zone for an order, in thousandths; -1000: there is such a block."""
    return fragmentation_index(s, zone, order)


def extfrag(s: State, zone: int, order: int) -> int:
    """Percent of a zone's free memory that lies in blocks smaller than an order."""
    return extfrag_for_order(s, zone, order)


def score(s: State) -> int:
    """How fragmented the node is for huge pages, 0 to 100."""
    return fragmentation_score_node(s)
