"""Path names that were looked up: a dentry and an inode each, kept until memory is short.

The first look-up of a path makes a **dentry** (its name) and an **inode**, both in reclaimable slab; while the file
is not open they stand on an LRU list, and the shrinker frees them from its old end.  One that was used again since
the last scan is passed over once.

Follows fs/dcache.c and fs/inode.c of Linux 6.1 (``dentry_lru_isolate``).

Not modelled: a list a file system, dentries of names that do not exist, inodes kept by their page cache.  The names
that a machine's snapshot counts but does not list are taken to be in use.
"""

import cython
from cython.cimports.memtwin.linux.core.pool import pool_get, pool_put
from cython.cimports.memtwin.linux.core.state import State
from cython.cimports.memtwin.linux.mm.slub import object_alloc, object_free


def d_alloc(s: State, inode_kind: u32) -> u32:
    """Make a name with its inode, of a kind (KnownCache); in use until it is put on the list."""
    dentry: u32
    slabs: u32[OBJECTS_OF_A_NAME]
    i: u32
    slabs[0] = object_alloc(s, CACHE_DENTRY)
    slabs[1] = object_alloc(s, inode_kind)
    slabs[2] = object_alloc(s, CACHE_LSM_INODE)
    dentry = pool_get(cython.address(s.dentries))
    for i in range(OBJECTS_OF_A_NAME):
        dentry_at(s, dentry).slabs[i] = slabs[i]
    s.dentry_serial += 1
    dentry_at(s, dentry).serial = s.dentry_serial
    return dentry


def d_lru_add(s: State, dentry: u32):
    """The dentry is unused now: it may be reclaimed."""
    d: cython.pointer(Dentry) = dentry_at(s, dentry)
    d.unused = True
    d.prev = 0
    d.next = s.dentry_lru.head
    if d.next:
        dentry_at(s, d.next).prev = dentry
    else:
        s.dentry_lru.tail = dentry
    s.dentry_lru.head = dentry
    s.dentry_lru.nr += 1


def d_lru_del(s: State, dentry: u32):
    """The name is in use, or goes away."""
    d: cython.pointer(Dentry) = dentry_at(s, dentry)
    if not d.unused:
        return
    d.unused = False
    if d.prev:
        dentry_at(s, d.prev).next = d.next
    else:
        s.dentry_lru.head = d.next
    if d.next:
        dentry_at(s, d.next).prev = d.prev
    else:
        s.dentry_lru.tail = d.prev
    s.dentry_lru.nr -= 1


def d_free(s: State, dentry: u32):
    """Forget a name: its objects go back to their slabs."""
    i: u32
    d_lru_del(s, dentry)
    for i in range(OBJECTS_OF_A_NAME):
        object_free(s, dentry_at(s, dentry).slabs[i])
    pool_put(cython.address(s.dentries), dentry)


def shrink_dentries(s: State, objects: u64) -> u64:
    """Look at *objects* names from the old end of the list; returns how many were freed."""
    dentry: u32
    freed: u64 = 0
    looked: u64 = 0
    while looked < objects and s.dentry_lru.tail:
        dentry = s.dentry_lru.tail
        looked += 1
        if dentry_at(s, dentry).referenced:
            dentry_at(s, dentry).referenced = False
            d_lru_del(s, dentry)
            d_lru_add(s, dentry)
            continue
        d_free(s, dentry)
        freed += 1
    return freed


def look_up(s: State, handle: tuple[int, int], inode_kind: int) -> tuple[int, int]:
    """A name is used: *handle* is what the last look-up gave, or (0, 0); returns the handle that holds now."""
    dentry, serial = handle
    if not dentry or dentry_at(s, dentry).serial != serial:
        dentry = d_alloc(s, inode_kind)
        d_lru_add(s, dentry)
    else:
        dentry_at(s, dentry).referenced = True
    return dentry, dentry_at(s, dentry).serial


def forget(s: State, handle: tuple[int, int]) -> None:
    """A name goes away with its file."""
    dentry, serial = handle
    if dentry and dentry_at(s, dentry).serial == serial:
        d_free(s, dentry)
