"""The page cache: what counts as a use, what can be dropped, who shares what."""

from __future__ import annotations

from pathlib import Path

import pytest
from streams import PAGE, Stream

from memtwin.linux.check import invariants
from memtwin.linux.core import mm_types as t
from memtwin.linux.fs import dcache
from memtwin.linux.fs.proc import task_mmu
from memtwin.linux.mm import filemap, mm_init, shrinker, slub
from memtwin.run import run
from memtwin.scenario import parse

BATCHED = 2 * 14
"""Pages that two batches of 15 may hold back: on their way to a list, on their way to the active one."""


def moved(stream: Stream, before: dict[str, int], *names: str) -> tuple[int, ...]:
    """Changes of counters since *before*."""
    after = stream.events()
    return tuple(after[name] - before[name] for name in names)


def read_all(stream: Stream, chunk: int = 16) -> dict[str, int]:
    """Read the file in chunks of pages; the counters before."""
    before = stream.events()
    for page in range(0, stream.pages, chunk):
        stream.io(page * PAGE, chunk * PAGE)
    return before


def test_the_first_read_fills_the_inactive_list_and_the_second_activates() -> None:
    """(inactive, -) → (inactive, referenced) → (active, -) → (active, referenced): pgactivate 0, all, 0."""
    stream = Stream(4096)
    inactive, active, activated = "nr_inactive_file", "nr_active_file", "pgactivate"
    first = moved(stream, read_all(stream), inactive, active, activated)
    assert 4096 - BATCHED <= first[0] <= 4096
    assert first[2] == 0
    second = moved(stream, read_all(stream), inactive, active, activated)
    assert second[0] == -second[2]
    assert 4096 - BATCHED <= second[1] == second[2] <= 4096
    assert moved(stream, read_all(stream), active, activated)[1] <= 1


def test_reading_on_within_a_page_is_one_use() -> None:
    """Four reads of 1 KiB a page, sequentially: no page is used twice, none is activated."""
    stream = Stream(1024)
    before = stream.events()
    for call in range(1024):
        stream.io(call * 1024, 1024)
    assert moved(stream, before, "pgactivate") == (0,)


def test_the_same_kilobyte_read_again_is_a_second_use() -> None:
    """Each page read twice, with another page in between: activated."""
    stream = Stream(1024)
    before = stream.events()
    for page in range(0, 256, 2):
        for again in (page, page + 1, page, page + 1):
            stream.io(again * PAGE, 1024)
    assert 256 - BATCHED <= moved(stream, before, "nr_active_file")[0] <= 257


def test_writing_is_no_use() -> None:
    """Ten writes of each page leave it on the inactive list."""
    stream = Stream(1024)
    before = stream.events()
    for _ in range(10):
        for page in range(256):
            stream.io(page * PAGE, PAGE, write=True)
    assert moved(stream, before, "pgactivate", "nr_dirtied") == (0, 256)


def test_drop_caches_drops_what_is_clean_and_free() -> None:
    """1,024 clean pages go but for those in batches; dirty ones stay, and go after they are written."""
    stream = Stream(1024)
    read_all(stream)
    before = stream.events()
    stream.drop()
    assert filemap.cached_pages(stream.state, stream.file) <= BATCHED
    assert moved(stream, before, "drop_pagecache", "pgsteal_file") == (1, 0)
    for page in range(100):
        stream.io(page * PAGE, PAGE, write=True)
    stream.drop()
    assert stream.events()["nr_dirty"] == 100
    assert filemap.cached_pages(stream.state, stream.file) >= 100
    invariants.validate(stream.state)


def test_what_was_dropped_by_hand_leaves_no_shadow() -> None:
    """Read, dropped, read: no refault; those count only what reclaim took."""
    stream = Stream(1024)
    read_all(stream)
    stream.drop()
    before = read_all(stream)
    assert moved(stream, before, "workingset_refault_file") == (0,)
    assert moved(stream, before, "pgpgin")[0] >= (1024 - BATCHED) * 4


def test_a_mapped_page_is_not_dropped() -> None:
    """drop_caches leaves the 1,024 pages that a process maps; after munmap they go."""
    head = "machine ram=192M\nfile f 4M\nproc A\nA fmap m f shared\nA touch m 0 4M r seq\n"
    done = run.simulate(parse(head + "drop_caches 1\n"), None)
    number = done.disk.numbers["f"]
    assert filemap.cached_pages(done.machine.state, number) == 1024
    done = run.simulate(parse(head + "A munmap m\ndrop_caches 1\n"), None)
    assert filemap.cached_pages(done.machine.state, number) <= BATCHED


@pytest.mark.parametrize(
    ("pressure", "scanned", "left"), [(100, 5120, 0), (200, 11264, 0), (50, 3000, 0), (0, 0, 3000)]
)
def test_shrinkers_scan_in_batches_of_1024_names(pressure: int, scanned: int, left: int) -> None:
    """drop_caches 2 with 3,000 unused names: priority 0 asks for twice what is freeable, in batches of 1,024.

    100: 6,000 → 5 batches; 200: 12,000 → 11; 50: 1,500 freeable, 2 batches, and what is left in a second round.
    """
    stream = Stream(8)
    shrinker.drop_slab(stream.state)
    mm_init.write_sysctl(stream.state, "vfs_cache_pressure", pressure)
    handles = [dcache.look_up(stream.state, (0, 0), t.CACHE_INODE) for _ in range(3000)]
    before = stream.events()
    shrinker.drop_slab(stream.state)
    assert moved(stream, before, "slabs_scanned", "drop_slab") == (scanned, 1)
    alive = [handle for handle in handles if dcache.look_up(stream.state, handle, t.CACHE_INODE) == handle]
    assert len(alive) == left


@pytest.mark.parametrize("again", [True, False])
def test_a_name_that_was_used_again_gets_a_second_chance(again: bool) -> None:
    """One batch of 1,024 meets the oldest names: those that were looked up twice are passed over, others freed."""
    stream = Stream(8)
    shrinker.drop_slab(stream.state)
    handles = [dcache.look_up(stream.state, (0, 0), t.CACHE_INODE) for _ in range(2048)]
    for handle in handles[:1024] if again else ():
        dcache.look_up(stream.state, handle, t.CACHE_INODE)
    mm_init.write_sysctl(stream.state, "vfs_cache_pressure", 25)  # 512 freeable, 1,024 asked for: one batch
    shrinker.drop_slab(stream.state)
    kept = [handle for handle in handles if dcache.look_up(stream.state, handle, t.CACHE_INODE) == handle]
    assert (len(kept) == 2048) == again


TWO = "machine ram=192M\nfile f 4M\nproc A\nproc B\nA fmap m f shared\nB fmap m f shared\nA touch m 0 4M r seq\n"


def test_pages_that_two_map_are_halved_in_pss() -> None:
    """1,024 pages: alone all PSS is A's; when B maps them too each has RSS 4,096 kB more and half of it as PSS."""
    alone, both = (run.simulate(parse(text), None) for text in (TWO, TWO + "B touch m 0 4M r seq\n"))
    rollups = [
        [task_mmu.smaps_rollup(done.machine.state, done.processes.by_name[name].task) for name in "AB"]
        for done in (alone, both)
    ]
    (a1, b1), (a2, b2) = rollups
    assert a1["Private_Clean"] == 4096
    assert (a2["Private_Clean"], b2["Private_Clean"]) == (0, 0)
    assert a1["Pss_File"] - a2["Pss_File"] == 2048
    assert b2["Pss_File"] - b1["Pss_File"] == 2048
    assert (a2["Rss"] - a1["Rss"], b2["Rss"] - b1["Rss"]) == (0, 4096)
    assert a2["Shared_Clean"] - a1["Shared_Clean"] == 4096


def test_what_one_writes_through_a_shared_mapping_the_other_has() -> None:
    """A writes, B reads: B's page is the one that A wrote, and both see it dirty."""
    text = TWO + "B touch m 0 4M r seq\nA touch m 0 1M w seq\n"
    done = run.simulate(parse(text), None)
    dirty = [
        task_mmu.smaps_rollup(done.machine.state, done.processes.by_name[name].task)["Shared_Dirty"] for name in "AB"
    ]
    base = run.simulate(parse(TWO), None)
    clean = task_mmu.smaps_rollup(base.machine.state, base.processes.by_name["A"].task)["Shared_Dirty"]
    assert [kib - clean for kib in dirty] == [1024, 1024]
    assert done.samples[-1].figures["Dirty"] == 1024
    invariants.validate(done.machine.state)


def test_a_private_write_leaves_the_file_alone() -> None:
    """A copies 256 pages by writing; nothing becomes dirty, and the file's pages stay cached."""
    text = TWO.replace("A fmap m f shared", "A fmap m f private") + "A touch m 0 1M w seq\n"
    done = run.simulate(parse(text), None)
    before, after = done.samples[-2].figures, done.samples[-1].figures
    assert after["AnonPages"] - before["AnonPages"] == 1024
    assert after["Dirty"] == 0
    assert filemap.cached_pages(done.machine.state, done.disk.numbers["f"]) == 1024


def test_a_tree_node_is_paid_for_each_64_pages() -> None:
    """4,096 cached pages: 64 leaves and a root in radix_tree_node."""
    stream = Stream(4096)
    cache = stream.done.machine.caches["radix_tree_node"]
    before = slub.cache_info(stream.state, cache).active_objs
    read_all(stream)
    assert slub.cache_info(stream.state, cache).active_objs - before == pytest.approx(65, abs=28)


# --- long files ------------------------------------------------------------------------------------------------------


def host_kib() -> int:
    """Memory of this process."""
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line)


def test_a_sparse_file_and_a_large_area_cost_what_is_used_of_them() -> None:
    """Files and areas of 64 GiB: what is used of them is 50 MiB, where 20 bytes for each page are 1,600."""
    before = host_kib()
    text = (
        "machine ram=128M\nswap disk size=64G rot=0\nswap disk name=rot size=64G rot=1\nfile f 64G\n"
        "proc A\nA mmap h 150M\nA touch h 0 150M w seq content=text\nA fread f 0 1M 64K\nA fread f 60G 1M 64K\n"
        "A fread f 0 64G 4K rand:500:1\nA fwrite g 64G 64K 4K\nA fwrite g 0 64G 4K rand:100:1\nsync\n"
        "drop_caches 3\nA fread g 64G 64K 4K\nA fread g 0 64G 4K rand:100:1\nA touch h 0 150M r seq\n"
    )
    done = run.simulate(parse(text), None)
    assert {d.outcome for d in done.done} == {"ok"}
    invariants.validate(done.machine.state)
    again = done.machine.copy()
    invariants.validate(again.state)
    assert host_kib() - before < 300 << 10  # the address sanitizer takes twice as much


def test_a_file_ends_where_ext4_ends_it() -> None:
    """16 TiB less a page is the longest: the write behind that is EFBIG, the one before it is not."""
    text = "machine ram=128M\nproc A\nA fwrite f 17592186036224 4K 4K\nA fwrite f 17592186040320 4K 4K\n"
    done = run.simulate(parse(text), None)
    assert [(d.outcome, d.errno) for d in done.done[1:]] == [("ok", 0), ("error", t.EFBIG)]
    invariants.validate(done.machine.state)
