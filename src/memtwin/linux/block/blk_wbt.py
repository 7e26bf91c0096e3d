"""Writeback throttling: how many writes of files a device is given at a time, so that a read never waits for many.

Without it all that is dirty would be queued at once.  A write beyond the limit waits before it is queued, and its page
is dirty for so long, not under writeback::

    depth  = 3/4 of the device's queue; 16 at most while a task reads, or did within the last 100 ms
    limit  = depth / 4 in the background, and beside reads        depth / 2 for fsync and sync

Follows block/blk-wbt.c of Linux 6.1 (``get_limit``, ``calc_wb_limits``, ``close_io``) and block/blk-rq-qos.c
(``rq_depth_calc_max_depth``); a queue's tags (``nr_requests``, block/blk-mq-tag.c) are a limit too.

Not modelled: the steps of 100 ms in which the depth follows the latency of reads, writes to swap.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State

CLOSE_NS = cython.declare(u64, 100_000_000)
DEFAULT_DEPTH = cython.declare(u32, 16)


def close_io(s: State, device: u32) -> cython.bint:
    """Whether a device was read from within the last 100 ms."""
    d: cython.pointer(Device) = cython.address(s.devices[device])
    return d.last_read_ns != 0 and s.now_ns < d.last_read_ns + CLOSE_NS


def get_limit(s: State, device: u32, background: cython.bint) -> u32:
    """How many writes of files may be under way at a device.

    For example: a queue of 32: 6 in the background, 12 for fsync, 4 beside a reader
    """
    d: cython.pointer(Device) = cython.address(s.devices[device])
    is_close: cython.bint = close_io(s, device)
    depth: u32 = min(DEFAULT_DEPTH, d.queue_depth) if is_close else max(3 * d.queue_depth // 4, 1)
    return min((depth + 3) // 4 if background or is_close else (depth + 1) // 2, d.nr_requests)


def wbt_may_queue(s: State, device: u32, background: cython.bint) -> cython.bint:
    """Whether a device takes another write of a file now."""
    return s.devices[device].writes < get_limit(s, device, background)


def limit_of(s: State, device: int, background: bool) -> int:
    """How many writes of files may be under way at a device."""
    return get_limit(s, device, background)
