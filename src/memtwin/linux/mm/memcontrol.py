"""Counters of an LRU list vector as reclaim sees them: those of the last flush.

A kernel with memory cgroups, which is every distribution's, counts pages of lists by cgroup on each CPU, and adds the
counts up only when they are flushed: every two seconds, and, up to 6.10, at the beginning of each pass of reclaim.
Reclaim decides by these sums, the root's where there are no other groups.  Since 6.11 they may be two seconds old: a
machine that has just begun to read a large file has no files yet in the eyes of reclaim, and scans anonymous memory.

What the counters decide: whether inactive lists are too short, whether refaults show a new working set, whether
there are enough inactive files to take these alone, the age at which a refault counts as one of the working set, and
how soon costs of reclaim are forgotten.  How many pages of a list are scanned goes by exact counts.

Follows mm/memcontrol.c of Linux 6.1 (``mem_cgroup_flush_stats``, ``lruvec_page_state``) and 6.12
(``mem_cgroup_flush_stats_ratelimited``).

Not modelled: groups other than the root; that a flush below 128 updates is left out; the delay of a flush on an idle
machine, whose timer is deferrable; ``cgroup_disable=memory``, with which the counters are exact.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, global_node_page_state


def mem_cgroup_flush_stats(s: State):
    """Add up the counters of every CPU: from now on reclaim sees the lists as they are now."""
    lruvec: cython.pointer(Lruvec) = cython.address(s.node_data[0].lruvec)
    lru: u32
    for lru in range(LRU_ACTIVE_FILE + 1):
        lruvec.flushed_lists[lru] = global_node_page_state(s, lru)
    lruvec.flushed_activations[0] = global_node_page_state(s, WORKINGSET_ACTIVATE_ANON)
    lruvec.flushed_activations[1] = global_node_page_state(s, WORKINGSET_ACTIVATE_FILE)
