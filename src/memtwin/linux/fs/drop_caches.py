"""Dropping caches by hand: ``vm.drop_caches``.

1 drops every page of the page cache that is clean and that no process maps or refers to; 2 lets all shrinkers free
what they can; 3 does both.  Dirty pages stay: ``sync`` first.  Pages still in a per-cpu batch stay too.

Nothing is gained by it but a cold cache: the memory was available all along.

Follows fs/drop_caches.c of Linux 6.1.
"""

from cython.cimports.memtwin.linux.core.state import State, file_at, spend_ns
from cython.cimports.memtwin.linux.mm.filemap import invalidate_mapping

from memtwin.linux.core.state import raise_if_broken
from memtwin.linux.mm.shrinker import drop_slab


def drop_pagecache(s: State):
    """Drop what can be dropped of every file."""
    i: u32
    dropped: u64 = 0
    for i in range(1, s.files.nr):
        if file_at(s, i).nr_cached and (file_at(s, i).kind == FILE_REGULAR or file_at(s, i).kind == FILE_BDEV):
            dropped += invalidate_mapping(s, i)
    s.event[DROP_PAGECACHE] += 1
    spend_ns(s, dropped * s.cost_ns[COST_RECLAIM_PAGE])


def drop_caches(s: State, what: int) -> None:
    """Write 1, 2 or 3 to ``vm.drop_caches``."""
    if what & 1:
        drop_pagecache(s)
    if what & 2:
        drop_slab(s)
    raise_if_broken(s)
