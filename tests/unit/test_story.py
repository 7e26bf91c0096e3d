"""The story of a run: does it say when reclaim began, what it took from whom, who waited, why, and what was missed?"""

from __future__ import annotations

import re

import pytest

from memtwin.render import words
from memtwin.run import run
from memtwin.scenario import parse
from memtwin.story import reclaim, story

THRASH = """machine ram=192M
file data 220M
proc R
R fread data 0 220M 64K seq
R fread data 0 220M 64K seq
"""


def told(text: str) -> list[str]:
    """The story of a workload on a described machine."""
    return story.tell(run.simulate(parse(text), None))


def line(lines: list[str], start: str) -> str:
    """The last paragraph that starts so."""
    return [text for text in lines if text.startswith(start)][-1]


def test_where_nothing_is_reclaimed_it_says_so() -> None:
    """A small workload ends with `nothing had to be reclaimed`, and no other sentence speaks of reclaim."""
    lines = told("machine ram=192M\nfile f 8M\nproc A\nA fread f 0 8M 64K seq\n")
    assert lines[-1].endswith("nothing had to be reclaimed.")
    assert not any("reclaim took" in text for text in lines)


def test_it_says_when_reclaim_began_and_in_which_operation() -> None:
    """The time and operation of kswapd's first waking stand in that operation's paragraph and in the end."""
    done = run.simulate(parse(THRASH), None)
    lines = story.tell(done)
    began = (done.machine.state.reclaim_began_ns - done.samples[0].time_ns) / 1_000_000
    first = next(text for text in lines if text.startswith("R reads"))
    assert "into the run kswapd was woken" in first
    assert sum("kswapd was woken" in text for text in lines) == 1
    said = re.search(r'Reclaim began (\d+) ms into the run, while R reads 220 MiB of "data"', lines[-1])
    assert said
    assert abs(int(said[1]) - began) <= 1


def test_what_was_taken_adds_up_by_owner() -> None:
    """Pages taken, summed over owners and operations, are pgsteal_file and pgsteal_anon; the story names the file."""
    done = run.simulate(parse(THRASH), None)
    first, last = done.samples[0].figures, done.samples[-1].figures
    stolen = last["pgsteal_file"] - first["pgsteal_file"]
    assert sum(sum(op.taken.values()) for op in done.done) == sum(done.taken().values()) == stolen > 50_000
    assert done.taken()["data"] > stolen * 0.9
    assert min(done.taken().values()) >= 0
    assert re.search(r'took \d+ MiB of "data"', story.tell(done)[-1])


def test_without_swap_it_says_why_files() -> None:
    """No swap: files only, for there is no free swap; told once, not with every operation."""
    lines = told(THRASH)
    assert sum("no free swap to put anonymous pages in" in text for text in lines) == 2
    assert "; no anonymous page." in lines[-1]


@pytest.mark.parametrize(
    ("balances", "swappiness", "swap_free", "says"),
    [
        ((9, 0, 0, 0, 0), 60, False, "files only, for there is no free swap"),
        ((9, 0, 0, 0, 0), 60, True, "raised against fragmentation"),
        ((0, 9, 0, 0, 0), 60, True, "alike, as its last resort"),
        ((0, 0, 9, 0, 0), 60, True, "anonymous pages only, for hardly any file"),
        ((0, 0, 0, 9, 0), 60, True, "plenty of them had been used just once"),
        ((0, 0, 0, 0, 9), 60, True, "in shares by vm.swappiness (60)"),
        ((0, 0, 0, 0, 9), 0, True, "files only, for vm.swappiness is 0"),
        ((0, 0, 0, 60, 40), 60, True, "(60 % of its passes); both kinds"),
    ],
)
def test_each_reason_has_its_words(balances: tuple[int, ...], swappiness: int, swap_free: bool, says: str) -> None:
    """Each of the kernel's five decisions, and the two that the circumstances change."""
    assert says in reclaim.why(balances, swappiness, swap_free=swap_free)


def test_a_reason_that_hardly_ever_decided_is_left_out() -> None:
    """Less than a tenth of the passes is no reason; no pass at all is no sentence."""
    assert "swappiness" not in reclaim.why((0, 0, 0, 95, 5), 60, swap_free=True)
    assert reclaim.why((0, 0, 0, 0, 0), 60, swap_free=True) == ""


def test_what_was_missed_is_told() -> None:
    """The second pass over a file larger than memory reads again what was reclaimed: refaults, with their size."""
    done = run.simulate(parse(THRASH), None)
    again = done.samples[-1].figures["workingset_refault_file"] - done.samples[0].figures["workingset_refault_file"]
    assert again > 50_000
    assert f"{words.size(again * 4)} of file data had been reclaimed before" in story.tell(done)[-1]


@pytest.mark.parametrize(
    ("ops", "says"),
    [
        ("A fread f 0 16M 64K seq", ": all of it came from the disk"),
        ("A fread f 0 16M 64K seq\nA fread f 0 16M 64K seq", "all of it was in the page cache"),
        ("A fread f 0 8M 64K seq\nA fread f 0 16M 64K seq", "were in the page cache"),
        ("A fread hole 0 16M 64K seq", "the file is a hole, 16 MiB of zeroed pages"),
        ("A fread f 16M 4M 64K seq", 'A reads "f": there is nothing to read'),
        ("A fread new 0 64K 64K seq", 'A reads "new": there is nothing to read'),
        ("A fwrite f 0 4M 64K", "to memory only: 4,096 KiB are dirty now"),
        ("A fwrite f 0 4M 64K\nA fsync f", 'A waits for "f" to be written: 4,112 KiB in'),
        ("A fsync f", 'A waits for "f" to be written: at once'),
        ("A fread f 0 16M 64K\nA truncate f", 'A truncates "f" to nothing: 16 MiB of page cache dropped.'),
        ("A fwrite f 0 4M 64K\nA truncate f", "4,096 KiB of it never written."),
        ("A fwrite tmp/t 0 4M 64K\nA truncate tmp/t", 'A truncates "tmp/t" to nothing: 4,096 KiB of memory is free'),
        ("A truncate f\nA fwrite f 0 4M 64K\nA close f", "the file system queues 4,096 KiB for the disk at once, in"),
        ("A fwrite new 0 4M 64K\nA close new", 'A closes "new": what is dirty of it stays in memory.'),
        ("A close f", 'A closes "f", which it has not opened (EBADF).'),
        ("A fwrite f 0 4M 64K\nsync", "All that is dirty is written: 4,116 KiB in"),
        ("A fwrite f 0 4M 64K\nA fwrite new 0 1M 64K\nA fsync f", "1,052 KiB of other files and metadata stay dirty"),
        ("A fwrite f 0 4M 64K\nsleep 40", "The machine idles for 40 s, while 4,116 KiB went to the disk"),
        ("A fwrite f 0 4M 64K\ndrop_caches 1", "4,096 KiB are dirty and stay (sync first)"),
        ("A fread f 0 16M 64K seq\ndrop_caches 1", "drop_caches 1: 16 MiB of page cache dropped, "),
        ("A fmap m f shared", 'A maps 16 MiB of "f" (m), shared: writes go to the file; nothing is read yet'),
        ("A fmap m new private", 'A asks to map "new" (m) and is refused: "new" is empty (EINVAL)'),
        (
            "A fmap m f private\nA touch m 0 16M r seq",
            ": 386 page faults, 1 of them major, 16 MiB read",
        ),
        ("A fread f 0 16M 64K seq\nA fmap m f shared\nA touch m 0 16M r seq", "all pages were in the page cache"),
        ("A fmap m f private\nA touch m 0 4M w seq", "4,096 KiB copied to pages of its own (copy on write)"),
        ("A fmap m f shared\nA touch m 0 4M w seq", "4,096 KiB more to be written back"),
        ("A fmap m f shared\nA touch m 0 4M r seq\nA munmap m", 'what is cached of "f" stays'),
    ],
)
def test_each_file_operation_is_told(ops: str, says: str) -> None:
    """What was read from disk or found, left dirty, written, dropped and mapped, with its size."""
    lines = told(f"machine ram=192M\nfile f 16M\nfile hole 16M content=zero\nproc A\n{ops}\n")
    assert any(says in text for text in lines), lines


def test_a_forked_region_is_known_as_the_files() -> None:
    """The child's region is told as the file that the parent mapped."""
    lines = told("machine ram=192M\nfile f 8M\nproc A\nA fmap m f shared\nA fork B\nB touch m 0 8M r seq\n")
    assert 'of m, which maps "f" in ' in line(lines, "B reads")


def test_swap_and_a_kill_are_told() -> None:
    """What went out to swap, why memory ran out, who was killed and by how many points, what a disk had to write."""
    lines = told(
        "machine ram=256M\nswap zram size=64M algo=lzo-rle prio=100\nswap disk size=64M prio=-2\n"
        "sysctl vm.overcommit_memory=1\nproc A adj=-300\nA mmap h 40M\nA touch h 0 40M w seq content=text\n"
        "proc B\nB mmap h 600M\nB touch h 0 600M w seq content=text\nA touch h 0 40M r seq\nB touch h 0 4K w seq\n"
    )
    kill = line(lines, "B writes 600 MiB of h: did not end")
    assert "did not end, for B was killed" in kill
    assert "126 MiB went out to swap" in kill or "128 MiB went out to swap" in kill
    assert "B (82) was killed: the machine (214 MiB of RAM, 128 MiB of swap) was out of memory." in kill
    assert "Swap (128 MiB) was full." in kill
    assert "Next was A " in kill
    assert "came back from swap" in line(lines, "A reads 40 MiB")
    assert "skipped, B is gone" in line(lines, "B writes 4 KiB of h: skipped")
    assert "were written to it." in line(lines, "/dev/vdb")
    assert "are stored in " in line(lines, "/dev/zram0")


def test_zswap_is_told() -> None:
    """What went into zswap and came back, what it holds in how much memory, and that its limit was hit."""
    lines = told(
        "machine ram=192M\nswap zswap max_pool_percent=5\nswap disk size=96M\nproc A\nA mmap h 180M\n"
        "A touch h 0 180M w seq content=text\nA touch h 0 4M r seq\n"
    )
    assert "went into zswap" in line(lines, "A writes (text) 180 MiB")
    assert "came back from zswap" in line(lines, "A reads 4,096 KiB")
    assert line(lines, "zswap: ").endswith("went on to the areas; its limit was hit.")


def test_a_panic_is_told() -> None:
    """vm.panic_on_oom: nobody is killed, and what comes after is skipped."""
    lines = told(
        "machine ram=192M\nsysctl vm.overcommit_memory=1\nsysctl vm.panic_on_oom=1\nproc A\nA mmap h 300M\n"
        "A touch h 0 300M w seq\nA touch h 0 1M r seq\n"
    )
    assert "The kernel panicked, as vm.panic_on_oom asks of it" in line(lines, "A writes 300 MiB of h: did not end")
    assert "skipped, the kernel has panicked" in line(lines, "A reads 1,024 KiB of h: skipped")


@pytest.mark.parametrize(
    ("op", "says"),
    [
        ("A madvise h 0 8M dontneed", "A says madvise dontneed for 8,192 KiB of h: 7,140 KiB more free"),
        ("A madvise h 0 8M free", "the kernel takes the pages when it needs them"),
        ("A madvise h 0 8M cold", "reclaim will look at these pages first"),
        ("A mlock h 0 16M", "A locks 16 MiB of h: 2,048 page faults bring them in"),
        ("A munlock h 0 16M", "A unlocks 16 MiB of h: reclaim may take them again"),
    ],
)
def test_hints_and_locks_are_told(op: str, says: str) -> None:
    """What a hint gave back or put off, what a lock brought in."""
    lines = told(f"machine ram=192M\nproc A\nA mmap h 16M\nA touch h 0 8M w seq\n{op}\n")
    assert any(says in text for text in lines), lines


def test_areas_that_come_and_go_are_told() -> None:
    """swapoff brings back what lies in the area; a second one, and a swapon of what is on, are refused."""
    lines = told(
        "machine ram=192M\nswap disk size=128M\nswap disk name=second size=64M on=0\nproc A\nA mmap h 180M\n"
        "A touch h 0 180M w seq\nswapon second prio=7\nswapon second\nA munmap h\n"
        "swapoff disk\nswapoff disk\n"
    )
    assert "Swap area second is on: " in line(lines, "Swap area second is on")
    assert "swapon second is refused: it is on (errno 16)" in line(lines, "swapon second")
    assert "of swap are free" in line(lines, "Swap area disk is off")
    assert "swapoff disk is refused: it is not on (errno 22)" in line(lines, "swapoff disk")
