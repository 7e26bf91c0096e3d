"""Devices: a queue before ``width`` servers, each busy for a request's latency plus its transfer.

A device serves ``width`` requests at a time; requests beyond that wait for the server that is free first.  Where the
servers share **one line**, latencies overlap and transfers do not: the device has its bandwidth, and no more.  On that
line a read waits for reads before it and for at most one write, however many are queued; those
end later by as much.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, local_clock

MAX_DEVICES = cython.declare(u32, 32)
MAX_WIDTH = cython.declare(u32, 32)

BESIDE_GUEST = cython.declare(u64, 2)


def submit(s: State, device: u32, pages: u64, write: cython.bint) -> u64:
    """Queue a request for *pages* pages; return the time at which it will be complete."""
    d: cython.pointer(Device) = cython.address(s.devices[device])
    server: u32 = 0
    i: u32
    start: u64
    for i in range(1, d.width):
        if d.busy_until_ns[i] < d.busy_until_ns[server]:
            server = i
    start = max(s.now_ns if write else local_clock(s), d.busy_until_ns[server]) + d.latency_ns
    d.busy_until_ns[server] = transfer(d, start, pages * d.ns_per_page[1 if write else 0], write)
    d.requests += 1
    if write:
        d.pages_written += pages
    else:
        d.pages_read += pages
        d.last_read_ns = s.now_ns
    return d.busy_until_ns[server]


def emulation_ns(s: State, device: u32, pages: u64) -> u64:
    """How long an emulated device works on the CPU of who has given it a write to swap: with every other.

    The rest it does beside its guest, on another CPU of its host.
    """
    d: cython.pointer(Device) = cython.address(s.devices[device])
    if not d.emulated or not d.requests % BESIDE_GUEST:
        return 0
    return d.latency_ns + pages * d.ns_per_page[1]


def transfer(d: cython.pointer(Device), start_ns: u64, takes_ns: u64, write: cython.bint) -> u64:
    """When a transfer is over that is ready at *start_ns* and takes so long."""
    line_ns: u64 = max(d.line_until_ns, start_ns)
    if not d.one_line:
        return start_ns + takes_ns
    d.line_until_ns = line_ns + takes_ns
    if write:
        return d.line_until_ns
    line_ns = min(line_ns, start_ns + BIO_MAX_PAGES * d.ns_per_page[1])
    d.reads_until_ns = max(line_ns, d.reads_until_ns) + takes_ns
    return d.reads_until_ns


def add_device(
    s: State, latency_ns: int, ns_per_page: int, width: int, queue_depth: int = 32, emulated: bool = False
) -> int:
    """Add a device whose servers have a line each; *width*: requests served at the same time, 1..32.

    Returns its number.
    """
    if s.nr_devices == MAX_DEVICES or not 1 <= width <= MAX_WIDTH:
        raise ValueError("at most 32 devices, each 1..32 wide")
    d: cython.pointer(Device) = cython.address(s.devices[s.nr_devices])
    d.latency_ns = latency_ns
    d.ns_per_page[0] = d.ns_per_page[1] = ns_per_page
    d.width = width
    d.emulated = emulated
    d.queue_depth = queue_depth
    d.nr_requests = 2 * queue_depth
    s.nr_devices += 1
    return s.nr_devices - 1


def limit(
    s: State, device: int, read_ns_per_page: int, write_ns_per_page: int, latency_ns: int, width: int, nr_requests: int
) -> None:
    """Give a device another latency, depth or queue, or one line of a given speed; 0, or a latency of -1: as it is."""
    d: cython.pointer(Device) = cython.address(s.devices[device])
    if read_ns_per_page or write_ns_per_page:
        d.one_line = True
        d.emulated = False
        d.ns_per_page[0] = read_ns_per_page or write_ns_per_page
        d.ns_per_page[1] = write_ns_per_page or read_ns_per_page
    if latency_ns >= 0:
        d.latency_ns = latency_ns
    if width:
        d.width = d.queue_depth = width
        d.nr_requests = 2 * width
    if nr_requests:
        d.nr_requests = nr_requests


def file_system(s: State, readahead_pages: int, has_buffer_heads: bool) -> None:
    """Say what the file system on device 0 is like; 0 pages: as it is."""
    if readahead_pages:
        s.bdi.ra_pages = readahead_pages
    s.bdi.no_buffer_heads = not has_buffer_heads


def request(s: State, device: int, pages: int, write: bool) -> int:
    """Queue a request; returns the time at which it completes, nanoseconds."""
    return submit(s, device, pages, write)


def requests_of(s: State, device: int) -> int:
    """How many requests a device has had."""
    return s.devices[device].requests
