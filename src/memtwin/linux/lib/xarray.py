"""The tree that holds a file's pages: which frame stands at which index, and what is remembered of evicted pages.

Nodes have 64 entries.  A file of one page needs none; one of up to 64 pages one node; of up to 4,096 pages a second
level, and so on::

    height 2        root node, level 1:  64 children
                    ├── node, level 0: pages    0 …  63
                    └── node, level 0: pages   64 … 127

A page that is evicted leaves a **shadow** in its place (``workingset.py``), so a node outlives its pages.  A node with
nothing but shadows stands on a list of its own and counts as ``workingset_nodes``; there may be as many as an eighth of
memory has pages before they are freed.

Nodes are objects of the slab cache ``radix_tree_node``: for each 64 pages of page cache 584 bytes of SReclaimable.

Follows lib/xarray.c of Linux 6.1.  Entries are kept in chunks of 64 pages here, made when the first of them is cached;
nodes are counted and paid for.  So a file costs the host what was ever cached of it, and 12 bytes for each 64 pages of
its length, which are only reserved until they are used.

Not modelled: multi-index entries (large folios), shrinking the tree's height while it has pages.
"""

import cython
from cython.cimports.libc.stdlib import calloc, free
from cython.cimports.libc.string import memcpy
from cython.cimports.memtwin.linux.core.host_memory import host_zeroed, miss_memory
from cython.cimports.memtwin.linux.core.pool import pool_get, pool_put
from cython.cimports.memtwin.linux.core.state import (
    Array,
    State,
    file_at,
    file_page,
    file_shadow,
    mod_node_page_state,
    node_at,
)
from cython.cimports.memtwin.linux.mm.slub import object_alloc_gfp, object_free

SHIFT = cython.declare(u32, 6)
FIRST_PAGES = cython.declare(u64, 64)
NO_INDEX = cython.declare(u64, 0xFFFFFFFFFFFFFFFF)
MAX_FILE_PAGES = cython.declare(u64, 0xFFFFFFFF)  # s_maxbytes of ext4 with blocks of 4 KiB


def grown(old: cython.p_void, before: u64, after: u64, size: u64) -> cython.p_void:
    """An array of *after* entries that starts with the *before* entries of *old*, the rest zero; NULL: no memory.

    The host gives zeroed memory only where it is used.
    """
    new: cython.p_void = calloc(after, size)
    if new == cython.NULL:
        miss_memory(after * size)
        return cython.NULL
    if before:
        memcpy(new, old, before * size)
    free(old)
    return new


def grow_array(array: cython.pointer(cython.p_void), before: u64, after: u64, size: u64) -> cython.bint:
    """Make one of a file's arrays longer; False: no memory, and it is as it was."""
    new: cython.p_void = grown(array[0], before, after, size)
    if new == cython.NULL:
        return False
    array[0] = new
    return True


def file_reserve(s: State, file: u32, pages: u64) -> cython.bint:
    """Make room for *pages* pages in a file's arrays; False: larger than a file can be, or no memory."""
    f: cython.pointer(File) = file_at(s, file)
    cap: u64 = max(f.cap_pages, FIRST_PAGES)
    level: u32
    before: u64
    after: u64
    if pages > MAX_FILE_PAGES:
        return False
    if pages <= f.cap_pages:
        return True
    while cap < pages:
        cap *= 2
    if not grow_array(
        cython.cast(Array, cython.address(f.chunks)), f.cap_pages >> SHIFT, cap >> SHIFT, cython.sizeof(cython.p_void)
    ):
        return False
    for level in range(NR_XA_LEVELS):
        before = level_nodes(f.cap_pages, level)
        after = level_nodes(cap, level)
        if not grow_array(cython.cast(Array, cython.address(f.nodes[level])), before, after, cython.sizeof(u32)):
            return False
    f.cap_pages = cap
    return True


def level_nodes(pages: u64, level: u32) -> u64:
    """Nodes that a level of a tree for *pages* pages can have."""
    return (pages >> (SHIFT * (level + 1))) + 1 if pages else 0


def make_chunk(f: cython.pointer(File), index: u64) -> cython.pointer(FileChunk):
    """The chunk of page *index* of a file, made if there is none."""
    if f.chunks[index >> SHIFT] == cython.NULL:
        f.chunks[index >> SHIFT] = cython.cast(cython.pointer(FileChunk), host_zeroed(1, cython.sizeof(FileChunk)))
    return f.chunks[index >> SHIFT]


def xa_node(s: State, file: u32, index: u64) -> u32:
    """The node that holds the entry of page *index*; 0: none."""
    return file_at(s, file).nodes[0][index >> SHIFT] if file_at(s, file).height else 0


def nodes_missing(s: State, file: u32, index: u64) -> u32:
    """Nodes that must be made before page *index* can be stored: new roots, and those on the way down."""
    f: cython.pointer(File) = file_at(s, file)
    height: u32 = f.height
    missing: u32 = 0
    level: u32
    occupied: cython.bint = f.height != 0 or file_page(f, 0) != 0 or file_shadow(f, 0) != 0
    while index >> (SHIFT * height):
        height += 1
    for level in range(height):
        if level < f.height:
            missing += f.nodes[level][index >> (SHIFT * (level + 1))] == 0
        else:
            missing += 1
            if occupied and level + 1 < height and index >> (SHIFT * (level + 1)):
                missing += 1
    return missing


def xa_new_node(s: State, file: u32, level: u32, number: u64, slab: u32) -> u32:
    """Make an empty node in its place, out of a slab's object."""
    node: u32 = pool_get(cython.address(s.nodes))
    node_at(s, node).slab = slab
    node_at(s, node).file = file
    node_at(s, node).level = level
    node_at(s, node).number = number
    file_at(s, file).nodes[level][number] = node
    return node


def xa_grow(s: State, file: u32, index: u64, slabs: cython.pointer(u32)) -> u32:
    """Make the tree high enough for *index*, a new root above the old; returns how many of *slabs* that took."""
    f: cython.pointer(File) = file_at(s, file)
    node: u32
    used: u32 = 0
    while index >> (SHIFT * f.height):
        if f.height == 0:
            if file_page(f, 0) or file_shadow(f, 0):
                node = xa_new_node(s, file, 0, 0, slabs[used])
                used += 1
                node_at(s, node).count = 1
                node_at(s, node).nr_values = 0 if file_page(f, 0) else 1
                node_at(s, node).nr_dirty = cython.cast(u32, f.nr_dirty)
                update_shadow_node(s, node)
        elif f.nodes[f.height - 1][0]:
            node = xa_new_node(s, file, f.height, 0, slabs[used])
            used += 1
            node_at(s, node).count = 1
        f.height += 1
    return used


def xa_make_path(s: State, file: u32, index: u64, slabs: cython.pointer(u32)) -> u32:
    """Make every node on the way to *index*, from the root down; returns how many of *slabs* that took."""
    f: cython.pointer(File) = file_at(s, file)
    used: u32 = xa_grow(s, file, index, slabs)
    level: u32 = f.height
    number: u64
    while level:
        level -= 1
        number = index >> (SHIFT * (level + 1))
        if f.nodes[level][number]:
            continue
        xa_new_node(s, file, level, number, slabs[used])
        used += 1
        if level + 1 < f.height:
            node_at(s, f.nodes[level + 1][number >> SHIFT]).count += 1
    return used


def xa_prune(s: State, file: u32, index: u64):
    """Free the nodes on the way to *index* that have become empty, from the leaf up."""
    f: cython.pointer(File) = file_at(s, file)
    level: u32
    number: u64
    node: u32
    for level in range(f.height):
        number = index >> (SHIFT * (level + 1))
        node = f.nodes[level][number]
        if not node:
            continue
        if node_at(s, node).count:
            return
        if node_at(s, node).listed:
            shadow_list_del(s, node)
        object_free(s, node_at(s, node).slab)
        pool_put(cython.address(s.nodes), node)
        f.nodes[level][number] = 0
        if level + 1 < f.height:
            node_at(s, f.nodes[level + 1][number >> SHIFT]).count -= 1
        else:
            f.height = 0


def xa_store(s: State, file: u32, index: u64, pfn: u32, gfp: u32) -> cython.bint:
    """Put a page where nothing or a shadow stands; False: no memory for a node, or another task was there first.

    Nodes are allocated first, for that may reclaim pages of this very file; then the tree is changed at one stroke.
    The first attempt does not wait, whatever the caller may do: so reclaim itself takes it from below all watermarks.
    """
    f: cython.pointer(File) = file_at(s, file)
    slabs: u32[MOST_NODES]
    have: u32 = 0
    used: u32
    node: u32
    chunk: cython.pointer(FileChunk)
    while have < nodes_missing(s, file, index):
        slabs[have] = object_alloc_gfp(s, CACHE_RADIX_TREE_NODE, GFP_KSWAPD_RECLAIM)
        if not slabs[have]:
            slabs[have] = object_alloc_gfp(s, CACHE_RADIX_TREE_NODE, gfp)
        if not slabs[have] and s.known_cache[CACHE_RADIX_TREE_NODE]:
            break
        have += 1
    chunk = f.chunks[index >> SHIFT]
    if have < nodes_missing(s, file, index) or (chunk and chunk.pages[index & (XA_CHUNK - 1)]):
        while have:
            have -= 1
            object_free(s, slabs[have])
        return False
    used = xa_make_path(s, file, index, slabs)
    while have > used:
        have -= 1
        object_free(s, slabs[have])
    node = xa_node(s, file, index)
    chunk = make_chunk(f, index)
    if node:
        if chunk.shadows[index & (XA_CHUNK - 1)]:
            node_at(s, node).nr_values -= 1
        else:
            node_at(s, node).count += 1
    chunk.shadows[index & (XA_CHUNK - 1)] = 0
    chunk.pages[index & (XA_CHUNK - 1)] = pfn
    if node:
        update_shadow_node(s, node)
    return True


def xa_erase(s: State, file: u32, index: u64, shadow: u64):
    """Take a page out; *shadow* is left in its place, if any."""
    f: cython.pointer(File) = file_at(s, file)
    node: u32 = xa_node(s, file, index)
    chunk: cython.pointer(FileChunk) = f.chunks[index >> SHIFT]
    chunk.pages[index & (XA_CHUNK - 1)] = 0
    chunk.shadows[index & (XA_CHUNK - 1)] = shadow
    if not node:
        return
    if shadow:
        node_at(s, node).nr_values += 1
    else:
        node_at(s, node).count -= 1
    update_shadow_node(s, node)
    xa_prune(s, file, index)


def xa_erase_shadow(s: State, file: u32, index: u64):
    """Forget what was remembered of an evicted page."""
    f: cython.pointer(File) = file_at(s, file)
    node: u32 = xa_node(s, file, index)
    if not file_shadow(f, index):
        return
    f.chunks[index >> SHIFT].shadows[index & (XA_CHUNK - 1)] = 0
    if node:
        node_at(s, node).nr_values -= 1
        node_at(s, node).count -= 1
        update_shadow_node(s, node)
        xa_prune(s, file, index)


def update_shadow_node(s: State, node: u32):
    """Keep the list of nodes with nothing but shadows (``workingset_update_node``).

    Those of swap and of shared memory are not on it: what theirs hold is slots.
    """
    n: cython.pointer(XaNode) = node_at(s, node)
    if file_at(s, n.file).kind == FILE_SWAP or file_at(s, n.file).kind == FILE_SHMEM:
        return
    if n.count and n.count == n.nr_values:
        if n.listed:
            return
        n.listed = True
        n.next = s.shadow_nodes.head
        n.prev = 0
        if n.next:
            node_at(s, n.next).prev = node
        else:
            s.shadow_nodes.tail = node
        s.shadow_nodes.head = node
        s.shadow_nodes.nr += 1
        mod_node_page_state(s, WORKINGSET_NODES, 1)
    elif n.listed:
        shadow_list_del(s, node)


def shadow_list_del(s: State, node: u32):
    """Take a node off that list."""
    n: cython.pointer(XaNode) = node_at(s, node)
    n.listed = False
    if n.prev:
        node_at(s, n.prev).next = n.next
    else:
        s.shadow_nodes.head = n.next
    if n.next:
        node_at(s, n.next).prev = n.prev
    else:
        s.shadow_nodes.tail = n.prev
    s.shadow_nodes.nr -= 1
    mod_node_page_state(s, WORKINGSET_NODES, -1)


def xa_count_dirty(s: State, file: u32, index: u64, delta: cython.int):
    """Note that a page of a file became dirty (1) or clean (-1): what finds the next dirty page fast."""
    node: u32 = xa_node(s, file, index)
    file_at(s, file).nr_dirty += delta
    if node:
        node_at(s, node).nr_dirty += delta


def xa_skip(s: State, file: u32, index: u64) -> u64:
    """Pass by what has no node: *index* itself if its leaf is there, else the first index behind the empty subtree."""
    f: cython.pointer(File) = file_at(s, file)
    level: u32 = 0
    while level < f.height and not f.nodes[level][index >> (SHIFT * (level + 1))]:
        level += 1
    return (index | ((cython.cast(u64, 1) << (SHIFT * level)) - 1)) + 1 if level else index


def xa_next_dirty(s: State, file: u32, index: u64) -> u64:
    """The first index from *index* on in a node with dirty pages; beyond the file's end: there is none."""
    f: cython.pointer(File) = file_at(s, file)
    after: u64
    if f.height == 0:
        return index if index == 0 else NO_INDEX
    while index < f.nr_pages:
        after = xa_skip(s, file, index)
        if after != index:
            index = after
            continue
        if node_at(s, xa_node(s, file, index)).nr_dirty:
            return index
        index = (index | (XA_CHUNK - 1)) + 1
    return NO_INDEX
