"""Memory of the computer that this runs on: asked for before an operation where its size is known, else out of a spare.

RAM of a machine, a swap area, a file and a copy have a size that is known before: :func:`require_memory` and the makers
of these arrays raise a HostMemoryError.  An array that has to grow within compiled code and cannot grows by a little
instead, out of a spare that is kept for it, so nothing is written where there is no memory; the operation ends as soon
as it can, and :func:`raise_if_short` raises when it has.  Where the spare is used up too, the process ends.

Where entries of an array are pointed to while it grows, it must not move: such an array has a range of **addresses** of
its own, which cost nothing until they are used (:func:`host_reserve`).

One for all machines of a process.
"""

import cython
from cython.cimports.libc.stdio import fprintf, stderr
from cython.cimports.libc.stdlib import calloc, free, malloc, realloc
from cython.cimports.libc.string import memset
from cython.cimports.posix.mman import (
    MAP_ANONYMOUS,
    MAP_FAILED,
    MAP_NORESERVE,
    MAP_PRIVATE,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
    mmap,
    mprotect,
    munmap,
)
from cython.cimports.posix.resource import RLIM_INFINITY, RLIMIT_AS, getrlimit, rlimit
from cython.cimports.posix.unistd import _exit

from memtwin.errors import HostMemoryError

SPARE_BYTES = cython.declare(u64, 64 << 20)
MOST_ITEMS = cython.declare(u64, 0xFFFFFFFF)
HOST_PAGE = cython.declare(u64, 65_536)  # a multiple of the page size of every host
LEAST_ROOM = cython.declare(u64, 1 << 20)
ROOMS_IN_LIMIT = cython.declare(u64, 64)


def give_up(size: u64):
    """End the process: there is no memory to go on with, and none to say so in another way."""
    fprintf(stderr, "memtwin: this host has no memory left (%llu bytes more)\n", cython.cast(cython.ulonglong, size))
    _exit(1)


def miss_memory(size: u64):
    """Note that *size* bytes could not be allocated, and free the spare."""
    if not host_memory.missing:
        host_memory.missing = size
    free(host_memory.spare)
    host_memory.spare = cython.NULL


def host_zeroed(count: u64, size: u64) -> cython.p_void:
    """*count* entries of *size* zero bytes."""
    new: cython.p_void = calloc(count if count else 1, size)
    if new == cython.NULL:
        miss_memory(count * size)
        new = calloc(count if count else 1, size)
        if new == cython.NULL:
            give_up(count * size)
    return new


def host_grow(array: cython.pointer(cython.p_void), cap: u64, size: u64) -> u64:
    """Make an array of *cap* entries of *size* bytes about twice as long, the new ones zero; returns its new length."""
    more: u64 = cap * 2
    new: cython.p_void = realloc(array[0], more * size) if more <= MOST_ITEMS else cython.NULL
    if new == cython.NULL:
        miss_memory(more * size)
        more = cap + (cap >> 6) + 16
        new = realloc(array[0], more * size) if more <= MOST_ITEMS else cython.NULL
        if new == cython.NULL:
            give_up(more * size)
    memset(cython.cast(cython.p_char, new) + cap * size, 0, (more - cap) * size)
    array[0] = new
    return more


def host_reserve(room: cython.pointer(u64)) -> cython.p_void:
    """A range of ``room[0]`` bytes of addresses, which is less afterwards where this process may have only so many.

    Nothing of it is memory yet: :func:`host_commit`.
    """
    limit: rlimit
    at: cython.p_void
    if getrlimit(RLIMIT_AS, cython.address(limit)) == 0 and limit.rlim_cur != RLIM_INFINITY:
        room[0] = min(room[0], cython.cast(u64, limit.rlim_cur) // ROOMS_IN_LIMIT)
    room[0] = max(room[0], LEAST_ROOM) & ~(HOST_PAGE - 1)
    while True:
        at = mmap(cython.NULL, room[0], PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        if at != MAP_FAILED:
            return at
        if room[0] == LEAST_ROOM:
            give_up(room[0])
        room[0] = max(room[0] >> 1 & ~(HOST_PAGE - 1), LEAST_ROOM)


def host_commit(at: cython.p_void, room: u64, size: u64) -> u64:
    """Make the first *size* bytes of a range memory, the new ones zero; returns how many are; 0: it cannot be."""
    size = (size + HOST_PAGE - 1) & ~(HOST_PAGE - 1)
    return size if size <= room and mprotect(at, size, PROT_READ | PROT_WRITE) == 0 else 0


def host_release(at: cython.p_void, room: u64):
    """Give a range of addresses and its memory back to the host."""
    munmap(at, room)


def longer(array: cython.p_void, size: u64) -> cython.p_void:
    """The array with *size* bytes; the new ones are not set."""
    new: cython.p_void = realloc(array, size)
    if new == cython.NULL:
        miss_memory(size)
        new = realloc(array, size)
        if new == cython.NULL:
            give_up(size)
    return new


def require_memory(size: int, what: str) -> None:
    """Raise a HostMemoryError if the host cannot give *size* bytes at once."""
    probe: cython.p_void = malloc(size) if size < 1 << 63 else cython.NULL
    if probe == cython.NULL:
        raise HostMemoryError(what, size)
    free(probe)


def raise_if_short() -> None:
    """Raise a HostMemoryError if an array could not grow since this was last asked."""
    missing: u64 = host_memory.missing
    host_memory.missing = 0
    if host_memory.spare == cython.NULL:
        host_memory.spare = malloc(SPARE_BYTES)
    if missing:
        raise HostMemoryError("the arrays of the machine", missing)
