"""What each kind of operation costs in simulated time: one table per kind of hardware.

Costs are nanoseconds of the running task. They set the clock (operations' times, load, timers), and with it how far
kswapd, the flusher and the devices get beside the task: while memory is short, other costs move other pages.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class DiskProfile:
    """A disk: nanoseconds before a request's first byte, then for each page; requests served at the same time."""

    latency_ns: int
    ns_per_page: int
    width: int
    emulated: bool = False
    """An emulator does its work on the CPU of who gives it a request."""


class CompressorProfile(NamedTuple):
    """Nanoseconds of one page under an algorithm: of zeroes, a mark, text, half random, random."""

    compress: tuple[int, ...]
    decompress: tuple[int, ...]
    """Zeroes are not stored, and what does not compress is copied."""

    def at_speed(self, speed: float) -> CompressorProfile:
        """Return what it takes on a processor that is *speed* times as fast."""
        return CompressorProfile(*(tuple(round(ns / speed) for ns in row) for row in self))


@dataclass(frozen=True, slots=True)
class CostProfile:
    """Nanoseconds of each kind of operation, in the order of the model's Cost constants; then where they are from."""

    hit: int
    """A touch of a resident page."""
    zero_fault: int
    """A read of a never-written page."""
    anon_fault: int
    """The first write of a page: allocate and clear it."""
    fill_zero: int
    """Writing 4096 bytes of zeroes."""
    fill_mark: int
    """Writing 8 bytes."""
    fill_text: int
    fill_half: int
    fill_random: int
    clear_page: int
    """The kernel clears one page of a huge one."""
    cow_fault: int
    """A write that copies a page shared since a fork."""
    reuse_fault: int
    """A write that gets a page back that nothing else holds any more."""
    file_fault: int
    """Mapping a window of cached file pages."""
    fork: int
    fork_page: int
    """Copying one page-table entry at fork; reading one in a walk, moving a page to the list of its generation."""
    unmap_page: int
    """Unmapping and freeing one page."""
    exec: int
    """Starting a program."""
    syscall: int
    """One operation of a scenario, beside its work on pages."""
    io_call: int
    """One read or write call, beside its pages; switching to a thread."""
    wake: int
    """From a device's interrupt on an idle cpu to who waited for it."""
    read_page: int
    """Copying a cached page to the reader."""
    write_page: int
    """Copying a page from the writer, and its buffers."""
    cache_page: int
    """A new page of the page cache: allocating it and queueing its read."""
    writeback_page: int
    """Queueing a dirty page's write."""
    shrink: int
    """A batch of a list's pages in reclaim, beside what each costs."""
    scan_page: int
    """Reclaim looks at a page."""
    reclaim_page: int
    """And frees it."""
    swap_page: int
    """Finding a slot for a page and unmapping it."""
    swap_io: int
    """Queueing its write to a disk."""
    swap_request: int
    """A request of such writes, and again its interrupt."""
    swap_end: int
    """Ending that write, in the device's interrupt."""
    rmap: int
    """Asking one mapping of a page whether it was used."""
    swap_fault: int
    """Mapping a page that came from swap, and freeing its slot."""
    zs_free: int
    """Freeing a compressed page."""
    tlb_flush: int
    """An interrupt to the CPUs that may have a page's translation, until they have answered."""
    tlb_interrupt: int
    """What each of those CPUs loses: the interrupt, and looking its translations up again."""
    fresh_page: int
    """What a guest's first use of a page costs its host; no time on a machine of its own."""
    read_request: int
    """Giving a device a request to read from swap, and its interrupt."""
    kblockd: int
    """And having a kernel thread do so, for a single page where the device has a scheduler of requests."""
    wake_soon: int
    """As *wake*, on a cpu of several that has idled for less than two milliseconds: it has not cooled down."""
    call: int
    """A system call within an operation, as malloc makes them: in place of *syscall*."""
    disk: DiskProfile
    compressors: dict[str, CompressorProfile]
    """By algorithm; one that was not measured takes as long as lzo-rle."""
    name: str
    source: str

    def compressor(self, algorithm: str) -> CompressorProfile:
        """Return what an algorithm takes."""
        return self.compressors.get(algorithm, self.compressors["lzo-rle"])

    def as_table(self) -> tuple[int, ...]:
        """Return the numbers alone, in the model's order."""
        return tuple(getattr(self, field.name) for field in fields(self)[:-5])


X86_64 = CostProfile(
    hit=27, zero_fault=520, anon_fault=1330, fill_zero=100, fill_mark=0, fill_text=3000, fill_half=600,
    fill_random=1000, clear_page=100, cow_fault=2300, reuse_fault=600, file_fault=1000, fork=100_000, fork_page=40,
    unmap_page=90, exec=500_000, syscall=2_000, io_call=300, wake=3_000, read_page=410, write_page=700, cache_page=900,
    writeback_page=700, shrink=1_500, scan_page=150, reclaim_page=600, swap_page=500, swap_io=200, swap_request=3_000,
    swap_end=100, rmap=100, swap_fault=600, zs_free=200, tlb_flush=2_000, tlb_interrupt=1_500, fresh_page=0,
    read_request=300, kblockd=0, wake_soon=3_000, call=1_000, disk=DiskProfile(80_000, 8_000, 8),
    compressors={
        "lzo-rle": CompressorProfile((300, 900, 3_500, 2_500, 4_000), (0, 300, 2_200, 1_000, 500)),
        "zstd": CompressorProfile((300, 2_000, 8_500, 4_500, 7_000), (0, 600, 4_500, 1_500, 500)),
    },
    name="x86-64",
    source="C loops on a 2-cpu KVM guest, Intel Xeon, Linux 6.18, 4 KiB pages; fills from memory bandwidth; "
    "the disk is an SSD: 80 us, 500 MB/s a request, eight at a time; what a batch of reclaim and a request cost beside "
    "their pages was not measured there",
)  # fmt: skip

LAB_TCG = CostProfile(
    hit=195, zero_fault=2_115, anon_fault=8_100, fill_zero=900, fill_mark=0, fill_text=25_500, fill_half=1_100,
    fill_random=1_550, clear_page=2_500, cow_fault=16_000, reuse_fault=1_700, file_fault=20_000, fork=2_000_000,
    fork_page=200, unmap_page=1_170, exec=8_500_000, syscall=600_000, io_call=1_500, wake=100_000, read_page=1_700,
    write_page=7_000, cache_page=11_000, writeback_page=6_000, shrink=36_000, scan_page=250, reclaim_page=1_250,
    swap_page=6_000, swap_io=6_000, swap_request=60_000, swap_end=2_800, rmap=250,
    swap_fault=4_700, zs_free=2_300, tlb_flush=30_000, tlb_interrupt=50_000, fresh_page=8_000,
    read_request=85_000, kblockd=60_000, wake_soon=30_000, call=10_000,
    disk=DiskProfile(130_000, 1_000, 4, emulated=True),
    compressors={
        "lzo": CompressorProfile((1_000, 8_500, 36_500, 21_000, 28_000), (0, 5_000, 22_000, 7_000, 4_000)),
        "lzo-rle": CompressorProfile((1_000, 8_000, 39_000, 15_500, 22_500), (0, 5_000, 22_000, 5_500, 4_000)),
        "lz4": CompressorProfile((1_000, 9_000, 35_500, 19_000, 22_000), (0, 5_000, 14_000, 4_500, 4_000)),
        "zstd": CompressorProfile((1_000, 18_000, 187_000, 89_000, 98_000), (0, 7_000, 45_000, 5_000, 4_000)),
    },
    name="lab-tcg",
    source="op times of plain fills, reads, writes, forks, unmaps and squeezes in recordings "
    "02, 03, 05, 11, 19, 21, 22, 108, 175: emulated by QEMU; a shootdown, on both sides, from "
    "a trace of kswapd beside a task that fills its memory, waking up from traces of 239 and 245; "
    "the disk from a trace of swap writes: "
    "a file in the host's page cache, which several threads of QEMU copy at the same time; system calls from malloc's "
    "(222, 261, 263); compressors from MADV_PAGEOUT of one content after the other without pressure (103 to 106), "
    "against that of zeroes; reclaim and writes to swap by regression over the batches of a trace of 28 "
    "(mm_vmscan_lru_shrink_inactive, block_rq_issue, block_rq_complete). "
    "Fills are of memory that the guest had used before; a page's first use from fills of others",
)  # fmt: skip


def for_cpu(cpuinfo: str | None) -> CostProfile:
    """Return the profile of the machine whose /proc/cpuinfo this is: emulated processors are far slower."""
    return LAB_TCG if cpuinfo and "TCG" in cpuinfo else X86_64


def at_speed(profile: CostProfile, speed: float) -> CostProfile:
    """Return what operations cost on a processor that is *speed* times as fast; its disk is the same.

    >>> at_speed(X86_64, 0.5).anon_fault
    2660
    """
    if speed == 1:
        return profile
    values = {field.name: getattr(profile, field.name) for field in fields(profile)}
    scaled: dict[str, Any] = {name: round(ns / speed) for name, ns in values.items() if isinstance(ns, int)}
    compressors = {name: one.at_speed(speed) for name, one in profile.compressors.items()}
    return replace(profile, compressors=compressors, **scaled)
