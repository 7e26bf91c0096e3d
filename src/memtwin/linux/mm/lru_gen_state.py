"""Turning the multi-gen LRU on and off, and what it says of itself.

``/sys/kernel/mm/lru_gen/enabled`` is a set of bits: 1 the multi-gen LRU itself, 2 walks of page tables, 4 the accessed
bit of PMD entries.  Turning it on or off moves every page that can be reclaimed from the lists of one policy to those
of the other, where it comes in as a new one would; active pages go to the youngest generation, and the two youngest
become active.  Pages that wait in a batch find the lists that are in use then.

Follows mm/vmscan.c of Linux 6.12 (``enabled_store``, ``lru_gen_change_state``, ``fill_evictable``,
``drain_evictable``, ``lru_gen_seq_show``).

Not modelled: statistics of old generations, commands to ``/sys/kernel/debug/lru_gen``.
"""

import cython
from cython.cimports.memtwin.linux.core.list import list_add, list_del
from cython.cimports.memtwin.linux.core.state import State, nr_pages, zone_of
from cython.cimports.memtwin.linux.mm.lru_gen import (
    lru_gen_del_page,
    lru_gen_from_seq,
    lru_gen_update_size,
    note_list,
    page_type,
)
from cython.cimports.memtwin.linux.mm.lru_gen_walk import LRU_GEN_CORE
from cython.cimports.memtwin.linux.mm.swap import lru_add, lru_count

from memtwin.linux.records import Generation

SOURCE = "mm/vmscan.c", "v6.12"

EVICTABLE = cython.declare(u32, 4)
NS_PER_MS = cython.declare(u64, 1_000_000)


def fill_evictable(s: State):
    """Move the pages of the active and inactive lists to generations."""
    lruvec: cython.pointer(Lruvec) = cython.address(s.node_data[0].lruvec)
    lru: u32
    pfn: u32
    for lru in range(EVICTABLE):
        while lruvec.lists[lru].tail:
            pfn = lruvec.lists[lru].tail
            list_del(s.pages, cython.address(lruvec.lists[lru]), pfn)
            lru_count(s, pfn, lru, -nr_pages(s, pfn))
            lru_add(s, pfn)


def drain_evictable(s: State):
    """Move the pages of all generations to the active and inactive lists."""
    gen: cython.pointer(LruGen) = cython.address(s.node_data[0].lruvec.gen)
    place: u32
    kind: u32
    zone: u32
    pfn: u32
    for place in range(MAX_NR_GENS):
        for kind in range(2):
            for zone in range(MAX_NR_ZONES):
                while gen.lists[place][kind][zone].tail:
                    pfn = gen.lists[place][kind][zone].tail
                    lru_gen_del_page(s, pfn, False)
                    lru_add(s, pfn)


def lru_gen_change_state(s: State, enabled: cython.bint):
    """Let the other policy reclaim from now on."""
    if s.node_data[0].lruvec.gen.enabled == enabled:
        return
    s.node_data[0].lruvec.gen.enabled = enabled
    if enabled:
        fill_evictable(s)
    else:
        drain_evictable(s)


def adopt_list(s: State, lru: u32, seq: u64):
    """Move the pages of a list to a generation as they are, the oldest first."""
    lruvec: cython.pointer(Lruvec) = cython.address(s.node_data[0].lruvec)
    place: u32 = lru_gen_from_seq(seq)
    pfn: u32
    while lruvec.lists[lru].tail:
        pfn = lruvec.lists[lru].tail
        list_del(s.pages, cython.address(lruvec.lists[lru]), pfn)
        lru_count(s, pfn, lru, -nr_pages(s, pfn))
        s.pages[pfn].flags &= ~cython.cast(u32, PG_ACTIVE)
        s.pages[pfn].flags |= (place + 1) << PG_GEN_SHIFT
        note_list(cython.address(s.pages[pfn]), place)
        list_add(s.pages, cython.address(lruvec.gen.lists[place][page_type(s, pfn)][zone_of(s, pfn)]), pfn)
        lru_gen_update_size(s, pfn, 0, place + 1)


def choose(s: State, caps: int) -> None:
    """Say what the multi-gen LRU of a machine at boot uses, before pages are placed."""
    s.lru_gen_caps = caps


def begin(s: State, caps: int, min_ttl_ms: int) -> None:
    """Start with the multi-gen LRU as *caps* say: pages that count as active are the youngest, the others are not.

    A machine at boot: how old its pages are is not known.
    """
    gen: cython.pointer(LruGen) = cython.address(s.node_data[0].lruvec.gen)
    s.lru_gen_caps = caps
    s.lru_gen_min_ttl_ns = min_ttl_ms * NS_PER_MS
    for place in range(MAX_NR_GENS):
        gen.birth_ns[place] = s.now_ns
    if not caps & LRU_GEN_CORE:
        return
    gen.enabled = True
    if s.event[PGSCAN_ANON] + s.event[PGSCAN_FILE]:  # reclaim has come to the end of the first generation
        gen.min_seq[0] = gen.min_seq[1] = gen.max_seq - MIN_NR_GENS
    adopt_list(s, LRU_ACTIVE_ANON, gen.max_seq)
    adopt_list(s, LRU_ACTIVE_FILE, gen.max_seq)
    adopt_list(s, LRU_INACTIVE_ANON, gen.max_seq - MIN_NR_GENS)
    adopt_list(s, LRU_INACTIVE_FILE, gen.max_seq - MIN_NR_GENS)


def write_enabled(s: State, caps: int) -> None:
    """Write /sys/kernel/mm/lru_gen/enabled."""
    s.lru_gen_caps = caps
    lru_gen_change_state(s, caps & LRU_GEN_CORE != 0)


def write_min_ttl_ms(s: State, ms: int) -> None:
    """Write /sys/kernel/mm/lru_gen/min_ttl_ms."""
    s.lru_gen_min_ttl_ns = ms * NS_PER_MS


def enabled(s: State) -> int:
    """What /sys/kernel/mm/lru_gen/enabled reads."""
    return s.lru_gen_caps


def min_ttl_ms(s: State) -> int:
    """What /sys/kernel/mm/lru_gen/min_ttl_ms reads."""
    return s.lru_gen_min_ttl_ns // NS_PER_MS


def generations(s: State) -> list[Generation]:
    """The generations from the oldest, as /sys/kernel/debug/lru_gen shows them: pages of a type that is older, 0."""
    gen: cython.pointer(LruGen) = cython.address(s.node_data[0].lruvec.gen)
    found = []
    for seq in range(min(gen.min_seq[0], gen.min_seq[1]), gen.max_seq + 1):
        pages = [0, 0]
        place: u32 = lru_gen_from_seq(seq)
        for kind in range(2):
            if seq >= gen.min_seq[kind]:
                pages[kind] = sum(gen.nr_pages[place][kind][zone] for zone in range(MAX_NR_ZONES))
        found.append(Generation(seq, (s.now_ns - gen.birth_ns[place]) // NS_PER_MS, max(pages[0], 0), max(pages[1], 0)))
    return found
