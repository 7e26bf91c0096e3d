"""Where a task that reclaims for itself waits: for kswapd where reserves run out, for writes where nothing comes free.

Follows mm/vmscan.c of Linux 6.1 (``zone_reclaimable_pages``, ``allow_direct_reclaim``, ``throttle_direct_reclaim``,
``reclaim_throttle``).

Not modelled: many tasks that reclaim at once (``too_many_isolated``).
"""

import cython
from cython.cimports.memtwin.linux.core.state import (
    State,
    hooks,
    in_pieces,
    local_clock,
    scanned_pgdat,
    this_runner,
    zone_at,
)
from cython.cimports.memtwin.linux.kernel.sched.wait import wait_until
from cython.cimports.memtwin.linux.mm.mmzone import min_wmark_pages
from cython.cimports.memtwin.linux.mm.page_alloc_fast import pgdat_balanced

SOURCE = "mm/vmscan.c", "v6.1"

JIFFY_NS = cython.declare(u64, 4_000_000)
LONGEST_THROTTLE_NS = cython.declare(u64, 1_000_000_000)


def zone_reclaimable_pages(s: State, zone: u32) -> u64:
    """Pages of a zone that reclaim could come to: files, and anonymous pages while swap has room.

    Where there are none, its free pages count instead (6.1.y).
    """
    pages: u64 = zone_at(s, zone).stat[NR_ZONE_INACTIVE_ANON + LRU_INACTIVE_FILE]
    pages += zone_at(s, zone).stat[NR_ZONE_INACTIVE_ANON + LRU_ACTIVE_FILE]
    if s.nr_swap_pages > 0:
        pages += zone_at(s, zone).stat[NR_ZONE_INACTIVE_ANON + LRU_INACTIVE_ANON]
        pages += zone_at(s, zone).stat[NR_ZONE_INACTIVE_ANON + LRU_ACTIVE_ANON]
    return pages if pages else zone_at(s, zone).stat[NR_FREE_PAGES]


def allow_direct_reclaim(s: State) -> cython.bint:
    """Whether enough of the reserves is left for tasks to reclaim for themselves: half of the min marks."""
    zone: u32
    reserve: u64 = 0
    free: u64 = 0
    if s.node_data[0].kswapd.failures >= MAX_RECLAIM_RETRIES:
        return True
    for zone in range(ZONE_NORMAL + 1):
        if zone_at(s, zone).managed and zone_reclaimable_pages(s, zone):
            reserve += min_wmark_pages(s, zone)
            free += zone_at(s, zone).stat[NR_FREE_PAGES]
    return reserve == 0 or free > reserve // 2


def rouse_kswapd(s: State):
    """Kswapd must not sleep while a task waits for it."""
    k: cython.pointer(Kswapd) = cython.address(s.node_data[0].kswapd)
    if k.state == THREAD_ASLEEP or k.state == THREAD_NAP:
        k.highest_zone = ZONE_NORMAL
        k.woken_early = k.state == THREAD_NAP
        k.state = THREAD_RUNNING


def throttle_direct_reclaim(s: State):
    """Let the task wait for kswapd while the reserves are nearly used up; the kernel's own threads need not.

    Where one small zone is above its high mark kswapd has nothing to do, though the reserves of all zones together are
    used up: the kernel's task then waits until another task allocates or frees a page; here it goes on after a second.
    """
    until: u64 = s.now_ns + LONGEST_THROTTLE_NS
    if in_pieces(s):
        throttle_runner(s, this_runner(s))
        return
    if s.in_thread or allow_direct_reclaim(s):
        return
    s.event[PGSCAN_DIRECT_THROTTLE] += 1
    while not allow_direct_reclaim(s) and (s.now_ns < until or not pgdat_balanced(s, 0, ZONE_NORMAL)):
        rouse_kswapd(s)
        hooks.schedule_timeout(s, s.now_ns + JIFFY_NS)


def throttle_runner(s: State, r: cython.pointer(Runner)):
    """Let a runner wait for kswapd, a jiffy at a time."""
    if allow_direct_reclaim(s) or (r.throttled_until_ns and s.now_ns >= r.throttled_until_ns):
        r.throttled_until_ns = 0
        return
    if not r.throttled_until_ns:
        s.event[PGSCAN_DIRECT_THROTTLE] += 1
        r.throttled_until_ns = s.now_ns + LONGEST_THROTTLE_NS
    rouse_kswapd(s)
    wait_until(s, local_clock(s) + JIFFY_NS, False, True)


def skip_throttle_noprogress(s: State) -> cython.bint:
    """Whether waiting would be for nothing: kswapd gave up, or hardly anything is being written."""
    zone: u32
    reclaimable: u64 = 0
    pending: u64 = 0
    if s.node_data[0].kswapd.failures >= MAX_RECLAIM_RETRIES:
        return True
    for zone in range(MAX_NR_ZONES):
        if zone_at(s, zone).managed:
            reclaimable += zone_reclaimable_pages(s, zone)
            pending += zone_at(s, zone).stat[NR_ZONE_WRITE_PENDING]
    return 2 * pending <= reclaimable


def reclaim_throttle(s: State, sc: cython.pointer(ScanControl)):
    """After a pass of direct reclaim: wait a jiffy where all dirty pages are on their way, or nothing comes free.

    The kernel's own threads go on at once.
    """
    if s.in_thread or (not scanned_pgdat(s, sc).lruvec.congested and not (sc.priority == 1 and not sc.nr_reclaimed)):
        return
    if skip_throttle_noprogress(s):
        return
    if in_pieces(s):
        wait_until(s, local_clock(s) + JIFFY_NS, False, True)
        return
    hooks.schedule_timeout(s, s.now_ns + JIFFY_NS)
