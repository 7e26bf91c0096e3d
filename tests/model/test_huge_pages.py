"""Huge pages: who gets one, what splits it, where it goes when memory is short, and who makes one later."""

from __future__ import annotations

import errno
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from memtwin.errors import InputError, UsageError
from memtwin.linux.check import invariants
from memtwin.linux.fs.proc import task_mmu
from memtwin.machine import huge_pages
from memtwin.machine.build import build
from memtwin.procfs import meminfo
from memtwin.procfs.pid import smaps_rollup
from memtwin.run import run
from memtwin.run.settings import settings_of
from memtwin.scenario import parse
from memtwin.sources.processes import processes
from memtwin.sources.recording import Recording
from memtwin.sources.source import Source, load
from memtwin.twin.twin import Twin

if TYPE_CHECKING:
    from pathlib import Path

HUGE = 512
"""Base pages of a huge page."""


def done(ops: str, header: str = "ram=768M thp=always", more: str = "", **given: Any) -> run.Run:
    """A machine on which *ops* were carried out, each invariant kept."""
    found = run.simulate(parse(f"machine {header}\n{more}proc A\n{ops}\n"), None, **given)
    invariants.validate(found.machine.state)
    return found


def events(found: run.Run) -> dict[str, int]:
    """The machine's event counters."""
    return found.machine.state.events_by_name()


def huge(found: run.Run) -> int:
    """Huge pages that huge entries map."""
    return found.machine.state.node_stats()["nr_anon_transparent_hugepages"] // HUGE


def rollup(found: run.Run, name: str = "A") -> dict[str, int]:
    """smaps_rollup of a process."""
    return task_mmu.smaps_rollup(found.machine.state, found.processes.by_name[name].task)


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_first_touch_gets_two_mebibytes_and_one_fault() -> None:
    """16 MiB are 8 huge pages: 8 faults, 8 tables beside them, 16 MiB resident."""
    before, after = done("A mmap r 16M"), done("A mmap r 16M\nA touch r 0 16M w seq content=text")
    assert huge(after) == 8
    assert events(after)["thp_fault_alloc"] == 8
    assert events(after)["pgfault"] - events(before)["pgfault"] == 8
    assert rollup(after)["AnonHugePages"] == 16 << 10
    tables = [found.machine.state.node_stats()["nr_page_table_pages"] for found in (before, after)]
    assert tables[1] - tables[0] == 8 + 1  # and one above them


def test_where_huge_pages_do_not_fit_there_are_ordinary_ones() -> None:
    """3 MiB from an aligned address: one huge page and 256 others, which count as no fallback."""
    found = done("A mmap r 3M\nA touch r 0 3M w seq")
    assert huge(found) == 1
    assert events(found)["thp_fault_fallback"] == 0
    assert rollup(found)["Anonymous"] >= 3 << 10


@pytest.mark.parametrize(
    ("thp", "asked", "pages"),
    [
        ("always", "", 4),
        ("madvise", "", 0),
        ("never", "hugepage", 0),
        ("madvise", "hugepage", 4),
        ("always", "nohugepage", 0),
    ],
)
def test_who_gets_them_is_a_matter_of_enabled_and_of_what_the_program_asked(thp: str, asked: str, pages: int) -> None:
    ask = f"A madvise r 0 8M {asked}\n" if asked else ""
    assert huge(done(f"A mmap r 8M\n{ask}A touch r 0 8M w seq", f"ram=768M thp={thp}")) == pages


def test_a_read_maps_the_huge_zero_page_which_costs_two_mebibytes_once() -> None:
    """No RSS; a write to it maps one ordinary page, on either kernel."""
    reads = "A mmap r 8M\nA touch r 0 8M r seq\n"
    old = done(reads)
    assert (events(old)["thp_zero_page_alloc"], huge(old), rollup(old)["AnonHugePages"]) == (1, 0, 0)
    for kernel in ("6.1", "6.12"):
        written = done(f"{reads}A touch r 0 4K w seq", f"ram=768M thp=always kernel={kernel}")
        assert (huge(written), events(written)["thp_split_pmd"]) == (0, 1)


def test_the_huge_zero_page_is_freed_when_no_address_space_has_it() -> None:
    found = done("A mmap r 8M\nA touch r 0 8M r seq\nA exit\ndrop_caches 2\nproc B\nB mmap r 8M\nB touch r 0 8M r seq")
    assert events(found)["thp_zero_page_alloc"] == 2


def test_below_512_mebibytes_all_of_it_is_off_until_it_is_switched_on_by_hand() -> None:
    """Then faults take what is free, and a read gets the ordinary zero page."""
    small = done("A mmap r 8M\nA touch r 0 8M r seq", "ram=256M thp=always")
    assert events(small)["thp_zero_page_alloc"] == 0
    texts = huge_pages.texts(small.machine.state)
    assert texts["sys/kernel/mm/transparent_hugepage/defrag"] == "always defer defer+madvise madvise [never]\n"
    assert texts["sys/kernel/mm/transparent_hugepage/khugepaged/defrag"] == "0\n"


# --- fork, unmapping, splitting --------------------------------------------------------------------------------------


def test_a_write_after_a_fork_copies_one_page_and_splits_the_entry_of_the_writer() -> None:
    found = done("A mmap r 4M\nA touch r 0 4M w seq content=random\nA fork B\nB touch r 0 4K w seq content=text")
    assert events(found)["thp_split_pmd"] == 1
    assert (rollup(found)["AnonHugePages"], rollup(found, "B")["AnonHugePages"]) == (4 << 10, 2 << 10)


def test_a_part_that_is_unmapped_is_not_free_until_the_page_is_split() -> None:
    """1 MiB of 2: it waits for its split, which shrinking slab does (drop_caches 2)."""
    fill = "A mmap r 4M\nA touch r 0 4M w seq content=random\n"
    whole, part = done(fill), done(f"{fill}A madvise r 0 1M dontneed")
    assert events(part)["thp_deferred_split_page"] == 1
    node = [found.machine.state.node_stats()["nr_anon_pages"] for found in (whole, part)]
    assert node[0] - node[1] == 256
    split = done(f"{fill}A madvise r 0 1M dontneed\ndrop_caches 2")
    assert events(split)["thp_split_page"] == 1
    assert events(split)["thp_split_page_failed"] == 0


def test_a_whole_huge_page_that_is_unmapped_is_free_at_once_and_so_is_its_table() -> None:
    fill = "A mmap r 4M\nA touch r 0 4M w seq\n"
    found, before = done(f"{fill}A madvise r 0 2M dontneed"), done(fill)
    assert (huge(before), huge(found)) == (2, 1)
    assert events(found)["thp_split_pmd"] == 0
    tables = [one.machine.state.node_stats()["nr_page_table_pages"] for one in (before, found)]
    assert tables[0] - tables[1] == 1


def test_a_huge_entry_changes_its_rights_as_a_whole() -> None:
    """mprotect of whole huge pages splits none: no access, then all again, and they are written to where they are."""
    found = done(
        "A mmap r 8M\nA touch r 0 8M w seq\nA mprotect r 0 8M none\nA mprotect r 0 8M rw\nA touch r 0 8M w seq"
    )
    assert huge(found) == 4
    assert events(found)["thp_split_pmd"] == 0
    assert rollup(found)["AnonHugePages"] == 8 << 10
    assert all(one.outcome == "ok" for one in found.done)


def test_rights_of_a_part_split_the_entry_and_hold_for_that_part() -> None:
    """1 MiB of a huge page read-only: its entry is split, the rest is written to, a write to the part is SIGSEGV."""
    begin = "A mmap r 4M\nA touch r 0 4M w seq\nA mprotect r 0 1M r\n"
    found = done(begin + "A touch r 1M 3M w seq\nA touch r 0 1M r seq")
    assert events(found)["thp_split_pmd"] == 1
    assert huge(found) == 1
    assert done(begin + "A touch r 0 4K w seq").done[-1].outcome != "ok"


def test_a_locked_huge_page_is_unevictable_as_a_whole() -> None:
    fill = "A mmap r 4M\nA touch r 0 4M w seq\n"
    locked = [found.machine.state.zone_stats(1)["nr_mlock"] for found in (done(fill), done(f"{fill}A mlock r 0 4M"))]
    assert locked[1] - locked[0] == 2 * HUGE


# --- reclaim and swap ------------------------------------------------------------------------------------------------

FILL = "A mmap r 100M\nA touch r 0 100M w seq content=random\nA madvise r 0 100M pageout\n"


@pytest.mark.parametrize("swap", ["swap disk size=512M rot=0\n", "swap zram size=512M algo=lz4\n"])
def test_a_huge_page_goes_to_an_ssd_or_zram_as_a_whole(swap: str) -> None:
    """A cluster of 512 slots each; it comes back page by page, with what was written to it."""
    found = done(f"{FILL}A touch r 0 100M r seq", more=swap)
    assert events(found)["thp_swpout"] == 50
    assert events(found)["thp_swpout_fallback"] == 0
    assert huge(found) == 0


def test_a_rotational_disk_has_no_clusters_so_it_is_split() -> None:
    found = done(f"{FILL}A touch r 0 100M r seq", more="swap disk size=512M rot=1\n")
    assert events(found)["thp_swpout"] == 0
    assert events(found)["thp_swpout_fallback"] == events(found)["thp_split_page"] == 50


def test_zswap_leaves_huge_pages_to_the_area_behind_it() -> None:
    found = done(FILL, "ram=768M thp=always kernel=6.1-generic", more="swap disk size=512M rot=0\nswap zswap\n")
    assert events(found)["zswpout"] == 0


# --- khugepaged ------------------------------------------------------------------------------------------------------


def test_khugepaged_collapses_what_was_touched_page_by_page() -> None:
    """Ordinary pages of an area that never was huge: after the first round it is, and its holes are filled."""
    sparse = "A mmap r 4M\nA mmap s 4M\nA madvise r 0 4M nohugepage\nA touch r 0 1M w seq content=text\n"
    found = done(f"{sparse}A madvise r 0 4M hugepage\nA touch s 0 4K w seq\nsleep 25")
    assert events(found)["thp_collapse_alloc"] == 1
    assert rollup(found)["AnonHugePages"] == (2 + 2) << 10
    few = done(
        f"sysctl thp.khugepaged.max_ptes_none=255\n{sparse}A madvise r 0 4M hugepage\nA touch s 0 4K w seq\nsleep 25"
    )
    assert events(few)["thp_collapse_alloc"] == 0
    assert events(few)["thp_scan_exceed_none_pte"] >= 1


# --- settings --------------------------------------------------------------------------------------------------------


def test_enabling_raises_min_free_kbytes_and_disabling_computes_it_again() -> None:
    """Two zones: 11 pageblocks each, unless that is more than a twentieth of low memory."""
    values = [done("", f"ram=768M thp={thp}").machine.state for thp in ("never", "always")]
    switched = done("sysctl thp.enabled=never")
    marks = [found.totalreserve for found in (*values, switched.machine.state)]
    assert marks[2] <= marks[0] < marks[1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("thp.enabled", "yes"),
        ("thp.defrag", "madvised"),
        ("thp.use_zero_page", "2"),
        ("thp.khugepaged.max_ptes_none", "512"),
        ("thp.khugepaged.pages_to_scan", "0"),
        ("thp.khugepaged.defrag", ""),
    ],
)
def test_a_value_that_the_kernel_refuses_is_refused(name: str, text: str) -> None:
    state = done("").machine.state
    with pytest.raises(InputError, match="expected"):
        huge_pages.write(state, name, text)


def test_a_wrong_word_of_set_is_an_error_of_usage() -> None:
    with pytest.raises(UsageError, match="always, madvise or never"):
        settings_of(["machine.thp=on"])
    assert huge(done("A mmap r 4M\nA touch r 0 4M w seq", settings=["machine.thp=never"])) == 0


@pytest.mark.parametrize(
    ("thp", "ops", "eligible", "flags"),
    [
        ("always", "A mmap r 4M", True, "rd wr ac"),
        ("madvise", "A mmap r 4M", False, "rd wr ac"),
        ("madvise", "A mmap r 4M\nA madvise r 0 4M hugepage", True, "rd wr ac hg"),
        ("always", "A mmap r 4M\nA madvise r 0 4M nohugepage", False, "rd wr ac nh"),
        ("always", "A mmap r 1M", False, "rd wr ac"),
        ("never", "A mmap r 4M", False, "rd wr ac"),
    ],
)
def test_smaps_says_who_could_have_huge_pages(thp: str, ops: str, eligible: bool, flags: str) -> None:
    """THPeligible and VmFlags of the last area that the program mapped."""
    found = done(ops, f"ram=768M thp={thp}")
    blocks = Twin(found.machine, found.processes.by_name).smaps(found.processes.by_name["A"]).blocks
    block = next(one for one in blocks if one.mapping.start == 0x100000000000)
    assert f"THPeligible:           {eligible:d}" in block.lines
    assert block.vm_flags == tuple(flags.split())


def test_a_fault_that_waits_keeps_its_range_from_khugepaged() -> None:
    """khugepaged looks every millisecond while faults look for memory: every entry maps what its range says."""
    found = run.simulate(parse(
        "machine ram=192M kernel=6.12 thp=always\nfile f 60M\nproc A\nsysctl thp.khugepaged.scan_sleep_millisecs=1\n"
        "A mmap a 200M\nA touch a 0 200M w rand:12000:7\nA fread f 0 60M 64K seq\nA touch a 0 200M w rand:12000:9\n"
    ), None)  # fmt: skip
    invariants.validate(found.machine.state)


# --- a booted machine has them ---------------------------------------------------------------------------------------

FAMILY = """machine ram=768M thp=always{header}
swap disk size=256M rot=0
proc A
A mmap heap 80M
A touch heap 0 60M w seq content=text
A fork B
proc C
C mmap whole 20M
C touch whole 0 20M w seq
C madvise whole 3M 1M dontneed
sleep 1
checkpoint c
"""


def _huge_of_each(source: Source) -> list[int | None]:
    found = (process.load(smaps_rollup) for process in processes(source))
    return [rollup.rows.get("AnonHugePages") for rollup in found if rollup]


@pytest.mark.parametrize("header", ["", " kernel=6.12"])
def test_a_booted_machine_has_the_huge_pages_of_its_snapshot(header: str, tmp_path: Path) -> None:
    """Of each process, also those that a fork shares; all invariants hold, and no note is needed."""
    run.run_scenario(parse(FAMILY.format(header=header)), None, tmp_path / "r")
    stored = Recording(tmp_path / "r").at("c")
    machine = build(stored)
    invariants.validate(machine.state)
    twin = Twin(machine)
    assert not [note for note in machine.notes if "huge" in note]
    for row in ("AnonHugePages", "AnonPages", "MemFree", "PageTables"):
        was, now = (load(source, meminfo) for source in (stored, twin))
        assert was
        assert now
        assert now[row] == was[row], row
    assert _huge_of_each(twin) == _huge_of_each(stored) == [60 << 10, 60 << 10, 18 << 10]


def test_huge_pages_of_unknown_owners_are_base_pages_and_their_size_is_noted(tmp_path: Path) -> None:
    """A meminfo with AnonHugePages, and no process that has them."""
    run.run_scenario(parse(FAMILY.format(header="")), None, tmp_path / "r")
    shutil.rmtree(tmp_path / "r" / "c" / "workers")
    machine = build(Recording(tmp_path / "r").at("c"))
    invariants.validate(machine.state)
    notes = [note for note in machine.notes if "huge pages" in note]
    assert [note.partition(" of ")[0] for note in notes] == ["79,872 kB"]


# --- a kernel without huge pages -------------------------------------------------------------------------------------


@pytest.fixture
def without(tmp_path: Path) -> Source:
    """The snapshot of a kernel that was built without huge pages: their rows of /proc/vmstat are not there."""
    run.run_scenario(parse("machine ram=768M\nproc A\n"), None, tmp_path / "r")
    rows = tmp_path / "r" / "boot" / "proc" / "vmstat"
    kept = [row for row in rows.read_text().splitlines(keepends=True) if not row.startswith("thp_")]
    rows.write_text("".join(kept))
    return Recording(tmp_path / "r").at("boot")


@pytest.mark.parametrize("advice", ["hugepage", "nohugepage"])
def test_a_kernel_without_huge_pages_refuses_the_advice(advice: str, without: Source) -> None:
    """EINVAL, as madvise() answers there; other advice is taken, and a first touch gets base pages."""
    ops = f"proc A\nA mmap r 4M\nA madvise r 0 4M {advice}\nA touch r 0 4M w seq\nA madvise r 0 1M cold\n"
    found = run.simulate(parse(f"machine ram=768M\n{ops}"), without)
    assert [line.outcome for line in found.done] == ["ok", "ok", "error", "ok", "ok"]
    assert found.done[2].errno == errno.EINVAL
    assert (huge(found), events(found)["thp_fault_fallback"]) == (0, 0)


def test_a_word_that_such_a_kernel_cannot_honour_is_refused_or_noted(without: Source) -> None:
    """A setting is an error; what a header says beside a snapshot, which wins, is a note."""
    asked = parse("machine ram=768M thp=always\nproc A\n")
    with pytest.raises(UsageError, match="this kernel has no huge pages"):
        run.simulate(asked, without, settings=["machine.thp=always"])
    notes = run.simulate(asked, without).machine.notes
    assert [note for note in notes if "thp=always" in note and "huge pages never" in note]
