"""zswap: what it takes and refuses, what it costs, and what goes on to the disk.

Worked numbers are those of the kernel's rules in integers; see the heads of `linux/mm/zswap.py` and `linux/mm/zbud.py`.
"""

from __future__ import annotations

import pytest
from growing import Growing

from memtwin.linux.check import invariants, testing
from memtwin.linux.drivers.block import zram
from memtwin.linux.mm import zswap
from memtwin.machine import compressed_lengths
from memtwin.procfs import meminfo, vmstat
from memtwin.run import run
from memtwin.scenario import parse
from memtwin.sources.source import load
from memtwin.twin.twin import Twin

MIB = 256
HEADER = "machine ram=256M\nswap zswap {words}\nswap disk size=256M\nproc A\n"
LZO = compressed_lengths.ALGORITHMS.index("lzo")


def ran(ops: str, words: str = "max_pool_percent=50") -> run.Run:
    """A run of *ops* by a process A on a machine with zswap in front of a disk."""
    done = run.simulate(parse(HEADER.format(words=words) + ops), None)
    invariants.validate(done.machine.state)
    return done


def out(content: str, size: str = "8M", region: str = "r") -> str:
    """Lines that map a region, fill it and have it swapped out."""
    fill = f"A mmap {region} {size}\nA touch {region} 0 {size} w seq content={content}\n"
    return f"{fill}A madvise {region} 0 {size} pageout\n"


def moved(done: run.Run) -> dict[str, int]:
    """zswap's figures, and what went over the disk."""
    events = done.machine.state.events_by_name()
    return {
        **zswap.stats(done.machine.state),
        **{name: events[name] for name in ("pswpin", "pswpout", "zswpin", "zswpout")},
    }


@pytest.mark.parametrize(("size", "chunks"), [(1, 1), (52, 1), (64, 1), (65, 2), (1837, 29), (2221, 35), (3968, 62)])
def test_an_object_takes_whole_chunks(size: int, chunks: int) -> None:
    """zbud cuts a page into 64 chunks of 64 bytes."""
    assert testing.chunks_of(size) == chunks


@pytest.mark.parametrize(
    ("content", "stored", "pool", "same"),
    [
        ("text", 2048, 1024, 0),
        ("half", 2048, 2048, 0),
        ("mark", 2048, 1024, 0),
        ("zero", 2048, 0, 2048),
        ("random", 0, 0, 0),
    ],
)
def test_what_a_content_costs(content: str, stored: int, pool: int, same: int) -> None:
    """Text and marks lie two to a page, half-random pages alone, zeroes nowhere; random pages go to the disk."""
    figures = moved(ran(out(content)))
    assert figures["reject_compress_poor"] == 0, "what is longer than a page is refused in no counter"
    assert (figures["stored_pages"], figures["pool_total_size"] >> 12, figures["same_filled_pages"]) == (
        stored,
        pool,
        same,
    )
    assert (figures["zswpout"], figures["pswpout"]) == (stored, 2048 - stored)


def test_small_objects_fill_the_gaps() -> None:
    """28 chunks are free beside a half-random page: a marked page of 1 chunk goes there and costs nothing."""
    figures = moved(ran(out("half", region="h") + out("mark", region="m")))
    assert (figures["stored_pages"], figures["pool_total_size"] >> 12) == (4096, 2048)


def test_zeroes_are_compressed_where_same_filled_is_off() -> None:
    """Then a zero page is an object of 1 chunk like any other: two to a page."""
    figures = moved(ran(out("zero"), "same_filled=off"))
    assert (figures["stored_pages"], figures["pool_total_size"] >> 12, figures["same_filled_pages"]) == (2048, 1024, 0)


@pytest.mark.parametrize(("length", "taken"), [(3960, True), (3961, False), (4096, False)])
def test_zbud_takes_3968_bytes(length: int, taken: bool) -> None:
    """With its 8 bytes in front an object may have 3,968; what is longer is refused, and counted as poor."""
    scenario = parse(HEADER.format(words="") + out("text"))
    machine = run.prepare(scenario, None, run.settings_of(()))
    zram.set_lengths(machine.state, LZO, ((30, 0), (44, 0), (length, 0), (2213, 0), (4113, 0)))
    done = run.Run(scenario, machine)
    for op in scenario.ops:
        done.do(op)
    figures = moved(done)
    assert (figures["stored_pages"], figures["reject_compress_poor"]) == ((2048, 0) if taken else (0, 2048))


def test_the_slot_stays_in_use_and_the_object_too() -> None:
    """A page that zswap holds keeps its slot; reading it back is a zswpin, no pswpin, and leaves the object there."""
    done = ran(out("text") + "A touch r 0 8M r seq\n")
    figures = moved(done)
    assert (figures["zswpin"], figures["pswpin"], figures["pswpout"], figures["stored_pages"]) == (2048, 0, 0, 2048)
    total, free = done.machine.state.swap_pages
    assert 2048 <= total - free < 2048 + 64, "a cpu takes 64 slots at once"


def test_what_is_freed_is_forgotten() -> None:
    """With the slots the objects go and the pool's pages come back; swapoff brings all back and empties zswap."""
    assert moved(ran(out("text") + "A exit\nswapoff disk\n"))["pool_total_size"] == 0
    figures = moved(ran(out("text") + "swapoff disk\n"))
    assert (figures["stored_pages"], figures["pool_total_size"], figures["zswpin"]) == (0, 0, 2048)


def test_a_page_that_is_written_anew_is_stored_anew() -> None:
    """The slot's old object goes first: as many are stored as before, and none is a duplicate."""
    figures = moved(ran(out("text") + "A touch r 0 8M r seq\nA touch r 0 8M w seq\nA madvise r 0 8M pageout\n"))
    assert (figures["zswpout"], figures["stored_pages"], figures["duplicate_entry"]) == (4096, 2048, 0)


def test_the_limit() -> None:
    """A pool of 2 % of RAM is full with one page more than that, with one object: 2 * limit + 1 pages are taken.

    Two pages of the pool are emptied, with two objects each; the rest goes to the disk.
    """
    done = ran(out("text", "60M"), "max_pool_percent=2 accept_threshold=90")
    limit = done.machine.state.memory_total * 2 // 100
    figures = moved(done)
    assert figures["pool_total_size"] >> 12 == limit
    assert (figures["pool_limit_hit"], figures["written_back_pages"]) == (2, 4)
    assert figures["zswpout"] == 2 * limit + 1
    assert figures["pswpout"] == 60 * MIB - (2 * limit + 1) + 4


def test_below_the_threshold_it_takes_pages_again() -> None:
    """Full, then emptied to above 50 % of its limit: still refused; emptied below: stored."""
    words = "max_pool_percent=4 accept_threshold=50"
    fill = out("text", "24M") + "sleep 1\n"
    for freed, takes in (("4M", False), ("10M", True)):
        before = moved(ran(fill, words))["zswpout"]
        after = moved(ran(f"{fill}A madvise r 0 {freed} dontneed\nsleep 1\n{out('text', '1M', 'n')}", words))["zswpout"]
        assert (after > before) is takes


def test_zsmalloc_cannot_write_back() -> None:
    """Its full pool only refuses: each refusal finds the worker at a loss."""
    figures = moved(ran(out("text", "60M"), "zpool=zsmalloc max_pool_percent=2"))
    assert figures["written_back_pages"] == 0
    assert figures["pool_limit_hit"] == figures["pswpout"] == figures["reject_reclaim_fail"] > 0


def test_off_is_off() -> None:
    """--set swap.zswap.enabled=off: everything goes to the disk."""
    scenario = parse(HEADER.format(words="") + out("text"))
    figures = moved(run.simulate(scenario, None, settings=["swap.zswap.enabled=off"]))
    assert (figures["zswpout"], figures["pswpout"]) == (0, 2048)


def test_the_lines_of_proc() -> None:
    """Zswap is the pool, Zswapped what lies in it; a kernel without zswap prints neither."""
    twin = Twin(ran(out("text") + out("zero", region="z")).machine)
    memory, counters = load(twin, meminfo), load(twin, vmstat)
    assert (memory["Zswap"], memory["Zswapped"], counters["zswpout"]) == (4096, 16384, 4096)
    without = Twin(run.simulate(parse("machine ram=256M\nproc A\n"), None).machine)
    assert load(without, meminfo).get("Zswap") is None
    assert load(without, vmstat).get("zswpout") is None


def test_a_pool_under_pressure_keeps_every_content() -> None:
    """Text over a small pool, read and written at random, forked: each page is what was written, and all adds up."""
    ops = (
        "A mmap r 300M\nA touch r 0 300M w seq content=text\nA touch r 0 300M r rand:20000:1\n"
        "A touch r 0 300M w rand:20000:2 content=half\nA fork B\nB touch r 0 300M r rand:3000:3\nB exit\nA exit\n"
    )
    done = ran(ops, "max_pool_percent=8")
    assert [one.outcome for one in done.done] == ["ok"] * 9
    assert moved(done)["written_back_pages"] > 0


def test_a_zram_slot_that_zswap_holds_is_stored() -> None:
    """zswap stands in front of zram too: the slot is in use, the device has nothing, and nothing is lost."""
    header = "machine ram=256M\nswap zswap max_pool_percent=50\nswap zram size=256M\nproc A\n"
    done = run.simulate(parse(header + out("text")), None)
    invariants.validate(done.machine.state)
    assert moved(done)["stored_pages"] == 8 * MIB
    assert moved(done)["zswpout"] == 8 * MIB


# --- 6.12 ------------------------------------------------------------------------------------------------------------

SIX_TWELVE = "machine ram=256M kernel=6.12-generic\nswap zswap zpool=zsmalloc {words}\nswap disk size=256M\nproc A\n"


def ran_on_six_twelve(ops: str, words: str = "max_pool_percent=50") -> run.Run:
    done = run.simulate(parse(SIX_TWELVE.format(words=words) + ops), None)
    invariants.validate(done.machine.state)
    return done


def test_what_is_loaded_leaves_zswap_of_six_twelve() -> None:
    """In 6.1 it stays until its slot is free."""
    ops = out("text") + "A touch r 0 8M r seq"
    assert moved(ran(ops))["stored_pages"] > 0
    found = moved(ran_on_six_twelve(ops))
    assert found["zswpin"] == found["zswpout"] == 2048
    assert found["stored_pages"] == 0


def test_zeroes_never_reach_zswap_of_six_twelve() -> None:
    """They are noted in swap's bitmap."""
    done = ran_on_six_twelve(out("zero"))
    assert moved(done)["zswpout"] == 0
    assert done.machine.state.events_by_name()["swpout_zero"] == 2048


def test_a_page_that_does_not_compress_is_poor_in_six_twelve() -> None:
    """In 6.1 it is in no counter of zsmalloc's."""
    assert moved(ran_on_six_twelve(out("random")))["reject_compress_poor"] == 2048
    assert moved(ran(out("random"), "zpool=zsmalloc max_pool_percent=50"))["reject_compress_poor"] == 0


def test_a_full_pool_of_six_twelve_writes_back_from_zsmalloc_too_after_a_second_chance() -> None:
    """Each page that is stored loses its chance first, 16 in a job; then the oldest go to the disk."""
    done = ran_on_six_twelve(
        out("text", "40M") + out("text", "40M", "s") + out("half", "40M", "u") + "sleep 2\n", "max_pool_percent=2"
    )
    found, events = moved(done), done.machine.state.events_by_name()
    assert found["pool_limit_hit"] > 0
    assert events["zswpwb"] == found["written_back_pages"]
    assert found["pswpout"] > 0
    assert "same_filled_pages" not in found


def test_eleven_pages_of_text_take_five_of_six_twelve() -> None:
    """A group of zsmalloc has up to eight pages since 6.3, from the boot on: 6.1 has two of these pages in each."""
    figures = moved(ran_on_six_twelve(out("text")))
    pool = figures["pool_total_size"] >> 12
    assert figures["stored_pages"] == 2048
    assert 2048 * 5 / 11 <= pool < 2048 * 5 / 11 * 1.05


def test_compaction_moves_every_page_of_a_large_group() -> None:
    """Frames that zsmalloc has given back are not freed once more with the group."""
    lines = out("text", "24M") + "A mmap h 96M\nA touch h 0 96M w seq\nA madvise h 0 90M dontneed\ncompact\n"
    done = ran_on_six_twelve(lines + "A touch r 0 24M r seq\n")
    assert done.machine.state.events_by_name()["compact_isolated"]


def test_the_worker_of_six_twelve_runs_between_two_pages_of_reclaim() -> None:
    """It is owed time, and each job takes 16 second chances: a pass over the pool needs a job for 16 pages of it."""
    lines = "A mmap r 240M\nA touch r 0 240M w seq content=text\nsleep 2\n"
    figures = moved(ran_on_six_twelve(lines, "max_pool_percent=10"))
    assert figures["written_back_pages"] > 0
    assert figures["pool_limit_hit"] < figures["stored_pages"], "some jobs for each page that is refused, not 64"


def test_a_page_keeps_its_slot_while_it_is_stored() -> None:
    """What the store allocates lets another task run, which may end, and the page is one of its own."""
    made = Growing(
        "machine ram=128M kernel=6.1\nswap disk size=16M rot=0\n"
        "swap zswap max_pool_percent=50 accept_threshold=90 compressor=lz4 zpool=zsmalloc\n"
    )
    for line in (
        "sysctl lru_gen.enabled=7", "proc B adj=500", "B mmap x 60M", "B touch x 0 60M w seq content=text &", "proc A",
        "A mmap y 60M", "A touch y 0 60M w seq content=half",
    ):  # fmt: skip
        assert made.do(line) in {"ok", "running"}
    assert not made.run.processes.by_name["B"].alive
    invariants.validate(made.state)
