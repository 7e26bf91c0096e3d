"""Devices: a queue before ``width`` servers, each busy for a request's latency plus its transfer.

A device serves ``width`` requests at a time; requests beyond that wait for the server that is free first.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State

MAX_DEVICES = cython.declare(u32, 32)
MAX_WIDTH = cython.declare(u32, 32)


def submit(s: State, device: u32, pages: u64, write: cython.bint) -> u64:
    """Queue a request for *pages* pages; return the time at which it will be complete."""
    d: cython.pointer(Device) = cython.address(s.devices[device])
    server: u32 = 0
    i: u32
    start: u64
    for i in range(1, d.width):
        if d.busy_until_ns[i] < d.busy_until_ns[server]:
            server = i
    start = max(s.now_ns, d.busy_until_ns[server])
    d.busy_until_ns[server] = start + d.latency_ns + pages * d.ns_per_page
    d.requests += 1
    if write:
        d.pages_written += pages
    else:
        d.pages_read += pages
    return d.busy_until_ns[server]


def add_device(s: State, latency_ns: int, ns_per_page: int, width: int) -> int:
    """Add a device; *width*: requests served at the same time, 1..32.  Returns its number."""
    if s.nr_devices == MAX_DEVICES or not 1 <= width <= MAX_WIDTH:
        raise ValueError("at most 32 devices, each 1..32 wide")
    d: cython.pointer(Device) = cython.address(s.devices[s.nr_devices])
    d.latency_ns = latency_ns
    d.ns_per_page = ns_per_page
    d.width = width
    s.nr_devices += 1
    return s.nr_devices - 1


def request(s: State, device: int, pages: int, write: bool) -> int:
    """Queue a request; returns the time at which it completes, nanoseconds."""
    return submit(s, device, pages, write)
