"""A disk of a given speed, queue and file system: how long do reads and writes take, and how much is queued?"""

from __future__ import annotations

import pytest

from memtwin import scenario as sc
from memtwin.linux.block import blk_wbt
from memtwin.linux.core import device
from memtwin.linux.records import Outcome
from memtwin.machine import costs
from memtwin.machine.swap_areas import add_disk
from memtwin.run.run import Run, machine_for, simulate

PAGE = 4096
MIB = 1 << 20
NS = 1_000_000_000


def run(lines: str, *, disk: str, ram: str = "3G") -> Run:
    return simulate(sc.parse(f"machine ram={ram} cpus=2\n{disk}\nproc A\n{lines}"), None)


def seconds(done: Run, number: int) -> float:
    """How long an operation took."""
    return done.done[number].us / 1e6


def test_a_line_has_its_bandwidth_and_no_more() -> None:
    """Eight requests at once end one after another; without a line of their own each server transfers for itself."""
    state = machine_for(sc.parse("machine ram=128M\n"), None).state
    apart = device.add_device(state, 80_000, 8_000, 8)
    shared = device.add_device(state, 80_000, 8_000, 8)
    device.limit(state, shared, 8_000, 8_000, -1, 0, 0)
    now = state.clock_ns
    took = [[device.request(state, number, 256, False) - now for _ in range(8)] for number in (apart, shared)]
    assert took[0] == [80_000 + 256 * 8_000] * 8
    assert took[1] == [80_000 + number * 256 * 8_000 for number in range(1, 9)]


def test_the_usual_disk_serves_eight_requests_at_once() -> None:
    """The SSD of a machine that does not say its own: 500 MB/s for each."""
    state = machine_for(sc.parse("machine ram=128M\n"), None).state
    number = add_disk(state, costs.X86_64)
    ends = [device.request(state, number, 256, False) - state.clock_ns for _ in range(8)]
    assert ends[-1] == pytest.approx(256 * PAGE / 500e6 * NS, rel=0.05)


def test_a_read_passes_writes_that_are_queued() -> None:
    """It waits for one write of 254 pages at most, and the writes behind it end later by as much as it took."""
    state = machine_for(sc.parse("machine ram=128M\n"), None).state
    number = device.add_device(state, 0, 1_000, 32)
    device.limit(state, number, 1_000, 1_000, -1, 0, 0)
    now = state.clock_ns
    writes = [device.request(state, number, 256, True) - now for _ in range(10)]
    assert writes[-1] == 10 * 256_000
    assert device.request(state, number, 32, False) - now == 254_000 + 32_000
    assert device.request(state, number, 256, True) - now == 11 * 256_000 + 32_000


def test_how_many_writes_a_device_takes() -> None:
    """A queue of 32, 24 deep: a quarter in the background, half for fsync; beside a reader 4, of 16."""
    state = machine_for(sc.parse("machine ram=128M\n"), None).state
    number = device.add_device(state, 80_000, 8_000, 32)
    assert (blk_wbt.limit_of(state, number, True), blk_wbt.limit_of(state, number, False)) == (6, 12)
    device.request(state, number, 1, False)
    assert (blk_wbt.limit_of(state, number, True), blk_wbt.limit_of(state, number, False)) == (4, 4)
    device.limit(state, number, 0, 0, -1, 1, 0)
    assert blk_wbt.limit_of(state, number, True) == 1


def test_reads_and_writes_take_what_the_line_says() -> None:
    """300 MiB at 100 and at 50 MiB/s."""
    done = run("A fread f 0 300M 1M\nA fwrite g 0 300M 1M\nA fsync g\n", disk=
               "disk data read=100M write=50M latency=80us depth=32\nfile f 300M")  # fmt: skip
    assert seconds(done, 1) == pytest.approx(3.0, rel=0.02)
    assert seconds(done, 2) + seconds(done, 3) == pytest.approx(6.0, rel=0.05)


def test_dirty_data_falls_at_the_speed_of_the_disk() -> None:
    """No more than six requests of 1 MiB are under writeback, and 8 MiB whose blocks become valid together."""
    lines = "sysctl vm.dirty_background_bytes=4096\nA fwrite g 0 200M 1M\nsleep 1\n"
    done = run(lines, disk="disk data read=50M write=50M latency=80us depth=32")
    before, after = [sample.figures for sample in done.samples if sample.between][-2:]
    assert max(sample.figures["Writeback"] for sample in done.samples) <= (6 + 8) * 1024
    assert before["Dirty"] + before["Writeback"] - after["Dirty"] - after["Writeback"] == pytest.approx(
        50 * 1024, rel=0.1
    )


def test_a_file_system_without_buffer_heads() -> None:
    """64 MiB written: 16,384 buffer heads of ext4, 39 a page of slab, are 1.6 MiB; XFS has none, and no Buffers."""
    slab = []
    for fs in ("ext4", "xfs"):
        done = run("A fwrite g 0 64M 1M\n", disk=f"disk data fs={fs}")
        slab.append(done.samples[-1].figures["Slab"])
    assert slab[0] - slab[1] >= 16_384 // 39 * 4


def test_readahead_has_the_size_of_the_line() -> None:
    """16 MiB in calls of 4 KiB: windows of 128 KiB are 128 requests, of 1 MiB a third of those or fewer."""
    small, large = (
        run("A fread f 0 16M 4K\n", disk=f"disk data readahead={size}\nfile f 16M").machine.state
        for size in ("128K", "1M")
    )
    assert 128 <= device.requests_of(small, 0) <= 140
    assert 16 <= device.requests_of(large, 0) <= 140 // 3


def test_a_read_into_a_region_faults_it_in() -> None:
    """8 MiB read in one call are 2,048 anonymous pages from the region's second MiB on; beyond its end is ERANGE."""
    done = run(
        "A mmap h 9M\nA fread f 0 8M 8M into=h+1M\nA fwrite g 0 8M 8M into=h+1M\nA fread f 0 8M 8M into=h+2M\n",
        disk="file f 8M",
    )
    before, after = (done.samples[number].figures for number in (2, 3))
    assert after["AnonPages"] - before["AnonPages"] == 8 * 1024
    assert [one.outcome for one in done.done[2:]] == ["ok", "ok", "error"]
    assert done.done[4].errno == Outcome.ERANGE


def test_a_throttled_writer_is_held_at_the_setpoint() -> None:
    """Its think time is part of its pause: it stays near the middle between where pauses begin and the limit.

    A pause is a whole number of jiffies, so that a writer is a few percent faster than it may be, and held above.
    """
    lines = "sysctl vm.dirty_bytes=104857600\nsysctl vm.dirty_background_bytes=52428800\nA fwrite g 0 2500M 64K\n"
    done = run(lines, disk="disk data write=100M latency=80us depth=32")
    late = [sample.figures for sample in done.samples if sample.time_ns > done.samples[-1].time_ns - 3 * NS]
    held = [figures["Dirty"] + figures["Writeback"] for figures in late]
    setpoint_kib = (75 + 100) * 1024 // 2
    assert sum(held) / len(held) == pytest.approx(setpoint_kib, rel=0.08)
    assert seconds(done, 3) == pytest.approx((2500 - 87.5) / 100, rel=0.1)


def test_a_read_beside_others_copies_all_of_it() -> None:
    """3 MiB that come from the disk are 768 faults of the reader's memory, beside the main line as on it."""
    both = [
        run(f"A mmap h 3M\nA fread f 0 3M 3M into=h{mark}\nwait\n", disk="disk data read=100M\nfile f 3M")
        for mark in ("", " &")
    ]
    assert [done.done[2].deltas["pgfault"] for done in both] == [768, 768]
    assert seconds(both[0], 2) == pytest.approx(seconds(both[1], 2), rel=0.05)
