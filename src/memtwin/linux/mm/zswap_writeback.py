"""zswap's way to the disk: when its pool has come to its limit, what was stored first goes on to its area.

A worker, queued by the store that found the pool full, takes the cpu before reclaim looks at its next page.  It takes
the page of the pool that nothing went into for the longest and brings each of its objects out::

    a page of the swap cache for its slot     there is one already: the object stays (it is being read)
                                              no memory, or a slot without an owner: it stays
    decompress into it, write it to the area  written_back_pages, pswpout; next to be freed when the write has ended
    forget the object

One page of the pool is one job.  The pool's size, as stores see it, is what it was when an object came or went last:
the emptied page is not yet missing in it, so that the next store is refused too and a second page follows.  After that
the pool is below its limit, and refuses all the same until it is below the threshold: what is new goes to the slow
device, what is old stays in memory.  The worker needs a page of memory for each object, and may have to reclaim for it.

Since 6.9 it goes by zswap's own list, whatever the allocator.  The page stored longest has a second chance: it loses
it, and goes to the tail, the first time.  The job ends when the pool is at its threshold, or with the 16th page that
was not written, those that lost their chance among them; the next store that is refused queues it again.  By the
scheduler of 6.6 the worker waits for its turn, so that many stores are refused meanwhile.

Follows mm/zswap.c of Linux 6.1 (``shrink_worker``, ``zswap_writeback_entry``) and mm/zbud.c (``zbud_reclaim_page``);
and of 6.12 (``shrink_memcg_cb``, ``shrink_memcg``, ``shrink_worker``).

Not modelled: that the worker may have to kill for its page.
"""

import cython
from cython.cimports.memtwin.linux.block.bio import end_page_read
from cython.cimports.memtwin.linux.core.state import State, area_of, local_clock, slot_of, spend_ns, this_cpu, zbud_at
from cython.cimports.memtwin.linux.mm.page_io import finish_plug, write_to_device
from cython.cimports.memtwin.linux.mm.swapin import get_swap_cache_page
from cython.cimports.memtwin.linux.mm.zbud import zbud_isolate_oldest, zbud_putback
from cython.cimports.memtwin.linux.mm.zswap import (
    spend_decompression,
    zswap_accept_thr_pages,
    zswap_invalidate,
    zswap_lru_add,
    zswap_lru_del,
)

SOURCE = "mm/zswap.c", "v6.1"

TICK_NS = cython.declare(u64, 4_000_000)
RETRIES = cython.declare(u32, 8)


def zswap_writeback_entry(s: State, entry: u32, handle: u32) -> cython.bint:
    """Write what zswap has of a slot to the area; False: it stays where it is.  *handle*: the object, as it was."""
    fresh: cython.bint = False
    pfn: u32
    if not is_object_of(s, entry, handle):
        return True
    pfn = get_swap_cache_page(s, entry, GFP_KERNEL | GFP_NORETRY, cython.address(fresh))
    if not fresh:
        return False
    spend_decompression(s, entry >> SWAP_TYPE_SHIFT, slot_of(entry))
    end_page_read(s, pfn)
    if s.features.zswap_lru:
        zswap_invalidate(s, entry >> SWAP_TYPE_SHIFT, slot_of(entry))
        s.event[ZSWPWB] += 1
    write_to_device(s, pfn)
    finish_plug(s)
    s.zswap.written_back_pages += 1
    if is_object_of(s, entry, handle):
        zswap_invalidate(s, entry >> SWAP_TYPE_SHIFT, slot_of(entry))
    return True


def is_object_of(s: State, entry: u32, handle: u32) -> cython.bint:
    """Whether zswap still has that object of that slot: it may have been freed while the worker waited."""
    area: u32 = entry >> SWAP_TYPE_SHIFT
    return s.areas[area].zswap_length[slot_of(entry)] > 1 and s.areas[area].zswap_handle[slot_of(entry)] == handle


def zbud_reclaim_page(s: State) -> cython.bint:
    """Empty the oldest page of the pool, or the next oldest that can be, of eight; False: none could."""
    zbud: u32
    last: u32
    ok: cython.bint
    handles: u32[2]
    entries: u32[2]
    for _ in range(RETRIES):
        zbud = zbud_isolate_oldest(s)
        if not zbud:
            return False
        for last in range(2):
            handles[last] = zbud * 2 + last if zbud_at(s, zbud).chunks[last] else 0
            entries[last] = zbud_at(s, zbud).entry[last]
        ok = True
        for last in range(2):
            if handles[last] and ok:
                ok = zswap_writeback_entry(s, entries[last], handles[last])
        if zbud_putback(s, zbud):
            return True
    return False


def shrink_oldest(s: State) -> cython.bint:
    """Write the page back that has been stored longest, or take its second chance; False: it is still there."""
    entry: u32 = s.zswap.list_head
    a: cython.pointer(SwapArea) = area_of(s, entry)
    referenced: cython.bint = a.zswap_referenced[slot_of(entry)] != 0
    zswap_lru_del(s, entry)
    zswap_lru_add(s, entry)
    if referenced:
        a.zswap_referenced[slot_of(entry)] = False
        return False
    if zswap_writeback_entry(s, entry, a.zswap_handle[slot_of(entry)]):
        return True
    s.zswap.reject_reclaim_fail += 1
    return False


def shrink_to_threshold(s: State):
    """Go on with the job for a tick: a page of the one group there is, then the end of a round over the groups."""
    z: cython.pointer(Zswap) = cython.address(s.zswap)
    until_ns: u64 = local_clock(s) + TICK_NS
    z.started = True
    while local_clock(s) < until_ns:
        if z.list_head:
            z.attempts += 1
            z.failures += not shrink_oldest(s)
        else:
            z.failures += not z.attempts
            z.attempts = 0
        spend_ns(s, s.cost_ns[COST_SCAN_PAGE])
        if z.failures >= MAX_RECLAIM_RETRIES or z.pool_pages <= zswap_accept_thr_pages(s):
            end_job(z)
            return


def end_job(z: cython.pointer(Zswap)):
    """The job is done; another follows if a store was refused meanwhile."""
    z.shrink_queued = z.shrink_again
    z.started = z.shrink_again = False
    z.failures = z.attempts = 0


def shrink_runnable(s: State) -> cython.bint:
    """Whether zswap's worker has something left to do: mostly it preempts the task that queued it."""
    return s.zswap.shrink_queued and s.entities[SCHED_FLUSHER].busy_until_ns <= s.now_ns


def shrink_worker(s: State):
    """The worker's job, or a part of it.  It reclaims as a task does, whichever task it interrupts."""
    memalloc: u32 = this_cpu(s).memalloc
    in_thread: cython.bint = s.in_thread
    if s.zswap.shrinking:
        return
    s.zswap.shrinking = True
    this_cpu(s).memalloc = 0
    s.in_thread = True
    if s.features.zswap_lru:
        shrink_to_threshold(s)
    else:
        shrink_pool(s)
    this_cpu(s).memalloc = memalloc
    s.in_thread = in_thread
    s.zswap.shrinking = False


def shrink_pool(s: State):
    """The job of 6.1: one page of zbud's pool."""
    s.zswap.shrink_queued = False
    if s.zswap.zpool != ZPOOL_ZBUD or not zbud_reclaim_page(s):
        s.zswap.reject_reclaim_fail += 1
