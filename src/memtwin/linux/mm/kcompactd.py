"""kcompactd: the thread that compacts beside the tasks.

It works for one of two reasons:

========= ========================================================= =====================================
asked     kswapd has reclaimed for a large block and goes to sleep  until there is such a block
proactive the node's score is above a threshold, checked every 500 ms  until each zone's is below another
========= ========================================================= =====================================

The **score** is the share of free memory that lies in blocks too small for a huge page; the marks hang on
``vm.compaction_proactiveness`` (20: from 91 % on, down to 80 %).  A proactive run that did not lower the score is
followed by 32 s of rest.

Follows mm/compaction.c of Linux 6.1 (``kcompactd``, ``kcompactd_do_work``, ``proactive_compact_node``,
``wakeup_kcompactd``).  When the 500 ms began no file says: here they are counted from the machine's boot.
"""

import cython
from cython.cimports.memtwin.linux.core.events import schedule_event
from cython.cimports.memtwin.linux.core.state import EVENT_THREAD, State, this_cpu, zone_at
from cython.cimports.memtwin.linux.kernel.sched.psi import psi_memstall_enter, psi_memstall_leave
from cython.cimports.memtwin.linux.mm.compaction import (
    compact_zone_begin,
    compact_zone_end,
    compact_zone_step,
    init_compact,
)
from cython.cimports.memtwin.linux.mm.compaction_suitable import (
    compaction_defer_reset,
    compaction_deferred,
    compaction_suitable,
    defer_compaction,
    fragmentation_score_node,
    fragmentation_score_wmark,
    kswapd_is_running,
)
from cython.cimports.memtwin.linux.mm.pcp import drain_zone_pages

SOURCE = "mm/compaction.c", "v6.1"

PERIOD_NS = cython.declare(u64, 500_000_000)
REST_NS = cython.declare(u64, 32_000_000_000)


def kcompactd_node_suitable(s: State) -> cython.bint:
    """Whether a compaction could bring the block that was asked for, in some zone."""
    k: cython.pointer(Kcompactd) = cython.address(s.node_data[0].kcompactd)
    zone: i32
    for zone in range(k.highest_zone + 1):
        if (
            zone_at(s, zone).managed
            and compaction_suitable(s, zone, k.max_order, 0, k.highest_zone) == COMPACT_CONTINUE
        ):
            return True
    return False


def wakeup_kcompactd(s: State, order: i32, highest_zone: i32):
    """Ask for a block of 2^*order* pages in zones up to one.

    Where compaction could bring none now kcompactd sleeps on, and begins when it looks at the score next.
    """
    k: cython.pointer(Kcompactd) = cython.address(s.node_data[0].kcompactd)
    if not order:
        return
    k.max_order = max(k.max_order, order)
    k.highest_zone = min(k.highest_zone, highest_zone)
    if k.at_work:
        return
    if kcompactd_node_suitable(s):
        k.wake_ns = s.now_ns
        k.asked = True
        s.rq.resched = True
    elif not k.wake_ns:
        kcompactd_arm(s, PERIOD_NS)


def kcompactd_arm(s: State, delay_ns: u64):
    """Look at the score again after a while; never where ``vm.compaction_proactiveness`` is 0."""
    k: cython.pointer(Kcompactd) = cython.address(s.node_data[0].kcompactd)
    k.wake_ns = 0
    if s.sysctl.compaction_proactiveness:
        k.wake_ns = (s.now_ns + delay_ns) // PERIOD_NS * PERIOD_NS
        schedule_event(s, k.wake_ns, EVENT_THREAD, 0)


def kcompactd_runnable(s: State) -> cython.bint:
    """Whether kcompactd has something to do now."""
    k: cython.pointer(Kcompactd) = cython.address(s.node_data[0].kcompactd)
    if s.entities[SCHED_KCOMPACTD].busy_until_ns > s.now_ns:
        return False
    return k.at_work or k.asked or k.trigger or (k.wake_ns != 0 and s.now_ns >= k.wake_ns)


def kcompactd_begin(s: State):
    """Begin the work that was asked for, or a proactive run if the score is above its mark; else sleep on."""
    k: cython.pointer(Kcompactd) = cython.address(s.node_data[0].kcompactd)
    quiet: cython.bint = s.event[PGFREE] == k.seen_frees
    k.zone = 0
    k.in_zone = False
    k.seen_frees = s.event[PGFREE]
    if k.max_order and not k.trigger:
        k.at_work = True
        init_compact(cython.address(k.cc), 0, k.max_order, GFP_KERNEL, MIGRATE_SYNC_LIGHT)
        k.cc.highest_zone = k.highest_zone
        s.event[COMPACT_DAEMON_WAKE] += 1
        psi_memstall_enter(s)
        return
    k.trigger = False
    k.score_before = fragmentation_score_node(s)
    if not kswapd_is_running(s) and k.score_before > fragmentation_score_wmark(s, False):
        k.at_work = True
        init_compact(cython.address(k.cc), 0, -1, GFP_KERNEL, MIGRATE_SYNC_LIGHT)
        k.cc.proactive = True
    elif quiet:
        k.wake_ns = 0
    else:
        kcompactd_arm(s, PERIOD_NS)


def kcompactd_next_zone(s: State) -> cython.bint:
    """Begin the next zone that is worth it; False: there is none."""
    k: cython.pointer(Kcompactd) = cython.address(s.node_data[0].kcompactd)
    last: u32 = MAX_NR_ZONES - 1 if k.cc.proactive else k.cc.highest_zone
    while k.zone <= last:
        k.cc.zone = k.zone
        k.zone += 1
        if not zone_at(s, k.cc.zone).managed:
            continue
        if not k.cc.proactive:
            if compaction_deferred(s, k.cc.zone, k.cc.order):
                continue
            if compaction_suitable(s, k.cc.zone, k.cc.order, 0, k.cc.zone) != COMPACT_CONTINUE:
                continue
            k.cc.whole_zone = False
        if compact_zone_begin(s, cython.address(k.cc)) == COMPACT_CONTINUE:
            k.in_zone = True
            return True
    return False


def kcompactd_end_zone(s: State, status: u32):
    """A zone is done: note whether that was of use."""
    k: cython.pointer(Kcompactd) = cython.address(s.node_data[0].kcompactd)
    k.in_zone = False
    compact_zone_end(s, cython.address(k.cc))
    if k.cc.proactive:
        return
    if status == COMPACT_SUCCEEDED:
        compaction_defer_reset(s, k.cc.zone, k.cc.order, False)
    elif status == COMPACT_PARTIAL_SKIPPED or status == COMPACT_COMPLETE:
        drain_zone_pages(s, k.cc.zone)
        defer_compaction(s, k.cc.zone, k.cc.order)
    s.event[COMPACT_DAEMON_MIGRATE_SCANNED] += k.cc.migrate_scanned
    s.event[COMPACT_DAEMON_FREE_SCANNED] += k.cc.free_scanned


def kcompactd_end(s: State):
    """The run is over: sleep, 32 s where a proactive one was of no use."""
    k: cython.pointer(Kcompactd) = cython.address(s.node_data[0].kcompactd)
    k.at_work = False
    k.asked = k.max_order != 0
    if k.cc.proactive:
        kcompactd_arm(s, REST_NS if fragmentation_score_node(s) >= k.score_before else PERIOD_NS)
        return
    psi_memstall_leave(s)
    if k.max_order <= k.cc.order:
        k.max_order = 0
        k.asked = False
    if k.highest_zone >= cython.cast(i32, k.cc.highest_zone):
        k.highest_zone = ZONE_MOVABLE
    kcompactd_arm(s, PERIOD_NS)


def kcompactd_step(s: State):
    """Let kcompactd do one piece of work: take some pages and move them, or begin or end a zone or a run."""
    k: cython.pointer(Kcompactd) = cython.address(s.node_data[0].kcompactd)
    status: u32
    this_cpu(s).memalloc += 1
    if not k.at_work:
        kcompactd_begin(s)
    elif k.in_zone:
        status = compact_zone_step(s, cython.address(k.cc))
        if status != COMPACT_CONTINUE:
            kcompactd_end_zone(s, status)
    elif not kcompactd_next_zone(s):
        kcompactd_end(s)
    this_cpu(s).memalloc -= 1


def begin_operation(s: State) -> None:
    """Let kcompactd look at the score again, if it sleeps until something happens."""
    k: cython.pointer(Kcompactd) = cython.address(s.node_data[0].kcompactd)
    if not k.wake_ns and not k.at_work:
        kcompactd_arm(s, PERIOD_NS)


def write_proactiveness(s: State):
    """What writing ``vm.compaction_proactiveness`` does, 0 apart: kcompactd looks at once."""
    if s.sysctl.compaction_proactiveness:
        s.node_data[0].kcompactd.trigger = True
        s.rq.resched = True
