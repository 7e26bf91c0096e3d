"""One pass over the node's lists: how much of each is scanned, and why files or why anonymous pages.

Pressure is a number: at **priority** *p* a list's share ``size >> p`` is scanned.  A pass that did not find enough
is followed by one at *p - 1*, from 12 (a 4096th) down to 0 (everything).  How the share is split is decided for
each pass, in this order (``get_scan_count``):

================================================================================== =========
no swap has room, or the caller may not swap                                       files
priority 0, and vm.swappiness is not 0                                             both, equally
the file lists and free memory together are below the high marks                   anonymous
there are plenty of inactive file pages, and their list is not too short           files
otherwise, by cost and ``vm.swappiness``                                           both, in proportion
================================================================================== =========

::

    anon share = swappiness * (total + 1) / (anon cost + 1)
    file share = (200 - swappiness) * (total + 1) / (file cost + 1)

where each kind's *cost* is the I/O that reclaiming it caused lately plus the sum of both, so that either weighs at
most twice the other: with swappiness 60 and no cost, 30 % anonymous; when only files refault, 46 %.

A task that reclaims for itself (**direct reclaim**) wants 32 pages; it goes down from 12 until it has them.

Follows mm/vmscan.c of Linux 6.1 (``prepare_scan_count``, ``get_scan_count``, ``shrink_lruvec``, ``shrink_node``,
``do_try_to_free_pages``).

Not modelled: memory cgroups (all pages are the root's), the lag of the statistics that Linux reads here.
"""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    global_node_page_state,
    hooks,
    in_pieces,
    is_cut_off,
    must_return,
    scanned_pgdat,
    this_cpu,
    this_runner,
    zone_at,
)
from cython.cimports.memtwin.linux.kernel.sched.psi import psi_memstall_enter, psi_memstall_leave
from cython.cimports.memtwin.linux.mm.compaction_suitable import compact_gap, compaction_suitable
from cython.cimports.memtwin.linux.mm.lru_gen_shrink import (
    lru_gen_shrink_begin,
    lru_gen_shrink_end,
    lru_gen_shrink_round,
)
from cython.cimports.memtwin.linux.mm.memcontrol import lruvec_page_state, mem_cgroup_flush_stats
from cython.cimports.memtwin.linux.mm.mmzone import high_wmark_pages
from cython.cimports.memtwin.linux.mm.page_alloc_fast import gfp_zone, nr_free_pages, zone_watermark_ok
from cython.cimports.memtwin.linux.mm.page_io import finish_plug
from cython.cimports.memtwin.linux.mm.shrinker import shrink_slab
from cython.cimports.memtwin.linux.mm.vmscan import inactive_is_low, shrink_active_list, shrink_inactive_list
from cython.cimports.memtwin.linux.mm.vmscan_throttle import reclaim_throttle, throttle_direct_reclaim

SOURCE = "mm/vmscan.c", "v6.1"

EVICTABLE = cython.declare(u32, 4)


def init_scan(sc: cython.pointer(ScanControl), gfp: u32, order: u32, reclaim_idx: u32):
    """A reclaim of its own, for a request: 32 pages, writing and swapping allowed."""
    sc.nr_to_reclaim = SWAP_CLUSTER_MAX
    sc.nr_reclaimed = sc.nr_scanned = 0
    sc.priority = DEF_PRIORITY
    sc.order = order
    sc.reclaim_idx = reclaim_idx
    sc.gfp = gfp
    sc.kswapd = False
    sc.may_writepage = sc.may_swap = True
    sc.ignore_references = False
    sc.may_deactivate_anon = sc.may_deactivate_file = False
    sc.force_deactivate = sc.skipped_deactivate = sc.full_walk = False
    sc.waited = sc.ready = False
    sc.cache_trim_mode = sc.file_is_tiny = False
    sc.gen_need_aging = False
    sc.anon_cost = sc.file_cost = 0
    sc.nr_dirty = sc.nr_unqueued_dirty = sc.nr_congested = sc.nr_writeback = 0
    sc.nr_immediate = sc.nr_taken = sc.nr_file_taken = 0


def lru_gen_enabled(s: State, sc: cython.pointer(ScanControl)) -> cython.bint:
    """Whether the node is reclaimed by generations."""
    return scanned_pgdat(s, sc).lruvec.gen.enabled


def has_own_pass(s: State, sc: cython.pointer(ScanControl)) -> cython.bint:
    """Whether generations have a pass of their own over the node; before 6.3 they are a part of this one."""
    return lru_gen_enabled(s, sc) and s.features.gen_node_lists


def lru_size(s: State, lru: u32, highest_zone: u32) -> u64:
    """Pages of a list in the zones that the caller can use."""
    zone: u32
    size: u64 = 0
    for zone in range(highest_zone + 1):
        size += zone_at(s, zone).stat[NR_ZONE_INACTIVE_ANON + lru]
    return size


def prepare_scan(s: State, sc: cython.pointer(ScanControl)):
    """Look at the state of the lists once for a pass."""
    zone: u32
    high: u64 = 0
    files: u64 = global_node_page_state(s, LRU_ACTIVE_FILE) + global_node_page_state(s, LRU_INACTIVE_FILE)
    lruvec: cython.pointer(Lruvec) = cython.address(scanned_pgdat(s, sc).lruvec)
    if not s.features.flush_ratelimited:
        mem_cgroup_flush_stats(s)
    sc.anon_cost = lruvec.anon_cost
    sc.file_cost = lruvec.file_cost
    sc.may_deactivate_anon = sc.may_deactivate_file = True
    if not sc.force_deactivate:
        sc.may_deactivate_anon = lruvec.refaults[0] != lruvec.flushed_activations[0] or inactive_is_low(s, False)
        sc.may_deactivate_file = lruvec.refaults[1] != lruvec.flushed_activations[1] or inactive_is_low(s, True)
    sc.cache_trim_mode = lruvec_page_state(lruvec, LRU_INACTIVE_FILE) >> sc.priority > 0 and not sc.may_deactivate_file
    for zone in range(MAX_NR_ZONES):
        if zone_at(s, zone).managed:
            high += high_wmark_pages(s, zone)
    sc.file_is_tiny = (
        files + nr_free_pages(s) <= high
        and not sc.may_deactivate_anon
        and (global_node_page_state(s, LRU_INACTIVE_ANON) >> sc.priority) > 0
    )


def scan_balance(s: State, sc: cython.pointer(ScanControl)) -> u32:
    """Which kinds of page this pass looks at (ScanBalance)."""
    if not sc.may_swap or s.nr_swap_pages <= 0:
        return SCAN_FILE_NO_SWAP
    if not sc.priority and s.sysctl.swappiness:
        return SCAN_EQUAL
    if sc.file_is_tiny:
        return SCAN_ANON_FILE_TINY
    if sc.cache_trim_mode:
        return SCAN_FILE_TRIM
    return SCAN_FRACT


def get_scan_count(s: State, sc: cython.pointer(ScanControl)):
    """How many pages of each list this pass looks at."""
    balance: u32 = scan_balance(s, sc)
    total: u64 = sc.anon_cost + sc.file_cost
    anon_cost: u64 = total + sc.anon_cost
    file_cost: u64 = total + sc.file_cost
    share: u64[2]
    lru: u32
    file: u32
    total = anon_cost + file_cost
    share[0] = cython.cast(u64, s.sysctl.swappiness) * (total + 1) // (anon_cost + 1)
    share[1] = cython.cast(u64, 200 - s.sysctl.swappiness) * (total + 1) // (file_cost + 1)
    s.scan_balance[balance] += 1
    for lru in range(EVICTABLE):
        file = 1 if lru >= LRU_INACTIVE_FILE else 0
        sc.nr[lru] = lru_size(s, lru, sc.reclaim_idx) >> sc.priority
        if balance == SCAN_FRACT:
            sc.nr[lru] = sc.nr[lru] * share[file] // (share[0] + share[1])
        elif balance == SCAN_ANON_FILE_TINY:
            sc.nr[lru] *= 1 - file
        elif balance != SCAN_EQUAL:
            sc.nr[lru] *= file


def shrink_list(s: State, sc: cython.pointer(ScanControl), lru: u32, nr_to_scan: u64):
    """Look at pages of a list; an active one only if its inactive one is short or pages of it came back."""
    if lru == LRU_ACTIVE_ANON or lru == LRU_ACTIVE_FILE:
        if sc.may_deactivate_file if lru == LRU_ACTIVE_FILE else sc.may_deactivate_anon:
            shrink_active_list(s, sc, lru, nr_to_scan)
        else:
            sc.skipped_deactivate = True
    else:
        sc.nr_reclaimed += shrink_inactive_list(s, sc, lru, nr_to_scan)


def shrink_lruvec_adjust(sc: cython.pointer(ScanControl)):
    """Enough is reclaimed: stop the kind with less left, and the other where it has done as much of its target."""
    anon: u64 = sc.nr[LRU_INACTIVE_ANON] + sc.nr[LRU_ACTIVE_ANON]
    files: u64 = sc.nr[LRU_INACTIVE_FILE] + sc.nr[LRU_ACTIVE_FILE]
    stopped: u32 = LRU_INACTIVE_FILE if files <= anon else LRU_INACTIVE_ANON
    other: u32 = LRU_INACTIVE_ANON if files <= anon else LRU_INACTIVE_FILE
    left: u64 = files if files <= anon else anon
    percent: u64 = left * 100 // (sc.targets[stopped] + sc.targets[stopped + 1] + 1)
    lru: u32
    scanned: u64
    sc.nr[stopped] = sc.nr[stopped + 1] = 0
    for lru in range(other, other + 2):
        scanned = sc.targets[lru] - sc.nr[lru]
        sc.nr[lru] = sc.targets[lru] * (100 - percent) // 100
        sc.nr[lru] -= min(sc.nr[lru], scanned)


def shrink_node_begin(s: State, sc: cython.pointer(ScanControl)):
    """Begin a pass: read the state of the lists, and set how much of each is scanned."""
    lru: u32
    sc.reclaimed_before = sc.nr_reclaimed
    sc.nr_dirty = sc.nr_unqueued_dirty = sc.nr_congested = sc.nr_writeback = 0
    sc.nr_immediate = sc.nr_taken = sc.nr_file_taken = 0
    if lru_gen_enabled(s, sc):
        lru_gen_shrink_begin(s, sc)
        return
    prepare_scan(s, sc)
    get_scan_count(s, sc)
    for lru in range(EVICTABLE):
        sc.targets[lru] = sc.nr[lru]


def shrink_lruvec_round(s: State, sc: cython.pointer(ScanControl)) -> cython.bint:
    """Look at 32 pages of each list that is not done; False: the shares are done, or enough is reclaimed."""
    lru: u32
    part: u64
    if lru_gen_enabled(s, sc):
        return lru_gen_shrink_round(s, sc)
    if not (sc.nr[LRU_INACTIVE_ANON] or sc.nr[LRU_ACTIVE_FILE] or sc.nr[LRU_INACTIVE_FILE]):
        return False
    for lru in range(EVICTABLE):
        if sc.nr[lru]:
            part = min(sc.nr[lru], SWAP_CLUSTER_MAX)
            sc.nr[lru] -= part
            shrink_list(s, sc, lru, part)
    if sc.nr_reclaimed - sc.reclaimed_before < sc.nr_to_reclaim or (not sc.kswapd and sc.priority == DEF_PRIORITY):
        return True
    if not sc.nr[LRU_INACTIVE_FILE] + sc.nr[LRU_ACTIVE_FILE] or not sc.nr[LRU_INACTIVE_ANON] + sc.nr[LRU_ACTIVE_ANON]:
        return False
    shrink_lruvec_adjust(sc)
    return True


def shrink_node_end(s: State, sc: cython.pointer(ScanControl)):
    """End a pass: age the anonymous lists, shrink the kernel's own caches, report to kswapd what it met."""
    pgdat: cython.pointer(Pgdat) = scanned_pgdat(s, sc)
    if has_own_pass(s, sc):
        lru_gen_shrink_end(s, sc)
        return
    finish_plug(s)
    if not lru_gen_enabled(s, sc) and s.total_swap_pages and inactive_is_low(s, False):
        shrink_active_list(s, sc, LRU_ACTIVE_ANON, SWAP_CLUSTER_MAX)
    sc.nr_reclaimed += shrink_slab(s, sc.gfp, sc.priority)
    if sc.kswapd:
        if sc.nr_writeback and sc.nr_writeback == sc.nr_taken:
            pgdat.writeback = True
        if sc.nr_unqueued_dirty == sc.nr_file_taken:
            pgdat.dirty = True
        if sc.nr_dirty and sc.nr_dirty == sc.nr_congested:
            pgdat.lruvec.congested = True
    if sc.nr_reclaimed > sc.reclaimed_before:
        pgdat.kswapd.failures = 0


def in_reclaim_compaction(sc: cython.pointer(ScanControl)) -> cython.bint:
    """Whether this reclaim is for a block that compaction is to make: order above 3, or one that is hard to get."""
    return sc.order > COSTLY_ORDER or (sc.order > 0 and sc.priority < DEF_PRIORITY - 2)


def should_continue_reclaim(s: State, sc: cython.pointer(ScanControl)) -> cython.bint:
    """Whether a pass for a large block is made again at once: it reclaimed something, and compaction needs more."""
    zone: u32
    found: u32
    inactive: i64
    if not in_reclaim_compaction(sc) or sc.nr_reclaimed == sc.reclaimed_before:
        return False
    for zone in range(sc.reclaim_idx + 1):
        if not zone_at(s, zone).managed:
            continue
        found = compaction_suitable(s, zone, sc.order, 0, sc.reclaim_idx)
        if found == COMPACT_SUCCEEDED or found == COMPACT_CONTINUE:
            return False
    inactive = global_node_page_state(s, LRU_INACTIVE_FILE)
    if s.nr_swap_pages > 0:
        inactive += global_node_page_state(s, LRU_INACTIVE_ANON)
    return inactive > cython.cast(i64, compact_gap(sc.order))


def shrink_node_again(s: State, sc: cython.pointer(ScanControl)) -> cython.bint:
    """End a pass; True: another at the same priority has begun, for compaction needs more."""
    shrink_node_end(s, sc)
    if has_own_pass(s, sc) or not should_continue_reclaim(s, sc):
        return False
    shrink_node_begin(s, sc)
    return True


def shrink_node(s: State, sc: cython.pointer(ScanControl)):
    """One pass of a task's own reclaim; threads may have the cpu in between."""
    again: cython.bint = True
    shrink_node_begin(s, sc)
    while again:
        while shrink_lruvec_round(s, sc) and not is_cut_off(s):
            hooks.cond_resched(s)
        again = shrink_node_again(s, sc) and not is_cut_off(s)


def compaction_ready(s: State, zone: u32, sc: cython.pointer(ScanControl)) -> cython.bint:
    """Whether a zone need not be reclaimed for a large block: there is one, or compaction has enough to work with."""
    found: u32 = compaction_suitable(s, zone, sc.order, 0, sc.reclaim_idx)
    if found == COMPACT_SUCCEEDED:
        return True
    if found == COMPACT_SKIPPED:
        return False
    return zone_watermark_ok(s, zone, 0, high_wmark_pages(s, zone) + compact_gap(sc.order), sc.reclaim_idx, 0)


def shrink_zones(s: State, sc: cython.pointer(ScanControl)) -> cython.bint:
    """One pass, unless every zone is ready for compaction; returns whether one is."""
    zone: u32
    ready: cython.bint = False
    wanted: cython.bint = False
    for zone in range(sc.reclaim_idx + 1):
        if not zone_at(s, zone).managed:
            continue
        if sc.order > COSTLY_ORDER and compaction_ready(s, zone, sc):
            ready = True
        else:
            wanted = True
    if wanted:
        shrink_node(s, sc)
    return ready


def snapshot_refaults(s: State):
    """Remember how many refaults were activated when a reclaim ended: more at the next one means thrashing."""
    if s.node_data[0].lruvec.gen.enabled:
        return
    s.node_data[0].lruvec.refaults[0] = s.node_data[0].lruvec.flushed_activations[0]
    s.node_data[0].lruvec.refaults[1] = s.node_data[0].lruvec.flushed_activations[1]


# --- direct reclaim --------------------------------------------------------------------------------------------------


def reclaim_pass(s: State, sc: cython.pointer(ScanControl)):
    """A pass and the wait after it; a runner that waits (*waited*) goes on behind both."""
    if sc.waited:
        sc.waited = False
        return
    sc.nr_scanned = 0
    sc.ready = shrink_zones(s, sc)
    reclaim_throttle(s, sc)
    sc.waited = must_return(s)


def do_try_to_free_pages(s: State, sc: cython.pointer(ScanControl)) -> u64:
    """Passes from priority 12 down until 32 pages are reclaimed; once more, harder, if active pages were spared.

    Since 6.10 a reclaim that got nothing is made once more, over all groups.  For a block of order above 3 reclaim
    ends, as if it had freed a page, where a zone is ready for compaction.
    """
    while True:
        if not sc.waited:
            s.event[ALLOCSTALL_DMA + sc.reclaim_idx] += 1
            sc.priority = DEF_PRIORITY
        while sc.priority >= 0:
            reclaim_pass(s, sc)
            if sc.waited:
                return sc.nr_reclaimed
            if sc.nr_reclaimed >= sc.nr_to_reclaim or sc.ready:
                break
            sc.priority -= 1
        snapshot_refaults(s)
        if sc.ready and not sc.nr_reclaimed:
            sc.nr_reclaimed = 1
        if not sc.nr_reclaimed and s.features.full_walk and not sc.full_walk:
            sc.full_walk = True
            continue
        if sc.nr_reclaimed or not sc.skipped_deactivate:
            return sc.nr_reclaimed
        sc.force_deactivate = True
        sc.skipped_deactivate = False


def try_to_free_pages(s: State, order: u32, gfp: u32) -> u64:
    """Reclaim for a task that asked for memory; returns the pages reclaimed.  The task stalls for as long."""
    sc: ScanControl
    if in_pieces(s) and this_runner(s).reclaims:
        sc = this_runner(s).sc
    else:
        init_scan(cython.address(sc), gfp, order, gfp_zone(gfp))
    psi_memstall_enter(s)
    if gfp & GFP_FS and not sc.waited:
        throttle_direct_reclaim(s)
    if not must_return(s):
        this_cpu(s).memalloc += 1
        do_try_to_free_pages(s, cython.address(sc))
        this_cpu(s).memalloc -= 1
    psi_memstall_leave(s)
    if in_pieces(s):
        this_runner(s).reclaims = must_return(s)
        this_runner(s).sc = sc
    return sc.nr_reclaimed
