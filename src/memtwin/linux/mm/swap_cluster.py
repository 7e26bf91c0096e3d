"""Clusters of an area that is no rotating disk: runs of 512 slots, of which each cpu fills one after the other.

The free clusters are a list; a cluster leaves it with the first slot that is taken and comes back to its end with the
last that is free again.

Follows mm/swapfile.c of Linux 6.1 (``inc_cluster_info_page``, ``dec_cluster_info_page``,
``scan_swap_map_try_ssd_cluster``).

Not modelled: discard, the random first cluster.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State

SOURCE = "mm/swapfile.c", "v6.1"


def free_cluster_push(a: cython.pointer(SwapArea), cluster: u32):
    """Put a free cluster at the end of the list."""
    a.cluster_link[cluster] = NO_CLUSTER
    if a.free_head == NO_CLUSTER:
        a.free_head = cluster
    else:
        a.cluster_link[a.free_tail] = cluster
    a.free_tail = cluster


def inc_cluster(a: cython.pointer(SwapArea), slot: u32):
    """A slot of a cluster is taken; the first takes the cluster off the list of free ones, of which it is the head."""
    cluster: u32 = slot // SWAPFILE_CLUSTER
    at: u32
    if not a.cluster_count:
        return
    a.cluster_count[cluster] += 1
    if a.cluster_count[cluster] != 1 or a.free_head == NO_CLUSTER:
        return
    if a.free_head == cluster:
        a.free_head = a.cluster_link[cluster]
        return
    at = a.free_head
    while a.cluster_link[at] != NO_CLUSTER:
        if a.cluster_link[at] == cluster:
            a.cluster_link[at] = a.cluster_link[cluster]
            if a.free_tail == cluster:
                a.free_tail = at
            return
        at = a.cluster_link[at]


def dec_cluster(a: cython.pointer(SwapArea), slot: u32):
    """A slot of a cluster is free; with the last the whole cluster is."""
    cluster: u32 = slot // SWAPFILE_CLUSTER
    if not a.cluster_count:
        return
    a.cluster_count[cluster] -= 1
    if not a.cluster_count[cluster]:
        free_cluster_push(a, cluster)


def scan_swap_map_try_ssd_cluster(s: State, area: u32, offset: cython.pointer(u32)) -> cython.bint:
    """The next free slot of this cpu's cluster, or of a free cluster; False: there is none."""
    a: cython.pointer(SwapArea) = cython.address(s.areas[area])
    slot: u32
    end: u32
    while True:
        if a.percpu_cluster[s.cpu] == NO_CLUSTER:
            if a.free_head == NO_CLUSTER:
                return False
            a.percpu_cluster[s.cpu] = a.free_head
            a.percpu_next[s.cpu] = a.free_head * SWAPFILE_CLUSTER
        slot = a.percpu_next[s.cpu]
        end = min((a.percpu_cluster[s.cpu] + 1) * SWAPFILE_CLUSTER, a.max)
        while slot < end and a.map[slot]:
            slot += 1
        if slot < end:
            a.percpu_next[s.cpu] = slot + 1
            offset[0] = slot
            return True
        a.percpu_cluster[s.cpu] = NO_CLUSTER
