"""What happens when a request cannot have its page at once: the order of steps, and MemAvailable.

The fast path (``page_alloc_fast.py``) found no zone above its *low* mark.  Then, in this order:

1. wake kswapd, and try again down to the *min* mark;
2. a request for a block that is large, or not movable, tries **direct compaction** (``compaction.py``), waiting for
   nothing;
3. a thread that reclaims itself may take from the reserves; nothing else goes on without reclaiming;
4. **direct reclaim**: the task reclaims 32 pages for itself, and tries again; if that failed though pages were freed,
   a pageblock that is kept for atomic blocks is given up, the per-cpu lists are emptied, and it tries once more; then
   direct compaction for any block, harder;
5. a request that is only an attempt (readahead, a large slab), or for a block of order above 3, gives up here;
6. start again, as long as reclaim frees something, or has failed fewer than 17 times in a row while all that could be
   reclaimed would lift some zone over its *min* mark; or as long as compaction may yet bring a block, up to the hardest
   priority;
7. otherwise the machine is **out of memory**: one more try at the *high* mark, then a process is killed
   (``oom_kill.py``), and all begins again.  A victim that asks itself goes round once more, now down to half of the
   *min* mark; if that fails too it gets nothing, or, after 2 s, what the reaper took from it.

Follows mm/page_alloc.c of Linux 6.1 (``__alloc_pages_slowpath``, ``should_reclaim_retry``,
``should_compact_retry``, ``__alloc_pages_direct_compact``, ``si_mem_available``).
"""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    global_node_page_state,
    hooks,
    in_pieces,
    local_clock,
    must_return,
    task_at,
    this_cpu,
    this_runner,
    zone_at,
    zone_of,
)
from cython.cimports.memtwin.linux.kernel.sched.psi import psi_memstall_enter, psi_memstall_leave
from cython.cimports.memtwin.linux.kernel.sched.wait import wait_until
from cython.cimports.memtwin.linux.mm.compaction import try_to_compact_pages
from cython.cimports.memtwin.linux.mm.compaction_suitable import compaction_defer_reset, compaction_suitable_with
from cython.cimports.memtwin.linux.mm.fallback import (
    ALLOC_HIGHATOMIC,
    ALLOC_NON_BLOCK,
    ALLOC_OOM,
    unreserve_highatomic_pageblock,
)
from cython.cimports.memtwin.linux.mm.kcompactd import wakeup_kcompactd
from cython.cimports.memtwin.linux.mm.mmzone import low_wmark_pages, min_wmark_pages
from cython.cimports.memtwin.linux.mm.oom_kill import oom_reap, out_of_memory
from cython.cimports.memtwin.linux.mm.page_alloc_fast import (
    ALLOC_MIN_RESERVE,
    ALLOC_NO_WATERMARKS,
    ALLOC_WMARK_HIGH,
    ALLOC_WMARK_MIN,
    get_page_from_freelist,
    gfp_migratetype,
    gfp_zone,
    nr_free_pages,
    wakeup_kswapd,
    zone_watermark_ok,
)
from cython.cimports.memtwin.linux.mm.pcp import drain_pages
from cython.cimports.memtwin.linux.mm.vmscan_node import try_to_free_pages
from cython.cimports.memtwin.linux.mm.vmscan_throttle import zone_reclaimable_pages

MAX_COMPACT_RETRIES = cython.declare(u32, 16)
JIFFY_NS = cython.declare(u64, 4_000_000)


def plain_alloc_flags(order: u32, gfp: u32) -> u32:
    """How far a request may go by what it is: one that is urgent, or cannot wait, may use some of the reserves."""
    flags: u32 = ALLOC_WMARK_MIN | (ALLOC_MIN_RESERVE if gfp & GFP_HIGH else 0)
    if not gfp & (GFP_DIRECT_RECLAIM | GFP_NOMEMALLOC):
        flags |= ALLOC_NON_BLOCK
        if order and gfp & GFP_HIGH:
            flags |= ALLOC_HIGHATOMIC
    return flags


def gfp_to_alloc_flags(s: State, order: u32, gfp: u32) -> u32:
    """How far a request may go now: a thread that reclaims takes what there is, a victim half of the reserves."""
    if this_cpu(s).memalloc and not gfp & GFP_NOMEMALLOC:
        return ALLOC_NO_WATERMARKS
    if task_at(s, this_cpu(s).current).oom_victim and not s.in_thread and not gfp & GFP_NOMEMALLOC:
        return ALLOC_WMARK_MIN | ALLOC_OOM
    return plain_alloc_flags(order, gfp)


def should_reclaim_retry(
    s: State, order: u32, gfp: u32, progress: u64, no_progress: cython.pointer(u32)
) -> cython.bint:
    """Whether another round could help: whether all that is reclaimable would lift some zone over its min mark."""
    zone: u32
    highest: u32 = gfp_zone(gfp)
    free: i64
    if progress and order <= COSTLY_ORDER:
        no_progress[0] = 0
    else:
        no_progress[0] += 1
    if no_progress[0] > MAX_RECLAIM_RETRIES:
        return unreserve_highatomic_pageblock(s, highest, gfp_migratetype(gfp), True)
    for zone in range(highest + 1):
        if not zone_at(s, zone).managed:
            continue
        free = zone_at(s, zone).stat[NR_FREE_PAGES] + zone_reclaimable_pages(s, zone)
        if free > cython.cast(i64, min_wmark_pages(s, zone) + zone_at(s, zone).lowmem_reserve[highest]):
            return order == 0 or zone_watermark_ok(s, zone, order, 0, highest, 0)
    return s.features.highatomic_free and unreserve_highatomic_pageblock(s, highest, gfp_migratetype(gfp), True)


def alloc_pages_direct_compact(
    s: State, order: u32, gfp: u32, alloc_flags: u32, prio: u32, result: cython.pointer(u32)
) -> u32:
    """Compact, then take the block that was captured or try again; the task stalls for as long."""
    pfn: u32 = 0
    if not order:
        return 0
    psi_memstall_enter(s)
    this_cpu(s).memalloc += 1
    result[0] = try_to_compact_pages(s, order, gfp, alloc_flags, prio, cython.address(pfn))
    this_cpu(s).memalloc -= 1
    psi_memstall_leave(s)
    if result[0] == COMPACT_SKIPPED:
        return 0
    s.event[COMPACT_STALL] += 1
    if not pfn:
        pfn = get_page_from_freelist(s, order, gfp, alloc_flags)
    if pfn:
        zone_at(s, zone_of(s, pfn)).compact_blockskip_flush = False
        compaction_defer_reset(s, zone_of(s, pfn), order, True)
        s.event[COMPACT_SUCCESS] += 1
        return pfn
    s.event[COMPACT_FAIL] += 1
    hooks.cond_resched(s)
    return 0


def could_be_suitable(s: State, order: u32, gfp: u32, alloc_flags: u32) -> cython.bint:
    """Whether compaction could work in some zone if a share of what is reclaimable were free."""
    zone: u32
    available: i64
    for zone in range(gfp_zone(gfp) + 1):
        if not zone_at(s, zone).managed:
            continue
        available = zone_at(s, zone).stat[NR_FREE_PAGES] + zone_reclaimable_pages(s, zone) // order
        if compaction_suitable_with(s, zone, order, alloc_flags, gfp_zone(gfp), available) == COMPACT_CONTINUE:
            return True
    return False


def should_compact_retry(
    s: State, order: u32, gfp: u32, alloc_flags: u32, c: cython.pointer(CompactTries)
) -> cython.bint:
    """Whether another round of reclaim and compaction could bring a block, harder if need be."""
    most: u32 = MAX_COMPACT_RETRIES // 4 if order > COSTLY_ORDER else MAX_COMPACT_RETRIES
    hardest: u32 = COMPACT_PRIO_SYNC_LIGHT if order > COSTLY_ORDER else COMPACT_PRIO_SYNC_FULL
    if not order or not gfp & GFP_IO or task_at(s, this_cpu(s).current).killed:
        return False
    if c.result == COMPACT_SKIPPED:
        return could_be_suitable(s, order, gfp, alloc_flags)
    if c.result == COMPACT_SUCCEEDED:
        c.retries += 1
        if c.retries <= most:
            return True
    if c.prio <= hardest:
        return False
    c.prio -= 1
    c.retries = 0
    return True


def alloc_pages_direct_reclaim(s: State, order: u32, gfp: u32, progress: cython.pointer(u64)) -> u32:
    """Reclaim, then try again; once more with empty per-cpu lists."""
    pfn: u32
    hooks.cond_resched(s)
    progress[0] = try_to_free_pages(s, order, gfp)
    if must_return(s):
        return 0
    hooks.cond_resched(s)
    if not progress[0]:
        return 0
    pfn = get_page_from_freelist(s, order, gfp, gfp_to_alloc_flags(s, order, gfp))
    if not pfn:
        unreserve_highatomic_pageblock(s, gfp_zone(gfp), gfp_migratetype(gfp), False)
        drain_pages(s)
        pfn = get_page_from_freelist(s, order, gfp, gfp_to_alloc_flags(s, order, gfp))
    return pfn


def victim_is_suspended(s: State) -> cython.bint:
    """Whether a runner asks while the task that it interrupts was killed already: its memory comes when it goes on."""
    return in_pieces(s) and s.suspended != 0 and task_at(s, s.suspended).oom_victim


def alloc_pages_may_oom(s: State, order: u32, gfp: u32, again: cython.pointer(cython.bint)) -> u32:
    """The last resort: a page from above the high watermark, or a process is killed and all is tried *again*."""
    pfn: u32 = get_page_from_freelist(s, order, gfp, ALLOC_WMARK_HIGH)
    again[0] = False
    if pfn:
        return pfn
    if victim_is_suspended(s):
        wait_until(s, local_clock(s) + JIFFY_NS, False, False)
        again[0] = True
        return 0
    again[0] = out_of_memory(s, order, gfp)
    if gfp & GFP_NOFAIL:
        pfn = get_page_from_freelist(s, order, gfp, ALLOC_NO_WATERMARKS)
    if not pfn and again[0] and not gfp & GFP_FS:
        hooks.schedule_timeout(s, s.now_ns + JIFFY_NS)
        again[0] = gfp & GFP_NOFAIL != 0
    return pfn


def wake_daemons(s: State, order: u32, gfp: u32):
    """Wake kswapd; where it has nothing to do and the request cannot reclaim for itself, kcompactd."""
    k: cython.pointer(Kswapd) = cython.address(s.node_data[0].kswapd)
    if not gfp & GFP_KSWAPD_RECLAIM:
        return
    wakeup_kswapd(s, order, gfp_zone(gfp))
    if not gfp & GFP_DIRECT_RECLAIM and (k.state == THREAD_ASLEEP or k.state == THREAD_NAP):
        wakeup_kcompactd(s, order, gfp_zone(gfp))


def may_compact_first(s: State, order: u32, gfp: u32) -> cython.bint:
    """Whether a request compacts before it reclaims: for a large block, or one that would mix movable memory."""
    if not gfp & GFP_DIRECT_RECLAIM or not gfp & GFP_IO or this_cpu(s).memalloc:
        return False
    if task_at(s, this_cpu(s).current).oom_victim and not s.in_thread:
        return False
    return order > COSTLY_ORDER or (order > 0 and gfp_migratetype(gfp) != MIGRATE_MOVABLE)


def compact_first(s: State, order: u32, gfp: u32, alloc_flags: u32, c: cython.pointer(CompactTries)) -> u32:
    """Direct compaction before any reclaim, for a request that is worth it; 0: no block yet.

    A large one that is only an attempt ends here where compaction has nothing to work with or failed lately, and where
    it is the first of two for a huge page.
    """
    pfn: u32
    if not may_compact_first(s, order, gfp):
        return 0
    pfn = alloc_pages_direct_compact(s, order, gfp, alloc_flags, COMPACT_PRIO_ASYNC, cython.address(c.result))
    if not pfn and order > COSTLY_ORDER and gfp & GFP_NORETRY:
        c.prio = COMPACT_PRIO_ASYNC
        c.ends = c.result == COMPACT_SKIPPED or c.result == COMPACT_DEFERRED or gfp & GFP_THISNODE != 0
    return pfn


def reclaim_and_compact(
    s: State, order: u32, gfp: u32, alloc_flags: u32, c: cython.pointer(CompactTries), progress: cython.pointer(u64)
) -> u32:
    """Direct reclaim, then direct compaction; 0: no block."""
    pfn: u32 = alloc_pages_direct_reclaim(s, order, gfp, progress)
    if pfn or must_return(s):
        return pfn
    return alloc_pages_direct_compact(s, order, gfp, alloc_flags, c.prio, cython.address(c.result))


def slowpath_begin(s: State, order: u32, gfp: u32, p: cython.pointer(SlowPath)) -> u32:
    """What a request does first: wake the threads, try once more, compact; 0: no block yet."""
    pfn: u32
    if in_pieces(s):
        this_runner(s).reclaims = False
    p.order = order
    p.gfp = gfp
    p.progress = 0
    p.no_progress = 0
    p.c.result = COMPACT_SKIPPED
    p.c.prio = COMPACT_PRIO_SYNC_LIGHT
    p.c.retries = 0
    p.c.ends = False
    wake_daemons(s, order, gfp)
    p.alloc_flags = plain_alloc_flags(order, gfp)
    pfn = get_page_from_freelist(s, order, gfp, p.alloc_flags)
    if not pfn:
        pfn = compact_first(s, order, gfp, p.alloc_flags, cython.address(p.c))
    return pfn


def alloc_pages_slowpath(s: State, order: u32, gfp: u32) -> u32:
    """The steps above; 0: refused, and ``State.alloc_error`` says why.

    A runner's request that has to wait is refused with AGAIN; made again, it goes on where it was.  So is each further
    round: what it lacks others may have to bring, kswapd above all.  An attempt that came before the one that waits has
    failed; made again on the way to that one, it fails at once.  A request that is made while another reclaims (zram's,
    for what it compresses) never waits.  Where the machine has panicked nothing is reclaimed any more.
    """
    local: SlowPath
    p: cython.pointer(SlowPath) = cython.address(local)
    local.active = False
    if s.panicked:
        s.alloc_error = ENOMEM
        return 0
    if in_pieces(s) and not this_cpu(s).memalloc:
        if must_return(s):
            s.alloc_error = AGAIN
            return 0
        p = cython.address(this_runner(s).slow)
        if p.active and gfp & GFP_NORETRY and gfp != p.gfp:
            s.alloc_error = ENOMEM
            return 0
    return slowpath(s, order, gfp, p)


def should_retry(s: State, p: cython.pointer(SlowPath)) -> cython.bint:
    """Whether another round could help: reclaim frees something or may yet, or compaction may bring a block."""
    if should_reclaim_retry(s, p.order, p.gfp, p.progress, cython.address(p.no_progress)):
        return True
    return p.progress != 0 and should_compact_retry(s, p.order, p.gfp, p.alloc_flags, cython.address(p.c))


def end_round(s: State):
    """Let a runner's next round be a piece of its own: what it lacks others may bring meanwhile.

    It keeps its place in its CPU's queue: what it waits for is over already.
    """
    if in_pieces(s):
        wait_until(s, s.now_ns, False, False)


def come_again(s: State, p: cython.pointer(SlowPath)) -> u32:
    """Refuse a runner's request that waits, for now."""
    p.active = True
    s.alloc_error = AGAIN
    return 0


def slowpath(s: State, order: u32, gfp: u32, p: cython.pointer(SlowPath)) -> u32:
    """The steps, with what a request has to remember in *p*."""
    pfn: u32 = 0
    dying: cython.bint
    again: cython.bint
    s.alloc_error = ENOMEM
    if not p.active or p.order != order or p.gfp != gfp:
        pfn = slowpath_begin(s, order, gfp, p)
    p.active = False
    again = not p.c.ends
    while not pfn and again:
        wake_daemons(s, order, gfp)
        dying = task_at(s, this_cpu(s).current).oom_victim and not s.in_thread
        pfn = get_page_from_freelist(s, order, gfp, gfp_to_alloc_flags(s, order, gfp))
        if pfn or not gfp & GFP_DIRECT_RECLAIM or this_cpu(s).memalloc:
            break
        oom_reap(s)
        pfn = reclaim_and_compact(s, order, gfp, p.alloc_flags, cython.address(p.c), cython.address(p.progress))
        if must_return(s):
            return come_again(s, p)
        if pfn or gfp & GFP_NORETRY or order > COSTLY_ORDER:
            break
        if should_retry(s, p):
            end_round(s)
        else:
            pfn = alloc_pages_may_oom(s, order, gfp, cython.address(again))
            again = again and not dying
            p.no_progress *= must_return(s)
        if must_return(s) and not pfn:
            return come_again(s, p)
    if not pfn and task_at(s, this_cpu(s).current).killed:
        s.alloc_error = KILLED
    return pfn


def si_mem_available(s: State) -> int:
    """MemAvailable in pages: free memory above the reserves, and what reclaim could give without swapping.

    Half of the page cache, or the sum of the low watermarks if that is less, counts as in use; so does
    half of the reclaimable slab.
    """
    z: u32
    low: i64 = 0
    for z in range(MAX_NR_ZONES):
        low += low_wmark_pages(s, z)
    cache: i64 = global_node_page_state(s, LRU_ACTIVE_FILE) + global_node_page_state(s, LRU_INACTIVE_FILE)
    slab: i64 = global_node_page_state(s, NR_SLAB_RECLAIMABLE) + global_node_page_state(s, NR_KERNEL_MISC_RECLAIMABLE)
    available: i64 = cython.cast(i64, nr_free_pages(s)) - cython.cast(i64, s.totalreserve_pages)
    available += cache - min(cache // 2, low)
    available += slab - min(slab // 2, low)
    return max(available, 0)
