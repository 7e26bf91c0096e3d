"""The map of memory from /proc/kpageflags: classes of flags, blocks, and the counters of this host."""

from __future__ import annotations

import os
from array import array
from typing import TYPE_CHECKING

import pytest

from memtwin.procfs import buddyinfo, meminfo, zoneinfo
from memtwin.sources import kpageflags
from memtwin.sources.kpageflags import CLASSES, FrameMapReader, class_of, read
from memtwin.sources.opening import open_source
from memtwin.sources.source import load

if TYPE_CHECKING:
    from pathlib import Path

    from memtwin.sources.source import Source

LRU, ACTIVE, SLAB, BUDDY, MMAP, ANON, SWAPCACHE, SWAPBACKED = (1 << bit for bit in (5, 6, 7, 10, 11, 12, 13, 14))
HEAD, TAIL, HUGE, NOPAGE, THP, OFFLINE, ZERO, PGTABLE = (1 << bit for bit in (15, 16, 17, 20, 22, 23, 24, 26))
FILE_PAGE, SHMEM_PAGE, ANON_PAGE = LRU | MMAP, LRU | SWAPBACKED, LRU | ANON | MMAP | SWAPBACKED


def machine(flags: list[int], start: int = 0, *, spanned: int | None = None) -> zoneinfo.Zoneinfo:
    one = zoneinfo.ZoneInfo(
        0,
        "DMA",
        free=0,
        min=0,
        low=0,
        high=0,
        spanned=len(flags) if spanned is None else spanned,
        present=0,
        managed=0,
        protection=(0,),
        start_pfn=start,
    )
    return zoneinfo.Zoneinfo((one,))


def written(where: Path, flags: list[int], start: int = 0) -> str:
    path = where / "kpageflags"
    path.write_bytes(array("Q", [NOPAGE] * start + flags).tobytes())
    return str(path)


def a_host(where: Path, zones: zoneinfo.Zoneinfo) -> Source:
    (where / "proc").mkdir(exist_ok=True)
    (where / "proc/zoneinfo").write_text(zoneinfo.render(zones))
    return open_source(where)


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (NOPAGE, "hole"), (OFFLINE, "hole"), (BUDDY, "free"), (ANON_PAGE, "anon"), (ANON | TAIL | THP, "anon"),
        (LRU | ANON | SWAPCACHE | SWAPBACKED, "swap cache"), (ANON_PAGE | SWAPCACHE, "anon"), (FILE_PAGE, "file"),
        (TAIL | THP, "file"), (SHMEM_PAGE, "shmem"), (SLAB | HEAD, "slab"), (SLAB | TAIL, "slab"), (PGTABLE, "tables"),
        (HUGE | HEAD, "hugetlb"), (ZERO | THP, "other"), (0, "other"),
    ],
)  # fmt: skip
def test_what_flags_mean(flags: int, name: str) -> None:
    assert CLASSES[class_of(flags)] == name


def test_blocks_of_a_zone_that_begins_within_one(tmp_path: Path) -> None:
    """Frames 6 to 31 by blocks of 8: two that lie before the zone are none of its frames."""
    flags = [
        0,
        SLAB,
        *[BUDDY] * 8,
        *[ANON_PAGE] * 3,
        *[ANON_PAGE | ACTIVE] * 1,
        FILE_PAGE,
        *[BUDDY] * 3,
        *[FILE_PAGE | ACTIVE] * 8,
    ]
    shown = read(machine(flags, 6), 3, has_ages=True, path=written(tmp_path, flags, 6))
    (zone,) = shown.zones
    assert [CLASSES[use] for use in zone.use] == ["slab", "free", "anon", "file"]
    assert list(zone.share) == [31, 255, 127, 255]
    assert list(zone.largest) == [0, 4, 2, 0]
    assert list(zone.age) == [0, 0, 1, 4]
    assert zone.free == (1, 1, 0, 1, *[0] * 7)
    assert (shown.frames("anon"), shown.frames("free"), shown.frames("hole")) == (4, 11, 0)


def test_what_the_kernel_has_no_frames_for_is_a_hole(tmp_path: Path) -> None:
    flags = [BUDDY] * 4
    shown = read(machine([0] * 300_000), 9, has_ages=False, path=written(tmp_path, flags))
    assert shown.frames("hole") == 300_000 - 4
    assert set(shown.zones[0].age) == {0}


def test_a_free_block_larger_than_a_pixel(tmp_path: Path) -> None:
    flags = [BUDDY] * 1024 + [0] * 1024
    (zone,) = read(machine(flags), 2, has_ages=True, path=written(tmp_path, flags)).zones
    assert set(zone.largest[:256]) == {11}
    assert zone.free[10] == 1


def test_it_is_read_again_only_after_a_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, [BUDDY] * 16)
    reader, host = FrameMapReader(path), a_host(tmp_path, machine([0] * 16))
    clock = [0.0]
    monkeypatch.setattr(kpageflags.time, "monotonic", lambda: clock.append(clock[-1] + 1.0) or clock[-1])
    first = reader.read(host, 2)
    assert reader.read(host, 2) is first
    assert reader.read(host, 3) is not first  # another size of the screen
    clock.append(1e6)
    assert reader.read(host, 3) is not first


def test_where_it_may_not_be_read_there_is_no_map(tmp_path: Path) -> None:
    host = a_host(tmp_path, machine([0]))
    assert FrameMapReader(str(tmp_path / "nothing")).read(host, 0) is None
    path = written(tmp_path, [0])
    assert FrameMapReader(path).read(host, 0) is not None
    large = a_host(tmp_path, machine([0], spanned=kpageflags.MOST_FRAMES + 1))
    assert FrameMapReader(path).read(large, 0) is None
    assert FrameMapReader(path).read(open_source(tmp_path / "proc"), 0) is None  # without zoneinfo
    assert open_source(tmp_path).frame_map(9) is None


@pytest.mark.parametrize(("enabled", "known"), [(None, True), ("0x0000\n", True), ("0x0007\n", False)])
def test_ages_are_known_without_generations(tmp_path: Path, enabled: str | None, known: bool) -> None:
    host = a_host(tmp_path, machine([FILE_PAGE]))
    if enabled is not None:
        (tmp_path / "sys/kernel/mm/lru_gen").mkdir(parents=True)
        (tmp_path / "sys/kernel/mm/lru_gen/enabled").write_text(enabled)
    shown = FrameMapReader(written(tmp_path, [FILE_PAGE])).read(host, 0)
    assert shown is not None
    assert shown.has_ages is known


@pytest.mark.skipif(os.geteuid() != 0 or not os.access(kpageflags.PATH, os.R_OK), reason="/proc/kpageflags is root's")
def test_this_host_as_its_counters_say() -> None:
    """The host goes on while it is read: the figures are those of two moments."""
    host = open_source("live")
    shown = host.frame_map(9)
    memory, free = load(host, meminfo), load(host, buddyinfo)
    assert shown is not None
    assert memory is not None
    assert free is not None
    total = memory["MemTotal"] >> 2
    zones = load(host, zoneinfo)
    assert zones is not None
    managed = sum(zone.managed for zone in zones.zones)
    blocks = sum(count << order for zone in free.zones for order, count in enumerate(zone.counts))
    assert abs(shown.frames("free") - blocks) < total // 20
    same = {"slab": "Slab", "tables": "PageTables", "shmem": "Shmem", "anon": "AnonPages"}
    if managed > total - total // 20:  # a host was seen whose MemTotal and MemFree had 12 GB that are in no zone
        same["free"] = "MemFree"
    for name, label in same.items():
        assert abs(shown.frames(name) - (memory[label] >> 2)) < total // 20, name
    for zone in shown.zones:
        known = next(one for one in free.zones if one.zone == zone.name)
        assert abs(zone.free[-1] - known.counts[-1]) <= max(known.counts[-1] // 4, 64)
