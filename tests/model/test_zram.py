"""zram and zsmalloc: which class an object comes into, what is stored as it is, and what mm_stat says of it.

Lengths are those of `compressed_lengths.py`, sizes of classes those of the head of `linux/mm/zsmalloc.py`.
"""

from __future__ import annotations

import pytest
from growing import Growing

from memtwin.linux.check import invariants, testing
from memtwin.linux.drivers.block import zram
from memtwin.machine import compressed_lengths
from memtwin.sysfs.zram import zsmalloc

PAGES = 512
"""As many pages as a test swaps out: 2 MiB."""
KINDS = ("zero", "mark", "text", "half", "random")


def machine(algorithm: str = "lzo-rle", kernel: str = "6.1") -> Growing:
    """A machine of 128 MiB with swap on zram."""
    return Growing(f"machine ram=128M kernel={kernel}\nswap zram size=64M algo={algorithm}\n")


def stored(content: str, algorithm: str = "lzo-rle", pages: int = PAGES) -> tuple[Growing, dict[str, int]]:
    """A machine whose process has swapped out pages of one content, and mm_stat then."""
    run = machine(algorithm)
    lines = (
        "proc A", f"A mmap h {pages}P", f"A touch h 0P {pages}P w seq content={content}",
        f"A madvise h 0P {pages}P pageout",
    )  # fmt: skip
    for line in lines:
        assert run.do(line) == "ok"
    invariants.validate(run.state)
    return run, zram.mm_stat(run.state, 0)


# --- classes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "shape"),
    [
        (20, (32, 1, 128)), (100, (112, 2, 73)), (500, (512, 1, 8)), (1000, (1024, 1, 4)), (1365, (1488, 4, 11)),
        (1500, (1536, 3, 8)), (2000, (2048, 1, 2)), (2500, (2720, 2, 3)), (3000, (3072, 3, 4)),
        (3256, (3264, 4, 5)), (3257, (4096, 1, 1)), (4096, (4096, 1, 1)),
    ],
)  # fmt: skip
def test_the_class_of_an_object(length: int, shape: tuple[int, int, int]) -> None:
    """Length and 8 bytes of handle, rounded up to a class: (size, pages, objects)."""
    assert testing.size_class_of(machine().state, length) == shape


def test_there_are_sixty_nine_classes() -> None:
    """255 steps of 16 bytes, those alike in pages and objects merged; a class holds what comes into it."""
    state = machine().state
    shapes = {length: testing.size_class_of(state, length) for length in range(1, 4097)}
    assert len(set(shapes.values())) == 69
    assert all(length + 8 <= size or size == 4096 for length, (size, _, _) in shapes.items())
    assert all(size * objects <= pages * 4096 for size, pages, objects in shapes.values())


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_classes_are_those_that_a_real_device_has(kernel: str) -> None:
    """What zram-estimate computes with was held against zram devices of both kernels."""
    release = tuple(map(int, kernel.split(".")))
    classes = zsmalloc.classes_of((release[0], release[1]))
    state = machine(kernel=kernel).state
    for length in (*range(1, 4097, 7), 2500, 3256, 3257, 3624, 3625):
        one = classes.of(length)
        assert testing.size_class_of(state, length) == (one.size, one.pages, one.objects)
    assert testing.stored_whole_from(state) == classes.whole_from


# --- what is stored --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["lzo", "lzo-rle", "lz4", "zstd"])
@pytest.mark.parametrize("content", KINDS)
def test_mm_stat_of_each_content(content: str, algorithm: str) -> None:
    """Pages, their compressed bytes by the mean, and as many groups as hold them, one a class not full."""
    _, stat = stored(content, algorithm)
    mean, spread = compressed_lengths.lengths(algorithm)[KINDS.index(content)]
    same, huge = content == "zero", mean >= 3257
    assert stat["orig_data_size"] == PAGES * 4096
    assert (stat["same_pages"], stat["huge_pages"]) == (PAGES * same, PAGES * huge)
    if same or huge:
        assert stat["compr_data_size"] == PAGES * 4096 * huge
        assert stat["mem_used_total"] == PAGES * 4096 * huge
    else:
        assert abs(stat["compr_data_size"] / PAGES - mean) <= max(spread / 4, 0.6)
        state = machine().state
        shapes = {testing.size_class_of(state, mean + d) for d in range(-4 * spread, 4 * spread + 1)}
        whole = [-(-PAGES // objects) * pages for _, pages, objects in shapes]
        begun = sum(pages for _, pages, _ in shapes)
        assert min(whole) <= stat["mem_used_total"] >> 12 <= max(whole) + begun


def test_pages_of_one_word_take_no_memory() -> None:
    """512 of them: the pool has no page, and 512 frames are free again."""
    run, stat = stored("zero")
    assert stat["mem_used_total"] == 0
    assert run.state.zone_stats(1)["nr_zspages"] + run.state.zone_stats(0)["nr_zspages"] == 0


def test_what_does_not_compress_takes_a_page_each() -> None:
    """512 pages of 4,113 bytes by lzo-rle: stored as they are, one page of the pool each, nothing gained."""
    run, stat = stored("random")
    assert stat["huge_pages"] == stat["huge_pages_since"] == PAGES
    assert run.state.zone_stats(1)["nr_zspages"] + run.state.zone_stats(0)["nr_zspages"] == PAGES


def test_memory_comes_back_when_slots_do() -> None:
    """512 pages read back: their slots are parked by 64, so after 512 faults 448 objects are freed and 64 are not."""
    run, _ = stored("random")
    assert run.do(f"A touch h 0P {PAGES}P r seq") == "ok"
    stat = zram.mm_stat(run.state, 0)
    assert stat["orig_data_size"] == 64 * 4096
    assert stat["mem_used_total"] == 64 * 4096
    assert stat["huge_pages_since"] == PAGES
    assert zram.io_stat(run.state, 0)["notify_free"] == PAGES - 64
    invariants.validate(run.state)


def test_a_group_with_one_object_left_keeps_its_pages() -> None:
    """Seven pages of 2,150 bytes lie in a group of four: six of seven read back free a seventh of the pool at most."""
    pages = 7 * 64
    run, stat = stored("half", pages=pages)
    assert testing.size_class_of(run.state, 2150) == (2336, 4, 7)
    for first in range(0, pages, 7):
        assert run.do(f"A touch h {first}P 6P r seq") == "ok"
    held = zram.mm_stat(run.state, 0)
    assert held["orig_data_size"] <= (64 + 64) * 4096
    assert held["mem_used_total"] >= stat["mem_used_total"] * 6 // 7
    assert run.do("A exit") == "ok"
    assert run.do("swapoff zram") == "ok"
    assert zram.mm_stat(run.state, 0)["mem_used_total"] == 0
    invariants.validate(run.state)


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_compaction_moves_objects_together(kernel: str) -> None:
    """As above; then all shrinkers run at priority 0: the pool has hardly more groups than its objects need."""
    pages = 7 * 64
    run = machine(kernel=kernel)
    for line in ("proc A", f"A mmap h {pages}P", f"A touch h 0P {pages}P w seq content=half"):
        assert run.do(line) == "ok"
    assert run.do(f"A madvise h 0P {pages}P pageout") == "ok"
    for first in range(0, pages, 7):
        assert run.do(f"A touch h {first}P 6P r seq") == "ok"
    before = zram.mm_stat(run.state, 0)
    assert run.do("drop_caches 2") == "ok"
    after = zram.mm_stat(run.state, 0)
    _, group, objects = testing.size_class_of(run.state, 2150)
    freed = (before["mem_used_total"] - after["mem_used_total"]) >> 12
    assert after["pages_compacted"] == freed > 0
    assert after["compr_data_size"] == before["compr_data_size"]
    stored = (after["orig_data_size"] >> 12) + objects
    assert after["mem_used_total"] >> 12 <= -(-stored // objects) * group
    invariants.validate(run.state)
    assert run.do(f"A touch h 0P {pages}P r seq") == "ok"
    assert run.do("A exit") == "ok"
    assert run.do("swapoff zram") == "ok"
    assert zram.mm_stat(run.state, 0)["mem_used_total"] == 0
    invariants.validate(run.state)


def test_the_highest_use_is_remembered() -> None:
    """mem_used_max stays where it was when the process is gone."""
    run, stat = stored("text")
    assert run.do("A exit") == "ok"
    assert run.do("swapoff zram") == "ok"
    assert zram.mm_stat(run.state, 0)["mem_used_max"] == stat["mem_used_max"] > 0
    assert zram.mm_stat(run.state, 0)["orig_data_size"] == 0
