"""Readahead: are the windows those of the kernel's rules, page for page?  Numbers: rules of mm/readahead.c by hand."""

from __future__ import annotations

import pytest
from streams import Stream

from memtwin.linux.core import mm_types as t
from memtwin.linux.fs.proc import task_mmu
from memtwin.linux.kernel import fork as kernel_fork
from memtwin.machine import program

MAPPED = 0x200000000
"""Page number at which the tests map the file."""
KIB = 4


@pytest.mark.parametrize(
    ("chunk", "windows"),
    [
        (1, [(0, 4, 1), (4, 8, 4), (12, 16, 12), (28, 32, 28), (60, 32, 60)]),
        (4, [(0, 8, 4), (8, 16, 8), (24, 32, 24), (56, 32, 56)]),
        (16, [(0, 32, 16), (32, 32, 32), (64, 32, 64), (96, 32, 96)]),
        (32, [(0, 32, 16), (32, 32, 32), (64, 32, 64), (96, 32, 96)]),
    ],
)
def test_a_sequential_reader_gets_these_windows(chunk: int, windows: list[tuple[int, int, int]]) -> None:
    """Reads of 4, 16, 64 and 128 KiB from 0: (start, size, mark), each window started by touching the mark before."""
    stream = Stream(2048)
    found = []
    page = 0
    while len(found) < len(windows):
        came = stream.read(page, chunk)
        page += chunk
        # a call may go past several marks
        while came and len(found) < len(windows):
            start, size, _ = windows[len(found)]
            assert came[0] == start
            found.append((start, size))
            came = (came[0] + size, came[1] - size) if came[1] > size else None
    assert found == [(start, size) for start, size, _ in windows]


@pytest.mark.parametrize(("chunk", "first"), [(1, (0, 4, 1)), (4, (0, 8, 4)), (16, (0, 32, 16))])
def test_the_mark_stands_where_the_bet_begins(chunk: int, first: tuple[int, int, int]) -> None:
    """After the first read one page of the window, and no other, starts the next when it is touched."""
    stream = Stream(2048)
    start, size, mark = first
    assert stream.read(0, chunk) == (start, size)
    assert stream.marks(start, size) == [mark]


def test_marks_of_later_windows() -> None:
    """4 KiB reads: the window (12, 16) has its mark on its first page, which the reader meets last."""
    stream = Stream(2048)
    for page in range(5):
        stream.read(page, 1)
    assert stream.cached() == set(range(28))
    assert stream.marks(4, 24) == [12]


def test_a_fresh_file_in_the_middle_is_random_then_sequential() -> None:
    """128 KiB from page 100: just 100..131 without a mark; then a first window there, (132, 32) with mark 148."""
    stream = Stream(2048)
    assert stream.read(100, 32) == (100, 32)
    assert stream.marks(100, 32) == []
    assert stream.read(132, 32) == (132, 64)  # (132, 32), and at its mark (164, 32)
    assert stream.marks(132, 64) == [164]


def test_the_last_window_ends_with_the_file() -> None:
    """A file of 100 pages in 64 KiB reads: (96, 4) without a mark is the last."""
    stream = Stream(100)
    found = [stream.read(page, min(16, 100 - page)) for page in range(0, 100, 16)]
    assert [window for window in found if window] == [(0, 32), (32, 32), (64, 32), (96, 4)]
    assert stream.marks(96, 4) == []


def test_random_reads_read_what_they_ask_for() -> None:
    """16 KiB at pages 10, 500, 14 and 18: 4, 4, 4 pages; the one after the last read is a window, (18, 8), mark 22."""
    stream = Stream(2048)
    assert [stream.read(page, 4) for page in (10, 500, 14, 18)] == [(10, 4), (500, 4), (14, 4), (18, 8)]
    assert stream.marks(10, 16) == [22]


@pytest.mark.parametrize(
    ("pages", "window"), [(1, 4), (2, 4), (3, 8), (4, 8), (5, 16), (8, 16), (9, 32), (16, 32), (32, 32)]
)
def test_first_windows_by_request(pages: int, window: int) -> None:
    """init: 1→4, 2→4, 3..4→8, 5..8→16, 9..32→32 pages; a second one follows where the request reaches the mark."""
    stream = Stream(2048)
    came = stream.read(0, pages)
    assert came is not None
    assert came[0] == 0
    assert came[1] == window if pages <= window // 2 else came[1] >= window


def test_history_stands_for_a_reader_who_is_not_known() -> None:
    """Eight cached pages before a 4-page read of another open file: a window of 12, the mark on its last page."""
    stream = Stream(2048)
    assert stream.read(100, 8) == (100, 8)
    other = stream.open()
    assert stream.read(108, 4, other) == (108, 12)
    assert stream.marks(108, 12) == [119]


def test_too_little_history_is_no_reason() -> None:
    """Four cached pages before a 4-page read are not more than what is asked for: just the 4."""
    stream = Stream(2048)
    stream.read(100, 4)
    assert stream.read(104, 4, stream.open()) == (104, 4)


def test_a_second_reader_goes_on_behind_the_cached_pages() -> None:
    """Rule C: a mark that another open file left: the window starts at the first page that is missing, (4, 8)."""
    stream = Stream(2048)
    assert stream.read(0, 1) == (0, 4)
    assert stream.read(1, 1, stream.open()) == (4, 8)


def test_a_hole_is_not_read_from_the_disk() -> None:
    """A sparse file's pages come into the cache, and pgpgin does not move but for metadata."""
    stream = Stream(8, "file hole 512P content=zero")
    stream.file, stream.pages = stream.done.disk.numbers["hole"], 512
    filp = stream.done.disk.open(stream.task, "hole")
    before = stream.events()["pgpgin"]
    for page in range(0, 512, 16):
        stream.io(page * 4096, 65536, filp=filp)
    assert len(stream.cached()) == 512
    assert stream.events()["pgpgin"] == before


def mapped(pages: int, *, shared: bool = False) -> Stream:
    """A stream whose file is mapped at MAPPED."""
    stream = Stream(pages)
    flags = program.RW | (t.VM_SHARED if shared else 0)
    assert kernel_fork.mmap(stream.state, stream.task, MAPPED, pages, flags, stream.file, stream.filp) == 0
    return stream


def rss_file(stream: Stream) -> int:
    """Pages of files that the process has mapped, exactly."""
    rollup = task_mmu.smaps_rollup(stream.state, stream.task)
    return (rollup["Rss"] - rollup["Anonymous"]) // KIB


def test_sequential_faults_get_these_windows() -> None:
    """Touching a mapping upwards: (0,32) with mark 24, (32,32), (64,32): each started at the mark before."""
    stream = mapped(1024)
    started = [(page, came) for page in range(96) if (came := stream.fault(MAPPED, page))]
    assert started == [(0, (0, 32)), (24, (32, 32)), (32, (64, 32)), (64, (96, 32))]


def test_a_fault_reads_the_window_around_it() -> None:
    """A miss at page 500 reads 16 pages before and 15 after: (484, 32)."""
    stream = mapped(1024)
    assert stream.fault(MAPPED, 500) == (484, 32)


def test_a_file_that_mostly_misses_is_read_by_single_pages() -> None:
    """Scattered first writes to a shared mapping: 100 misses read a window of 32, from the 101st on one page each."""
    stream = mapped(15_000, shared=True)
    came = [stream.fault(MAPPED, 64 + number * 128, write=True) for number in range(110)]
    assert [window and window[1] for window in came] == [32] * 100 + [1] * 10


def test_fault_around_makes_up_for_misses() -> None:
    """Scattered reads of the same mapping map 16 pages at each miss, and so never lose their windows."""
    stream = mapped(15_000, shared=True)
    came = [stream.fault(MAPPED, 64 + number * 128) for number in range(110)]
    assert [window and window[1] for window in came] == [32] * 110


def test_fault_around_maps_the_aligned_window() -> None:
    """One touch of a cached file at page 20 maps 16..31, and not the page with the mark."""
    stream = mapped(1024)
    for page in range(0, 64, 16):
        stream.read(page, 16)
    before = rss_file(stream)
    assert stream.fault(MAPPED, 20) is None
    assert rss_file(stream) - before == 16
    fresh = mapped(1024)
    before = rss_file(fresh)
    fresh.fault(MAPPED, 16)  # (0, 32), the mark on 24
    assert rss_file(fresh) - before == 15


def test_fault_around_stays_within_the_mapping() -> None:
    """A file of 10 pages: one touch maps 10, not 16."""
    stream = mapped(10)
    stream.read(0, 10)
    before = rss_file(stream)
    stream.fault(MAPPED, 3)
    assert rss_file(stream) - before == 10


def test_a_retried_fault_is_counted_twice_and_major() -> None:
    """A miss: pgfault 2, pgmajfault 1, the task's one fault major."""
    stream = mapped(1024)
    before = stream.events()
    stream.fault(MAPPED, 0)
    after = stream.events()
    assert after["pgfault"] - before["pgfault"] == 2
    assert after["pgmajfault"] - before["pgmajfault"] == 1


def test_a_shared_write_maps_one_page_and_makes_it_dirty() -> None:
    """No fault-around for writes: one page mapped, one dirty."""
    stream = mapped(64, shared=True)
    stream.read(0, 64)
    before, dirty = rss_file(stream), stream.events()["nr_dirty"]
    stream.fault(MAPPED, 5, write=True)
    assert rss_file(stream) - before == 1
    assert stream.events()["nr_dirty"] - dirty == 1


def test_a_read_of_1_mib_is_not_cut_at_read_ahead_kb() -> None:
    """1 MiB reads from 0: (0,256,128) (256,256,256) (512,256,512)."""
    stream = Stream(2048)
    assert stream.read(0, 256) == (0, 512)
    assert stream.read(256, 256) == (512, 256)
    assert stream.read(512, 256) == (768, 256)
