"""kswapd: the thread that reclaims beside the tasks, so that they need not.

Woken when no zone is above its *low* mark, it makes passes over the node (``vmscan_node.py``) until some zone is above
its *high* mark, and sleeps: 100 ms first, in case it is wanted again at once, then for good::

              ┌──────────── woken in the nap: kswapd_low_wmark_hit_quickly ───────┐
    asleep ──►│ run: pass, pass, pass …  until balanced ──► nap 100 ms ──► asleep │
      wake    │  ▲      │ pages of the tail are all under writeback: wait         │
              └──┴──────┘                                                         │
                 ▲ unbalanced after the nap: kswapd_high_wmark_hit_quickly ◄──────┘

Between two passes it checks whether it is done.  A pass that scanned less than it wants to reclaim, or reclaimed
nothing, is followed by one of the next priority.  A run that reclaims nothing at all counts as failed; after 16 in a
row kswapd is not woken any more, until a page is reclaimed.

Watermarks that were raised because pageblocks got mixed (``watermark_boost_factor``) are worked off first, without
writing and swapping, and lowered again at the end of the run.

Follows mm/vmscan.c of Linux 6.1 (``kswapd``, ``kswapd_try_to_sleep``, ``balance_pgdat``, ``kswapd_shrink_node``).

Not modelled: several nodes, waking kcompactd.
"""

import cython
from cython.cimports.memtwin.linux.core.events import schedule_event
from cython.cimports.memtwin.linux.core.state import EVENT_THREAD, State, global_node_page_state, this_cpu, zone_at
from cython.cimports.memtwin.linux.kernel.sched.psi import psi_memstall_enter, psi_memstall_leave
from cython.cimports.memtwin.linux.mm.compaction_suitable import reset_isolation_suitable
from cython.cimports.memtwin.linux.mm.kcompactd import wakeup_kcompactd
from cython.cimports.memtwin.linux.mm.lru_gen_shrink import lru_gen_age_node
from cython.cimports.memtwin.linux.mm.mmzone import high_wmark_pages
from cython.cimports.memtwin.linux.mm.page_alloc_fast import pgdat_balanced
from cython.cimports.memtwin.linux.mm.vmscan import inactive_is_low, shrink_active_list
from cython.cimports.memtwin.linux.mm.vmscan_node import (
    init_scan,
    shrink_lruvec_round,
    shrink_node_again,
    shrink_node_begin,
    snapshot_refaults,
)

SOURCE = "mm/vmscan.c", "v6.1"

NAP_NS = cython.declare(u64, 100_000_000)


def prepare_kswapd_sleep(s: State) -> cython.bint:
    """Whether kswapd may sleep: some zone is above its high mark, or it gave up."""
    k: cython.pointer(Kswapd) = cython.address(s.node_data[0].kswapd)
    zone: u32 = k.highest_zone if k.highest_zone >= 0 else k.run_zone
    if k.failures >= MAX_RECLAIM_RETRIES:
        return True
    if not pgdat_balanced(s, k.sleep_order, zone):
        return False
    s.node_data[0].writeback = s.node_data[0].dirty = s.node_data[0].lruvec.congested = False
    return True


def kswapd_target(s: State, highest_zone: u32) -> u64:
    """Pages that one pass should reclaim: the high marks of all zones that it works for."""
    zone: u32
    target: u64 = 0
    for zone in range(highest_zone + 1):
        if zone_at(s, zone).managed:
            target += max(high_wmark_pages(s, zone), SWAP_CLUSTER_MAX)
    return target


def begin_run(s: State):
    """Take what was asked for since the last run, and look at which marks are raised."""
    k: cython.pointer(Kswapd) = cython.address(s.node_data[0].kswapd)
    zone: u32
    if k.highest_zone >= 0:
        k.run_zone = k.highest_zone
    k.run_order = k.order
    k.order = 0
    k.highest_zone = -1
    s.event[PAGEOUTRUN] += 1
    init_scan(cython.address(k.sc), GFP_KERNEL, k.run_order, k.run_zone)
    k.sc.kswapd = True
    k.nr_boost_reclaim = 0
    for zone in range(MAX_NR_ZONES):
        k.zone_boosts[zone] = zone_at(s, zone).wmark_boost if zone <= k.run_zone else 0
        k.nr_boost_reclaim += k.zone_boosts[zone]
        zone_at(s, zone).reclaim_active = zone <= k.run_zone
    k.boosted = k.nr_boost_reclaim != 0
    k.in_run = True
    psi_memstall_enter(s)


def end_run(s: State):
    """Take back the boosts that this run worked off, and note for which order the node must be balanced to sleep.

    A run that gave its order up, having reclaimed enough for compaction, sleeps by what it ended with; another one by
    what was asked meanwhile.
    """
    k: cython.pointer(Kswapd) = cython.address(s.node_data[0].kswapd)
    zone: u32
    k.in_run = False
    for zone in range(MAX_NR_ZONES):
        zone_at(s, zone).reclaim_active = False
        zone_at(s, zone).wmark_boost -= min(zone_at(s, zone).wmark_boost, k.zone_boosts[zone])
    if k.boosted:
        wakeup_kcompactd(s, PAGEBLOCK_ORDER, k.run_zone)
    snapshot_refaults(s)
    psi_memstall_leave(s)
    k.sleep_order = k.sc.order if k.sc.order < k.run_order else k.order
    k.compact_order = k.run_order if k.sc.order < k.run_order else k.order


def kswapd_age_node(s: State):
    """Age anonymous pages a little before a pass; by generations that is a pass's own business."""
    k: cython.pointer(Kswapd) = cython.address(s.node_data[0].kswapd)
    if s.node_data[0].lruvec.gen.enabled:
        lru_gen_age_node(s, cython.address(k.sc))
        k.sc.may_writepage |= k.sc.priority < DEF_PRIORITY - 2
    elif s.total_swap_pages and inactive_is_low(s, False):
        shrink_active_list(s, cython.address(k.sc), LRU_ACTIVE_ANON, SWAP_CLUSTER_MAX)


def begin_pass(s: State) -> cython.bint:
    """Look whether the run is done; if not, begin a pass."""
    k: cython.pointer(Kswapd) = cython.address(s.node_data[0].kswapd)
    balanced: cython.bint = pgdat_balanced(s, k.sc.order, k.run_zone)
    if not balanced and k.nr_boost_reclaim:
        k.nr_boost_reclaim = 0
        k.sc.priority = DEF_PRIORITY
    if balanced and not k.nr_boost_reclaim:
        return False
    k.sc.may_writepage = k.nr_boost_reclaim == 0 or k.sc.priority < DEF_PRIORITY - 2
    k.sc.may_swap = k.nr_boost_reclaim == 0
    k.sc.nr_scanned = 0
    kswapd_age_node(s)
    k.sc.nr_to_reclaim = kswapd_target(s, k.run_zone)
    k.pass_reclaimed = k.sc.nr_reclaimed
    shrink_node_begin(s, cython.address(k.sc))
    k.in_pass = True
    return True


def end_pass(s: State) -> cython.bint:
    """End a pass and choose the next one's priority.  Returns whether the run goes on."""
    k: cython.pointer(Kswapd) = cython.address(s.node_data[0].kswapd)
    raised: cython.bint = not (k.nr_boost_reclaim and k.sc.priority == DEF_PRIORITY - 2)
    freed: u64
    k.in_pass = False
    freed = k.sc.nr_reclaimed - k.pass_reclaimed
    if k.sc.order and k.sc.nr_reclaimed >= cython.cast(u64, 2) << k.sc.order:
        k.sc.order = 0
    raised = raised and max(k.sc.nr_scanned, freed if s.features.reclaimed_scanned else 0) < k.sc.nr_to_reclaim
    k.nr_boost_reclaim -= min(k.nr_boost_reclaim, freed)
    if not (k.nr_boost_reclaim and not freed):
        if raised or not freed:
            k.sc.priority -= 1
        if k.sc.priority >= 1:
            return True
    if not k.sc.nr_reclaimed:
        k.failures += 1
    return False


def kswapd_throttle(s: State):
    """Wait for writes to end where a pass met pages that were marked for it and are still being written."""
    k: cython.pointer(Kswapd) = cython.address(s.node_data[0].kswapd)
    if k.sc.nr_immediate:
        k.state = THREAD_THROTTLED
        k.wake_ns = s.now_ns + NAP_NS
        k.throttle_written = global_node_page_state(s, NR_WRITTEN)
        schedule_event(s, k.wake_ns, EVENT_THREAD, 0)


def kswapd_go_to_sleep(s: State):
    """The run is over: nap, or go on at once if the node is not balanced after all."""
    k: cython.pointer(Kswapd) = cython.address(s.node_data[0].kswapd)
    if prepare_kswapd_sleep(s):
        reset_isolation_suitable(s)
        wakeup_kcompactd(s, k.compact_order, k.run_zone)
        k.state = THREAD_NAP
        k.wake_ns = s.now_ns + NAP_NS
        schedule_event(s, k.wake_ns, EVENT_THREAD, 0)
    else:
        s.event[KSWAPD_HIGH_WMARK_HIT_QUICKLY] += 1


def kswapd_nap_over(s: State):
    """The nap ended by itself: sleep for good if there is still nothing to do."""
    k: cython.pointer(Kswapd) = cython.address(s.node_data[0].kswapd)
    if prepare_kswapd_sleep(s):
        k.state = THREAD_ASLEEP
        return
    s.event[KSWAPD_HIGH_WMARK_HIT_QUICKLY] += 1
    k.state = THREAD_RUNNING


def kswapd_runnable(s: State) -> cython.bint:
    """Whether kswapd has something to do now."""
    state: u32 = s.node_data[0].kswapd.state
    if s.entities[SCHED_KSWAPD].busy_until_ns > s.now_ns or state == THREAD_ASLEEP:
        return False
    if state == THREAD_RUNNING or s.now_ns >= s.node_data[0].kswapd.wake_ns:
        return True
    return (
        state == THREAD_THROTTLED
        and global_node_page_state(s, NR_WRITTEN) - s.node_data[0].kswapd.throttle_written > SWAP_CLUSTER_MAX
    )


def kswapd_step(s: State):
    """Let kswapd do one piece of work: begin a run or a pass, look at 32 pages of each list, or end what it began."""
    k: cython.pointer(Kswapd) = cython.address(s.node_data[0].kswapd)
    goes_on: cython.bint = True
    s.split_anon_vma = 0
    if k.state == THREAD_NAP:
        kswapd_nap_over(s)
        return
    k.state = THREAD_RUNNING
    if not k.in_run:
        if k.woken_early:
            s.event[KSWAPD_LOW_WMARK_HIT_QUICKLY] += 1
            k.order = max(k.order, k.sleep_order)
            k.woken_early = False
        begin_run(s)
    this_cpu(s).memalloc += 1
    if not k.in_pass:
        goes_on = begin_pass(s)
    elif not shrink_lruvec_round(s, cython.address(k.sc)) and not shrink_node_again(s, cython.address(k.sc)):
        goes_on = end_pass(s)
        if goes_on:
            kswapd_throttle(s)
    if not goes_on:
        end_run(s)
        kswapd_go_to_sleep(s)
    this_cpu(s).memalloc -= 1
