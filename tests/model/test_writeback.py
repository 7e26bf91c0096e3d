"""Writeback: when does dirty data go out, how much at a time, and how far may it grow?"""

from __future__ import annotations

import pytest
from growing import Growing
from streams import PAGE, Stream

from memtwin.linux.check import invariants
from memtwin.linux.fs import fs_writeback
from memtwin.linux.kernel.sched import core as sched
from memtwin.linux.mm import dirty_limits, mm_init, page_alloc_fast

SECOND = 1_000_000_000
JOURNAL = 1
"""The file system's superblock: dirty from the first commit of its journal, 5 s after the first open."""


def write(stream: Stream, pages: int, first: int = 0) -> None:
    """Write pages one by one."""
    for page in range(first, first + pages):
        stream.io(page * PAGE, PAGE, write=True)


def counted(stream: Stream, *names: str) -> tuple[int, ...]:
    """Counters by name."""
    events = stream.events()
    return tuple(events[name] for name in names)


def proven(ram: str = "256M") -> Stream:
    """A machine whose disk has lately completed 4,096 writes, so that it has a share of the limits for 36 s."""
    stream = Stream(8192, ram=ram)
    write(stream, 4096)
    fs_writeback.fsync(stream.state, stream.task, stream.file)
    assert counted(stream, "nr_dirty", "nr_writeback") == (0, 0)
    return stream


def test_limits_are_shares_of_what_could_be_cache() -> None:
    """819/4096 and 409/4096 of free memory above the reserves and both file lists."""
    stream = Stream(1024)
    for page in range(0, 1024, 16):
        stream.io(page * PAGE, 16 * PAGE)
    state, node = stream.state, stream.state.node_stats()
    free = page_alloc_fast.free_pages(state)
    dirtyable = free - min(free, state.totalreserve) + node["nr_inactive_file"] + node["nr_active_file"] + 1
    assert dirty_limits.dirty_thresholds(state) == (819 * dirtyable // 4096, 409 * dirtyable // 4096)


@pytest.mark.parametrize(
    ("settings", "limits"),
    [
        ({"dirty_bytes": 4096 * 1000 + 1, "dirty_background_bytes": 4096 * 100}, (1001, 100)),
        ({"dirty_bytes": 4096 * 1000, "dirty_background_bytes": 4096 * 5000}, (1000, 500)),
        ({"dirty_bytes": 4096 * 1000, "dirty_background_bytes": 4096 * 1000}, (1000, 500)),
    ],
)
def test_limits_in_bytes(settings: dict[str, int], limits: tuple[int, int]) -> None:
    """Bytes are rounded up to pages; a background limit that is not below the other becomes half of it."""
    state = Stream(1).state
    for name, value in settings.items():
        mm_init.write_sysctl(state, name, value)
    assert dirty_limits.dirty_thresholds(state) == limits


def test_anonymous_memory_lowers_the_limits() -> None:
    """100 MiB of anonymous pages cost a fifth of themselves in dirty pages."""
    bare, full = Stream(1, ram="256M"), Stream(1, "", ram="256M")
    full.fill_anonymous(25_600)
    (before, _), (after, _) = (dirty_limits.dirty_thresholds(s.state) for s in (bare, full))
    assert before - after == pytest.approx(25_600 * 819 / 4096, rel=0.01)


def test_a_writer_comes_to_a_balance_point_after_32_then_64_pages() -> None:
    """limit 4,096..16,383 pages: looked at after 32, 96, 160 pages; over 100 dirty, the 160th starts the flusher."""
    stream = Stream(1)
    mm_init.write_sysctl(stream.state, "dirty_background_bytes", 100 * PAGE)
    assert 4096 <= dirty_limits.dirty_thresholds(stream.state)[0] < 16384
    write(stream, 159)
    assert counted(stream, "nr_dirty", "nr_writeback") == (159, 0)
    write(stream, 1, 159)
    assert stream.events()["nr_dirty"] == 0


def test_a_file_writes_2048_pages_a_turn() -> None:
    """256 MiB: min(12,800, limit/8) + 1,024 rounded down to 1,024 is 2,048; of 6,144 dirty pages one turn goes out.

    Its eight requests are more than the disk takes at a time, so that writes have ended when it is over: the disk has a
    share of the limits now, and 4,096 are under the background limit.
    """
    stream = Stream(1, ram="256M")
    write(stream, 6144)
    sched.sleep_until(stream.state, stream.state.clock_ns + SECOND)
    assert counted(stream, "nr_dirty", "nr_writeback", "nr_written") == (4096, 0, 2048)


@pytest.mark.parametrize("ram", ["512M", "2G"])
def test_the_limit_of_the_boot_knows_no_memory_behind_its_first_sections(ram: str) -> None:
    """Of 256 MiB, the kernel in it, a fifth: some 10,700 pages; an eighth and 1,024 are one turn of 2,048 pages."""
    stream = Stream(1, ram=ram)
    write(stream, 10_000)
    sched.sleep_until(stream.state, stream.state.clock_ns + 6 * SECOND)
    assert counted(stream, "nr_dirty", "nr_writeback", "nr_written") == (10_000 - 2048 + JOURNAL, 0, 2048)


def test_a_turn_grows_with_the_limit() -> None:
    """The limit that is set is that of all memory: of 512 MiB an eighth of it and 1,024 are 3,072 pages."""
    stream = Stream(1, ram="512M")
    mm_init.write_sysctl(stream.state, "dirty_ratio", 20)
    write(stream, 10_000)
    sched.sleep_until(stream.state, stream.state.clock_ns + 6 * SECOND)
    assert counted(stream, "nr_dirty", "nr_writeback", "nr_written") == (10_000 - 3072 + JOURNAL, 0, 3072)


@pytest.mark.parametrize(("kernel", "is_whole"), [("6.1", True), ("6.12", False)])
def test_a_file_that_is_not_old_has_one_turn_at_a_look_since_6_10(kernel: str, *, is_whole: bool) -> None:
    """A look for old data went on with what background writeback had begun, however young it was."""
    made = Growing(f"machine ram=512M kernel={kernel}\nfile f 90M\n")
    for line in ("proc A", "A fwrite f 0 60M 1M seq", "sleep 2"):
        assert made.do(line) == "ok"
    dirty = made.state.node_stats()["nr_dirty"]
    written = made.state.node_stats()["nr_written"]
    assert dirty > 2 * 2048
    made.do("sleep 5")
    assert made.state.node_stats()["nr_written"] - written == (dirty if is_whole else 2048)


def test_dirty_data_waits_for_the_flusher_to_look() -> None:
    """On a disk that has written nothing yet all goes out at the first look, 5 s after the first write."""
    stream = Stream(1, ram="256M")
    start = stream.state.clock_ns
    write(stream, 1000)
    sched.sleep_until(stream.state, start + 5 * SECOND - 1)
    assert counted(stream, "nr_dirty", "nr_written") == (1000 + JOURNAL, 0)
    sched.sleep_until(stream.state, start + 6 * SECOND)
    assert counted(stream, "nr_dirty", "nr_written") == (0, 1000 + JOURNAL)


@pytest.mark.parametrize(
    ("settings", "still", "gone"),
    [
        ({}, 30, 35.5),
        ({"dirty_expire_centisecs": 1000}, 10, 15.5),
        ({"dirty_writeback_centisecs": 1000}, 30, 40.5),
    ],
)
def test_old_data_goes_out(settings: dict[str, int], still: float, gone: float) -> None:
    """What is older than dirty_expire_centisecs is written at the next look, every dirty_writeback_centisecs."""
    stream = proven()
    for name, value in settings.items():
        mm_init.write_sysctl(stream.state, name, value)
    write(stream, 200)
    start = stream.state.clock_ns
    sched.sleep_until(stream.state, start + int(still * SECOND))
    assert stream.events()["nr_dirty"] == 200 + JOURNAL
    sched.sleep_until(stream.state, start + int(gone * SECOND))
    assert counted(stream, "nr_dirty", "nr_writeback") == (0, 0)


def test_with_the_flusher_off_data_stays() -> None:
    """dirty_writeback_centisecs 0: 100 s later the pages are dirty still; fsync writes them."""
    stream = proven()
    mm_init.write_sysctl(stream.state, "dirty_writeback_centisecs", 0)
    write(stream, 200)
    sched.sleep_until(stream.state, stream.state.clock_ns + 100 * SECOND)
    assert stream.events()["nr_dirty"] == 200 + JOURNAL
    fs_writeback.fsync(stream.state, stream.task, stream.file)
    assert stream.events()["nr_dirty"] == JOURNAL


def test_fsync_writes_one_file_and_sync_all() -> None:
    """Two dirty files: fsync of one leaves the other's 50 pages, sync leaves none."""
    stream = Stream(8192)
    other = stream.done.disk.open(stream.task, "g")
    write(stream, 100)
    for page in range(50):
        stream.io(page * PAGE, PAGE, write=True, filp=other)
    written = stream.events()["nr_written"]
    fs_writeback.fsync(stream.state, stream.task, stream.file)
    assert counted(stream, "nr_dirty", "nr_written") == (50, written + 100)
    fs_writeback.sync(stream.state)
    assert counted(stream, "nr_dirty", "nr_writeback", "nr_written") == (0, 0, written + 150)


def test_a_page_written_twice_is_dirty_once() -> None:
    """1,000 writes of the same 10 pages: 10 dirtied, and 40 KiB on their way to the disk, not 4 MB."""
    stream = Stream(8192)
    before = stream.events()
    for _ in range(100):
        write(stream, 10)
    fs_writeback.fsync(stream.state, stream.task, stream.file)
    after = stream.events()
    assert after["nr_dirtied"] - before["nr_dirtied"] == 10
    assert after["pgpgout"] - before["pgpgout"] == 40


@pytest.mark.parametrize(("limit", "background"), [(1024, 256), (512, 128), (4096, 1024)])
def test_dirty_pages_stay_below_the_limit(limit: int, background: int) -> None:
    """A writer of 128 MiB is held: dirty and written pages pass the limit by no more than a cpu's batch, limit/32."""
    stream = Stream(1)
    mm_init.write_sysctl(stream.state, "dirty_bytes", limit * PAGE)
    mm_init.write_sysctl(stream.state, "dirty_background_bytes", background * PAGE)
    most = 0
    for call in range(2000):
        stream.io(call * 16 * PAGE, 16 * PAGE, write=True)
        most = max(most, sum(counted(stream, "nr_dirty", "nr_writeback")))
    assert background < most <= limit + max(limit // 32, 16)
    invariants.validate(stream.state)


def test_writing_part_of_a_page_reads_it_first() -> None:
    """1 KiB into a page on the disk: that page is read (4 KiB); a whole page is not."""
    stream = Stream(8192)
    before = stream.events()["pgpgin"]
    stream.io(0, PAGE, write=True)
    assert stream.events()["pgpgin"] == before
    stream.io(64 * PAGE, 1024, write=True)
    assert stream.events()["pgpgin"] - before == 4


def test_a_hole_that_is_written_has_data_afterwards() -> None:
    """Written, synced, dropped and read again: now it comes from the disk, and is what was written."""
    stream = Stream(1, "file hole 64P content=zero")
    filp = stream.done.disk.open(stream.task, "hole")
    for page in range(64):
        stream.io(page * PAGE, PAGE, write=True, filp=filp)
    fs_writeback.sync(stream.state)
    sched.sleep_until(stream.state, stream.state.clock_ns + SECOND)
    stream.drop()
    before = stream.events()["pgpgin"]
    stream.io(0, 64 * PAGE, filp=filp)
    assert stream.events()["pgpgin"] - before >= (64 - 28) * 4
    invariants.validate(stream.state)


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_a_writer_whose_limit_fell_to_a_few_pages_goes_on(kernel: str) -> None:
    """A shared mapping's page is written back in its writer's pause: with one at each page it would never end."""
    one = Growing(f"machine ram=128M kernel={kernel} cpus=1 thp=never\nfile g 8M\nsysctl vm.dirty_ratio=2\n")
    one.do("proc A")
    one.do("A fmap m g shared")
    one.do("A mmap h 62M")
    one.do("A touch h 0 62M w seq")
    began = one.state.clock_ns
    assert one.do("A touch m 0 200P w rand:200:5") == "ok"
    assert dirty_limits.dirty_thresholds(one.state)[0] < 100
    assert one.state.clock_ns - began < 2_000_000_000


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_limit_of_no_page_does_not_stop_a_writer_to_a_mapping_for_ever(cpus: int) -> None:
    """What a CPU has counted by itself is not over the limit yet: each page is one fault, not one after each pause."""
    made = Growing(f"machine ram=128M kernel=6.12 cpus={cpus}\nfile g 70M\n")
    for line in ("sysctl vm.dirty_ratio=0", "proc A", "A fmap h g shared", "A touch h 0 64K w seq"):
        assert made.do(line) == "ok"
    assert made.run.done[-1].deltas["pgfault"] < 20
    invariants.validate(made.state)
