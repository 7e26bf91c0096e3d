"""Pools: arrays of structs that grow and do not move: a task that waits in the middle of a call keeps pointers to them.

A pool has a range of addresses of its own, as long as the machine's RAM or longer: what it holds has an object in that
RAM.  Entry 0 is "none"; a freed entry is the next to be used again.
"""

import cython
from cython.cimports.libc.string import memcpy, memset
from cython.cimports.memtwin.linux.core.host_memory import (
    give_up,
    host_commit,
    host_release,
    host_reserve,
    miss_memory,
)

MOST_ITEMS = cython.declare(u64, 0xFFFFFFFF)


def pool_init(pool: cython.pointer(Pool), size: u32, room: u64):
    """Make *pool* an empty array of entries of *size* bytes, which may grow over *room* bytes of addresses."""
    pool.size = size
    pool.nr = 1
    pool.free = 0
    pool.room = room
    pool.items = host_reserve(cython.address(pool.room))
    pool.cap = 0
    pool_commit(pool, 16)


def pool_commit(pool: cython.pointer(Pool), items: u64) -> cython.bint:
    """Let a pool have memory for *items* entries or some more, where it is; False: it cannot."""
    size: u64 = host_commit(pool.items, pool.room, items * pool.size) if items <= MOST_ITEMS else 0
    if size:
        pool.cap = cython.cast(u32, min(size // pool.size, MOST_ITEMS))
    return size != 0


def pool_grow(pool: cython.pointer(Pool)):
    """Make a pool about twice as long; one that cannot be moves, by a little, and the operation ends with an error."""
    old: Pool = pool[0]
    if pool_commit(pool, cython.cast(u64, old.cap) * 2):
        return
    miss_memory(cython.cast(u64, old.cap) * old.size)
    if pool_commit(pool, cython.cast(u64, old.cap) + 1):
        return
    pool.room = old.room * 2
    pool.items = host_reserve(cython.address(pool.room))
    if not pool_commit(pool, cython.cast(u64, old.cap) + (old.cap >> 6) + 16):
        give_up(pool.room)
    memcpy(pool.items, old.items, cython.cast(u64, old.nr) * old.size)
    host_release(old.items, old.room)


def pool_get(pool: cython.pointer(Pool)) -> u32:
    """Return the number of a zeroed entry; all others stay where they are."""
    item: u32
    at: cython.p_char
    if pool.free:
        item = pool.free
        at = cython.cast(cython.p_char, pool.items) + cython.cast(u64, item) * pool.size
        pool.free = cython.cast(cython.pointer(u32), at)[0]
        memset(at, 0, pool.size)
        return item
    if pool.nr == pool.cap:
        pool_grow(pool)
    pool.nr += 1
    return pool.nr - 1


def pool_put(pool: cython.pointer(Pool), item: u32):
    """Give entry *item* back."""
    at: cython.p_char = cython.cast(cython.p_char, pool.items) + cython.cast(u64, item) * pool.size
    memset(at, 0, pool.size)
    cython.cast(cython.pointer(u32), at)[0] = pool.free
    pool.free = item


def pool_copy(pool: cython.pointer(Pool)):
    """Give a pool whose header was copied an array of its own."""
    old: Pool = pool[0]
    pool.items = host_reserve(cython.address(pool.room))
    if not pool_commit(pool, old.nr):
        give_up(cython.cast(u64, old.nr) * old.size)
    memcpy(pool.items, old.items, cython.cast(u64, old.nr) * old.size)


def pool_free(pool: cython.pointer(Pool)):
    """Free a pool's array."""
    host_release(pool.items, pool.room)
    pool.items = cython.NULL
    pool.room = 0
