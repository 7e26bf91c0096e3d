"""Shared memory and tmpfs: one set of pages for all who map them, swapped as anonymous memory; `linux/mm/shmem.py`."""

from __future__ import annotations

import pytest
from growing import Growing

from memtwin.linux.check import invariants
from memtwin.linux.drivers.block import zram
from memtwin.linux.fs.proc import task_mmu
from memtwin.linux.ipc import shm
from memtwin.linux.mm import shmem
from memtwin.run.refusals import SIGNALS
from memtwin.twin.twin import Twin

SIGBUS = 7
PAGES = 4096 >> 2  # of 4 MiB


def machine(header: str, *lines: str) -> Growing:
    """A machine of 128 MiB on which *lines* have succeeded."""
    made = Growing(f"machine ram=128M\n{header}")
    for line in lines:
        assert made.do(line) == "ok", line
    return made


def rows(made: Growing) -> dict[str, int]:
    """Shmem, Cached, Mapped and AnonPages in kB."""
    record = Twin(made.run.machine, made.run.processes.by_name).meminfo()
    return {name: record.get(name) or 0 for name in ("Shmem", "Cached", "Mapped", "AnonPages", "SwapFree")}


def rollup(made: Growing, name: str) -> dict[str, int]:
    """What page tables say of a process, in kB: exact, where RSS lags."""
    return task_mmu.smaps_rollup(made.state, made.run.processes.by_name[name].task)


def test_two_that_have_the_key_have_the_same_pages() -> None:
    """20 MiB that A wrote and B read are 20 MiB of Shmem and Cached, half of it either's PSS, and no AnonPages."""
    made = machine("", "proc A", "proc B", "A shm r 20M as pool", "A touch r 0 20M w seq")
    before = rows(made)
    assert made.do("B shm r as pool") == made.do("B touch r 0 20M r seq") == "ok"
    after = rows(made)
    assert before["Shmem"] == after["Shmem"] == 20 << 10
    assert after["Mapped"] - before["Mapped"] < 64
    assert after["AnonPages"] - before["AnonPages"] < 64
    assert after["Cached"] >= 20 << 10
    assert [rollup(made, name)["Pss_Shmem"] for name in "AB"] == [10 << 10, 10 << 10]
    task = made.run.processes.by_name["B"].task
    assert 0 <= (20 << 10) - task_mmu.task_mem(made.state, task)["RssShmem"] <= 66 * 64
    invariants.validate(made.state)


def test_a_child_shares_what_its_parent_mapped_shared_and_copies_the_rest() -> None:
    """After a fork a write to shared memory makes no copy, one to private memory does."""
    made = machine(
        "", "proc A", "A shm s 4M", "A mmap p 4M", "A touch s 0 4M w seq", "A touch p 0 4M w seq", "A fork B"
    )
    before = rows(made)
    assert made.do("B touch s 0 4M w seq content=text") == "ok"
    assert rows(made)["Shmem"] == before["Shmem"]
    assert rows(made)["AnonPages"] - before["AnonPages"] < 64
    assert made.do("B touch p 0 4M w seq content=text") == "ok"
    assert rows(made)["AnonPages"] - before["AnonPages"] >= 4 << 10


@pytest.mark.parametrize("swap", ["swap disk size=200M", "swap disk size=200M rot=0", "swap zram size=200M"])
def test_it_goes_to_swap_and_comes_back_as_it_was(swap: str) -> None:
    """50 MiB of shared memory under 55 MiB of anonymous: what is swapped is in no VmSwap, and comes back."""
    made = machine(
        swap, "proc A", "proc B", "A shm r 50M as pool", "A touch r 0 50M w seq content=text", "B shm r as pool",
        "B mmap h 55M", "B touch h 0 55M w seq content=text",
    )  # fmt: skip
    swapped = shmem.swapped_pages(made.state)
    assert swapped > 3 * PAGES
    assert rows(made)["Shmem"] + (swapped << 2) == 50 << 10
    invariants.validate(made.state)
    assert made.do("B touch r 0 50M r seq") == "ok"
    assert made.do("B exit") == made.do("A exit") == "ok"
    assert shmem.swapped_pages(made.state) + (rows(made)["Shmem"] >> 2) == 50 * PAGES // 4
    assert made.do(f"swapoff {swap.split()[1]}") == "ok"
    assert (shmem.swapped_pages(made.state), rows(made)["Shmem"]) == (0, 50 << 10)
    invariants.validate(made.state)


def test_a_segment_stays_until_it_is_removed_and_a_memfd_goes_with_its_last_user() -> None:
    """System V memory survives all processes; a memfd and anonymous memory do not."""
    made = machine(
        "", "proc A", "A shm s 8M as seg", "A shm f 8M as memfd:x", "A shm a 8M",
        *(f"A touch {region} 0 8M w seq" for region in "sfa"), "proc B", "B shm f as memfd:x",
    )  # fmt: skip
    assert rows(made)["Shmem"] == 24 << 10
    assert made.do("A exit") == "ok"
    assert rows(made)["Shmem"] == 16 << 10
    assert made.do("B exit") == "ok"
    assert rows(made)["Shmem"] == 8 << 10
    assert made.do("proc C") == made.do("C unlink seg") == "ok"
    assert rows(made)["Shmem"] == 0
    assert made.do("C shm r as seg") == made.do("C shm r as memfd:x") == made.do("C unlink seg") == "error"
    assert [done.errno for done in made.run.done[-3:]] == [2, 2, 2]
    invariants.validate(made.state)


def test_a_full_tmpfs_refuses_a_write_and_ends_who_touches_a_mapping_alone() -> None:
    """ENOSPC for write(), SIGBUS for the touch of a hole; its neighbour goes on, and unlinking makes room."""
    made = machine(
        "tmpfs size=8M", "proc A", "proc B", "A fwrite tmp/holes 4M 4M 64K", "A fmap m tmp/holes shared",
        "B fwrite tmp/x 0 4M 64K",
    )  # fmt: skip
    assert made.do("B fwrite tmp/x 4M 64K 64K") == "error"
    assert (made.run.done[-1].errno, "size is 8,192 kB" in made.run.done[-1].why) == (28, True)
    assert made.do("A touch m 0 4K w seq") == "died"
    death = made.run.done[-1].deaths[0]
    assert (death["name"], death["signal"], SIGNALS[1007]) == ("A", 7, 7)
    assert made.do("B fread tmp/x 0 4M 64K") == made.do("B unlink tmp/holes") == "ok"
    assert made.do("B fwrite tmp/x 4M 4M 64K") == "ok"
    assert shmem.tmpfs_usage(made.state, 1) == (2 * PAGES, 2 * PAGES)
    invariants.validate(made.state)


def test_reading_a_hole_makes_no_page_and_a_map_of_one_does() -> None:
    """read() of what was never written is zeroes out of nothing; a fault needs a page, which reclaim may just drop."""
    made = machine("swap zram size=64M", "proc A", "A fwrite tmp/x 8M 4K 4K", "A fread tmp/x 0 8M 64K")
    assert rows(made)["Shmem"] == 4
    assert made.do("A fmap m tmp/x shared") == made.do("A touch m 0 8M r seq") == "ok"
    assert rows(made)["Shmem"] == (8 << 10) + 4
    assert made.do("A madvise m 0 8M pageout") == "ok"
    assert shmem.swapped_pages(made.state) <= 1
    assert rows(made)["Shmem"] < 1 << 10
    invariants.validate(made.state)


def test_limits_of_segments_are_the_kernels() -> None:
    """shmmax and shmall refuse, each in its words; so does overcommit, for a segment is promised as a whole."""
    made = machine("sysctl kernel.shmmax=4194304\nsysctl kernel.shmall=1536", "proc A")
    assert made.do("A shm r 8M as big") == "error"
    assert (made.run.done[-1].errno, "4,194,304 bytes" in made.run.done[-1].why) == (22, True)
    assert made.do("A shm r 4M as a") == "ok"
    assert made.do("A shm q 4M as b") == "error"
    assert (made.run.done[-1].errno, "1,536 pages" in made.run.done[-1].why) == (28, True)
    assert made.do("sysctl kernel.shmall=none") == "error"
    assert made.do("sysctl kernel.shmall=18446744073692774399") == "ok"
    assert made.do("A shm q 4M as b") == "ok"
    assert made.do("sysctl vm.overcommit_memory=2") == "ok"
    assert made.do("A shm all 1G") == "error"
    assert made.run.done[-1].errno == 12


def test_a_copy_of_a_machine_has_its_own_shared_memory() -> None:
    """The copy's segment is removed; the original's stays."""
    made = machine("", "proc A", "A shm r 4M as k", "A touch r 0 4M w seq")
    twin = made.state.copy()
    shm.remove_segment(twin, made.run.shared.segments["k"])
    assert made.do("A touch r 0 4M r seq") == "ok"
    invariants.validate(made.state)
    invariants.validate(twin)


def test_a_file_in_memory_holds_what_its_writer_read() -> None:
    """A buffer is zeroes at first, then what was read into it: zram's pages of the same word say which it was."""
    made = machine("swap zram size=64M\nfile data 1M", "proc A", "A fwrite tmp/zeroes 0 1M 64K", "A fread data 0 1M 1M")
    assert made.do("A fwrite tmp/copy 0 1M 1M") == made.do("A fread tmp/zeroes 0 1M 1M") == "ok"
    assert made.do("A fwrite tmp/again 0 1M 1M") == "ok"
    for name, same in (("zeroes", 256), ("copy", 256), ("again", 512)):
        assert made.do(f"A fmap {name} tmp/{name} shared r") == made.do(f"A touch {name} 0 1M r seq") == "ok"
        assert made.do(f"A madvise {name} 0 1M pageout") == "ok"
        assert zram.mm_stat(made.state, 0)["same_pages"] == same, name


@pytest.mark.parametrize("swap", ["swap zram size=64M algo=lzo", "swap disk size=64M rot=1\nswap zswap"])
def test_two_may_fault_on_the_same_page(swap: str) -> None:
    """Who comes second to a slot finds the page in the file: no touch fails."""
    made = Growing(f"machine ram=128M kernel=6.12 cpus=2\n{swap}\n")
    for line in ("proc A", "proc B", "A shm h 8M as k", "B shm h as k", "A touch h 0 8M w seq content=text"):
        assert made.do(line) == "ok"
    for line, outcome in (
        ("A madvise h 0 8M pageout", "ok"), ("B touch h 0 8M w seq &", "running"), ("A touch h 0 8M w seq", "ok"),
        ("wait", "ok"),
    ) * 3:  # fmt: skip
        assert made.do(line) == outcome
    invariants.validate(made.state)


def test_truncation_takes_pages_slots_and_private_copies_from_all_that_map_the_file() -> None:
    """Of 40 MiB some lie in swap, some are mapped, 4 copied by a private mapping; then nothing is left of the file."""
    made = machine(
        "swap disk size=90M rot=0\ntmpfs size=60M", "proc A", "proc B", "A fwrite tmp/f 0 40M 64K",
        "A fmap own tmp/f private",
        "A touch own 0 4M w seq", "B fmap all tmp/f shared", "B touch all 0 40M r seq", "B mmap h 60M",
        "B touch h 0 60M w seq content=text",
    )  # fmt: skip
    file = made.run.processes.shared.tmpfs["tmp/f"]
    assert shmem.swapped_pages(made.state) > 0
    assert made.do("A truncate tmp/f") == "ok"
    assert shmem.figures(made.state, file) == (0, 0, 0)
    assert shmem.tmpfs_usage(made.state, 1)[0] == 0
    assert rows(made)["Shmem"] == 0
    assert rollup(made, "A")["Anonymous"] + rollup(made, "A")["Swap"] < 1024
    invariants.validate(made.state)
    assert made.do("A fwrite tmp/f 0 1M 64K") == made.do("B touch all 0 1M r seq") == "ok"
    assert made.do("B touch all 1M 4K r seq") == "died"
    assert made.run.done[-1].deaths[0]["signal"] == SIGBUS
    invariants.validate(made.state)


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("swap", ["swap zram size=64M", "swap disk size=64M rot=1", "swap disk size=96M\nswap zswap"])
def test_a_file_in_memory_is_truncated_while_others_read_write_and_touch_it(swap: str, cpus: int) -> None:
    """Who touches what is gone ends by SIGBUS, reads end early, writes make the file longer again."""
    made = Growing(f"machine ram=128M cpus={cpus}\n{swap}\ntmpfs size=60M")
    for line in (
        "proc A", "proc B", "proc C", "proc D", "A fwrite tmp/f 0 40M 64K", "B fmap all tmp/f shared",
        "D mmap h 60M", "D touch h 0 60M w seq content=text",
    ):  # fmt: skip
        assert made.do(line) == "ok", line
    for line in (
        "B touch all 0 40M r rand:9000:4 &", "C fread tmp/f 0 40M 64K &", "D fwrite tmp/f 20M 20M 64K &", "sleep 0.02",
        "A truncate tmp/f", "sleep 0.02", "A truncate tmp/f", "wait",
    ):  # fmt: skip
        made.do(line)
        invariants.validate(made.state)
    ended = {one.op.proc: one.outcome for one in made.run.done if getattr(one.op, "beside", False)}
    assert ended == {"B": "died", "C": "ok", "D": "ok"}
    for area in ("zram", "disk"):
        if area in swap:
            assert made.do(f"swapoff {area}") == "ok"
    invariants.validate(made.state)
