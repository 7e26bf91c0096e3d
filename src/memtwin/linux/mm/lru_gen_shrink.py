"""One pass of the multi-gen LRU over the node: how much of it is scanned, and when a new generation is due.

A pass looks at ``pages >> priority``; where the generations are uneven it ends, below the first priority, with a new
generation instead::

    fewer than three generations                     a new one is due, nothing is taken
    three, and the youngest has more than half       a new one is due
    three, and the oldest has less than a quarter    a new one is due
    four                                             none is

The first priority is set by what is wanted::

    reclaimable >> priority ≈ pages wanted, from 12 down to 6

Before 6.3 it is a part of the node's usual pass.  kswapd makes a new generation only before a pass, if the pass before
found one due or reclaimed little; a task makes one in its pass and goes on.  A pass for kswapd then ends where, at the
third priority or below, it has its target and each zone its high mark; a task's where it swapped and has its target,
where a second generation began, or where each zone has its low mark.

Follows mm/vmscan.c of Linux 6.12 (``set_initial_priority``, ``lru_gen_age_node``, ``should_run_aging``,
``get_nr_to_scan``, ``should_abort_scan``, ``try_to_shrink_lruvec``, ``lru_gen_shrink_node``) and of 6.1
(``lru_gen_age_node``, ``age_lruvec``, ``get_nr_to_scan``, ``should_abort_scan``, ``lru_gen_shrink_lruvec``).

Not modelled: memory cgroups.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, global_node_page_state, scanned_pgdat, zone_at
from cython.cimports.memtwin.linux.mm.compaction_suitable import compact_gap
from cython.cimports.memtwin.linux.mm.lru_gen import lru_gen_from_seq
from cython.cimports.memtwin.linux.mm.lru_gen_evict import evict_pages, get_swappiness, swappiness_of_pass
from cython.cimports.memtwin.linux.mm.lru_gen_walk import inc_max_seq_step, try_to_inc_max_seq
from cython.cimports.memtwin.linux.mm.mmzone import high_wmark_pages, low_wmark_pages
from cython.cimports.memtwin.linux.mm.oom_kill import out_of_memory
from cython.cimports.memtwin.linux.mm.page_alloc_fast import zone_watermark_ok
from cython.cimports.memtwin.linux.mm.page_io import finish_plug
from cython.cimports.memtwin.linux.mm.shrinker import shrink_slab
from cython.cimports.memtwin.linux.mm.swap import lru_add_drain

SOURCE = "mm/vmscan.c", "v6.12"


def fls(x: u64) -> u64:
    """The number of the highest bit set, from 1; 0 of 0."""
    bits: u64 = 0
    while x:
        bits += 1
        x >>= 1
    return bits


def set_initial_priority(s: State, sc: cython.pointer(ScanControl)):
    """Let the first pass look at so much that it may well reclaim what is wanted."""
    reclaimable: u64 = global_node_page_state(s, LRU_INACTIVE_FILE)
    priority: i64
    if sc.priority != DEF_PRIORITY or sc.nr_to_reclaim < MIN_LRU_BATCH:
        return
    if s.nr_swap_pages > 0:
        reclaimable += global_node_page_state(s, LRU_INACTIVE_ANON)
    priority = cython.cast(i64, fls(reclaimable)) - 1 - cython.cast(i64, fls(sc.nr_to_reclaim - 1))
    sc.priority = max(min(priority, DEF_PRIORITY), DEF_PRIORITY // 2)


def lruvec_is_reclaimable(s: State, sc: cython.pointer(ScanControl)) -> cython.bint:
    """Whether the oldest generation is older than what min_ttl_ms keeps, and there is something to reclaim."""
    gen: cython.pointer(LruGen) = cython.address(scanned_pgdat(s, sc).lruvec.gen)
    total: u64 = 0
    should_run_aging(gen, get_swappiness(s, sc) != 0, cython.address(total))
    return total >> sc.priority and s.now_ns > (
        gen.birth_ns[lru_gen_from_seq(gen.min_seq[LRU_GEN_FILE])] + s.lru_gen_min_ttl_ns
    )


def lru_gen_age_node(s: State, sc: cython.pointer(ScanControl)):
    """Before a pass of kswapd: its priority; and a kill, where all that is left is younger than min_ttl_ms."""
    if not s.features.gen_node_lists:
        age_before_pass(s, sc)
        return
    set_initial_priority(s, sc)
    if s.lru_gen_min_ttl_ns and not lruvec_is_reclaimable(s, sc):
        out_of_memory(s, 0, sc.gfp)


def age_before_pass(s: State, sc: cython.pointer(ScanControl)):
    """Kswapd's ageing before 6.3: skipped in the first pass of a run, and after one that found no generation due."""
    if not sc.gen_need_aging:
        sc.gen_need_aging = True
    elif not age_lruvec(s, sc) and s.lru_gen_min_ttl_ns and not sc.order:
        out_of_memory(s, 0, sc.gfp)


def age_lruvec(s: State, sc: cython.pointer(ScanControl)) -> cython.bint:
    """Make a new generation if one is due; False: the oldest is younger than min_ttl_ms, or all of it is little."""
    gen: cython.pointer(LruGen) = cython.address(scanned_pgdat(s, sc).lruvec.gen)
    can_swap: cython.bint = get_swappiness(s, sc) != 0
    total: u64 = 0
    due: cython.bint = should_run_aging(gen, can_swap, cython.address(total))
    young: cython.bint = s.now_ns < (gen.birth_ns[lru_gen_from_seq(gen.min_seq[LRU_GEN_FILE])] + s.lru_gen_min_ttl_ns)
    if s.lru_gen_min_ttl_ns and (young or (not total >> sc.priority and sc.priority != DEF_PRIORITY)):
        return False
    if due and try_to_inc_max_seq(s, sc, can_swap, False):
        while inc_max_seq_step(s, sc):
            pass
    return True


def should_run_aging(
    gen: cython.pointer(LruGen), can_swap: cython.bint, nr_to_scan: cython.pointer(u64)
) -> cython.bint:
    """Whether a new generation is due; ``nr_to_scan[0]``: the pages of all, 0 where none is cold."""
    first: u32 = LRU_GEN_ANON if can_swap else LRU_GEN_FILE
    kind: u32
    zone: u32
    seq: u64
    size: i64
    young: u64 = 0
    old: u64 = 0
    nr_to_scan[0] = 0
    if gen.min_seq[first] + MIN_NR_GENS > gen.max_seq:
        return True
    for kind in range(first, 2):
        for seq in range(gen.min_seq[kind], gen.max_seq + 1):
            size = 0
            for zone in range(MAX_NR_ZONES):
                size += gen.nr_pages[lru_gen_from_seq(seq)][kind][zone]
            nr_to_scan[0] += size
            if seq == gen.max_seq:
                young += size
            elif seq + MIN_NR_GENS == gen.max_seq:
                old += size
    if gen.min_seq[first] + MIN_NR_GENS < gen.max_seq:
        return False
    return young * MIN_NR_GENS > nr_to_scan[0] or old * (MIN_NR_GENS + 2) < nr_to_scan[0]


def should_abort_scan(s: State, sc: cython.pointer(ScanControl)) -> cython.bint:
    """Whether enough is reclaimed; kswapd is also done where every zone is well above its high mark."""
    zone: u32
    if sc.nr_reclaimed >= max(sc.nr_to_reclaim, compact_gap(sc.order)):
        return True
    if not sc.kswapd or sc.order:
        return False
    for zone in range(sc.reclaim_idx + 1):
        if zone_at(s, zone).managed and not zone_watermark_ok(
            s, zone, 0, high_wmark_pages(s, zone) + MIN_LRU_BATCH, sc.reclaim_idx, 0
        ):
            return False
    return True


def should_abort_pass(s: State, sc: cython.pointer(ScanControl)) -> cython.bint:
    """The same before 6.3; what ends well counts as 64 pages reclaimed."""
    zone: u32
    mark: u64
    if sc.kswapd:
        if sc.nr_reclaimed - sc.reclaimed_before < sc.nr_to_reclaim:
            return False
    elif scanned_pgdat(s, sc).lruvec.gen.max_seq - sc.gen_first_seq > 1 or (
        sc.gen_swapped and sc.nr_reclaimed >= sc.nr_to_reclaim
    ):
        return True
    if sc.priority > DEF_PRIORITY - 2:
        return False
    for zone in range(sc.reclaim_idx + 1):
        mark = high_wmark_pages(s, zone) if sc.kswapd else low_wmark_pages(s, zone)
        if zone_at(s, zone).managed and mark > zone_at(s, zone).stat[NR_FREE_PAGES]:
            return False
    sc.nr_reclaimed += MIN_LRU_BATCH
    return True


def lru_gen_shrink_begin(s: State, sc: cython.pointer(ScanControl)):
    """Begin a pass: its priority, and whether it swaps."""
    sc.reclaimed_before = sc.nr_reclaimed
    sc.gen_scanned = 0
    sc.gen_aging = sc.gen_swapped = False
    sc.gen_first_seq = scanned_pgdat(s, sc).lruvec.gen.max_seq
    sc.gen_idle = s.features.gen_node_lists and not sc.may_writepage
    if sc.gen_idle:
        return
    lru_add_drain(s)
    sc.gen_swappiness = swappiness_of_pass(s, sc)
    if not s.features.gen_node_lists:
        return
    set_initial_priority(s, sc)
    if sc.kswapd:
        sc.nr_reclaimed = 0


def lru_gen_shrink_round(s: State, sc: cython.pointer(ScanControl)) -> cython.bint:
    """One eviction, or one address space walked for a new generation; False: the pass is over."""
    nr_to_scan: u64 = 0
    due: cython.bint
    scanned: u64
    if sc.gen_idle:
        return False
    if not s.features.gen_node_lists:
        return shrink_lruvec_round(s, sc)
    if sc.gen_aging:
        return inc_max_seq_step(s, sc)
    due = should_run_aging(
        cython.address(scanned_pgdat(s, sc).lruvec.gen), sc.gen_swappiness != 0, cython.address(nr_to_scan)
    )
    if due and sc.priority != DEF_PRIORITY:
        return try_to_inc_max_seq(s, sc, sc.gen_swappiness != 0, False)
    nr_to_scan >>= sc.priority
    if not nr_to_scan:
        return False
    scanned = evict_pages(s, sc, sc.gen_swappiness)
    sc.gen_scanned += scanned
    return scanned and sc.gen_scanned < nr_to_scan and not should_abort_scan(s, sc)


def shrink_lruvec_round(s: State, sc: cython.pointer(ScanControl)) -> cython.bint:
    """The same before 6.3: kswapd's pass is over where a generation is due, a task's goes on after the walk."""
    nr_to_scan: u64 = 0
    due: cython.bint
    scanned: u64
    if sc.gen_aging:
        inc_max_seq_step(s, sc)
        return True
    sc.gen_swappiness = swappiness_of_pass(s, sc)
    due = should_run_aging(
        cython.address(scanned_pgdat(s, sc).lruvec.gen), sc.gen_swappiness != 0, cython.address(nr_to_scan)
    )
    if due and sc.priority != DEF_PRIORITY and not sc.kswapd:
        if try_to_inc_max_seq(s, sc, sc.gen_swappiness != 0, False):
            return True
    elif due and sc.priority != DEF_PRIORITY:
        return False
    nr_to_scan >>= sc.priority
    scanned = evict_pages(s, sc, sc.gen_swappiness) if nr_to_scan else 0
    if not scanned:
        return False
    sc.gen_scanned += scanned
    if sc.gen_scanned < nr_to_scan and not should_abort_pass(s, sc):
        return True
    if sc.nr_reclaimed - sc.reclaimed_before >= MIN_LRU_BATCH and not due:
        sc.gen_need_aging = False
    return False


def lru_gen_shrink_end(s: State, sc: cython.pointer(ScanControl)):
    """End a pass: shrink the kernel's own caches, and note whether anything was reclaimed."""
    if not sc.gen_idle:
        sc.nr_reclaimed += shrink_slab(s, sc.gfp, sc.priority)
        if sc.kswapd:
            sc.nr_reclaimed += sc.reclaimed_before
        finish_plug(s)
    if sc.nr_reclaimed > sc.reclaimed_before:
        scanned_pgdat(s, sc).kswapd.failures = 0
