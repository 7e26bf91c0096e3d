"""A process's address space and another's: mremap, brk, users and what they may not; `linux/mm/mremap.py`."""

from __future__ import annotations

import pytest
from growing import Growing

from memtwin.linux.check import invariants
from memtwin.linux.fs.proc import task_mmu
from memtwin.linux.records import Outcome
from memtwin.twin.twin import Twin

PAGES = 256
"""Of a MiB."""
UNFOLDED_KIB = 4 * 66
"""What a task on 6.1 may have counted by itself yet."""


def machine(*lines: str, header: str = "swap disk size=200M rot=0") -> Growing:
    """A machine of 128 MiB on which *lines* have succeeded."""
    made = Growing(f"machine ram=128M\n{header}\n")
    for line in lines:
        assert made.do(line) == "ok", line
    return made


def errno(made: Growing, line: str) -> int:
    """The errno of a line that is carried out."""
    made.do(line)
    invariants.validate(made.state)
    return made.run.done[-1].errno


def figures(made: Growing, name: str = "A") -> dict[str, int]:
    """What status says of a process, in KiB."""
    return dict(task_mmu.task_mem(made.state, made.run.processes.by_name[name].task))


def start(made: Growing, region: str, name: str = "A") -> int:
    return made.run.processes.by_name[name].regions[region].start


def test_a_mapping_grows_in_place_where_nothing_lies_behind_it() -> None:
    """VIRT and the promise grow at once, RSS with the touches; what is mapped next lies behind it."""
    made = machine("proc A", "A mmap h 8M", "A touch h 0 8M w seq")
    at, before, promised = start(made, "h"), figures(made), made.state.committed_pages
    assert errno(made, "A mremap h 24M") == 0
    assert (start(made, "h"), made.state.committed_pages - promised) == (at, 16 * PAGES)
    assert figures(made)["VmSize"] - before["VmSize"] == 16 << 10
    assert errno(made, "A mmap k 1M") == errno(made, "A touch h 0 24M w seq") == 0
    assert start(made, "k") >= at + 24 * PAGES


def test_where_its_neighbour_is_in_the_way_it_moves_or_is_refused() -> None:
    """Moving copies no page: no fault, the same RSS, the same page tables; what was written is there."""
    made = machine("proc A", "A mmap h 8M", "A touch h 0 8M w seq content=text", "A mmap k 1M")
    at, before = start(made, "h"), figures(made)
    free, faults = made.state.node_stats()["nr_anon_pages"], made.state.events_by_name()["pgfault"]
    assert errno(made, "A mremap h 12M") == Outcome.ENOMEM
    assert "in the way" in made.run.done[-1].why
    assert errno(made, "A mremap h 12M maymove") == 0
    assert start(made, "h") > at
    assert made.state.node_stats()["nr_anon_pages"] == free
    assert made.state.events_by_name()["pgfault"] - faults < 4  # the program's own, as it reads its command
    assert figures(made)["VmRSS"] - before["VmRSS"] < UNFOLDED_KIB
    assert abs(figures(made)["VmPTE"] - before["VmPTE"]) <= 8
    assert errno(made, "A touch h 0 8M r seq") == errno(made, "A touch h 0 12M w seq") == 0


def test_shrinking_gives_back_what_lies_behind() -> None:
    made = machine("proc A", "A mmap h 8M", "A touch h 0 8M w seq")
    promised = made.state.committed_pages
    before = figures(made)["VmRSS"]
    assert errno(made, "A mremap h 3M") == 0
    assert abs(before - figures(made)["VmRSS"] - (5 << 10)) < UNFOLDED_KIB
    assert promised - made.state.committed_pages == 5 * PAGES
    assert errno(made, "A touch h 2M 2M r seq") == Outcome.ERANGE
    assert errno(made, "A mremap h 0") == Outcome.EINVAL


def test_a_region_of_several_areas_does_not_grow() -> None:
    """mprotect of a part makes three areas of one: EFAULT, and shrinking still works."""
    made = machine("proc A", "A mmap h 8M", "A mprotect h 2M 1M r")
    assert errno(made, "A mremap h 12M maymove") == Outcome.EFAULT
    assert errno(made, "A mremap h 1M") == errno(made, "A mremap h 12M maymove") == 0


def test_what_is_swapped_moves_with_its_slots() -> None:
    """40 MiB of which most is swapped move; they come back as written, and swap can be turned off."""
    made = machine(
        "proc A", "A mmap h 40M", "A touch h 0 40M w seq content=text", "A mmap k 1M", "A madvise h 0 40M pageout"
    )
    swapped = figures(made)["VmSwap"]
    assert swapped > 30 << 10
    assert errno(made, "A mremap h 50M maymove") == 0
    assert figures(made)["VmSwap"] == swapped
    assert errno(made, "A touch h 0 40M r seq") == errno(made, "swapoff disk") == 0


def test_parent_and_child_move_what_they_share_each_for_itself() -> None:
    """After a fork one moves, one stays; copies on write are their own, and reclaim finds all."""
    made = machine("proc A", "A mmap h 20M", "A touch h 0 20M w seq content=text", "A mmap k 1M", "A fork B")
    assert errno(made, "B mremap h 30M maymove") == 0
    assert errno(made, "B touch h 0 4M w seq") == errno(made, "A touch h 2M 4M w seq") == 0
    assert errno(made, "A madvise h 0 20M pageout") == errno(made, "B madvise h 0 20M pageout") == 0
    assert errno(made, "A mremap h 22M maymove") == 0
    for name in "AB":
        assert errno(made, f"{name} touch h 0 20M r seq") == 0


def test_huge_pages_move_and_what_is_cut_is_split() -> None:
    made = machine("proc A", "A mmap h 16M", "A touch h 0 16M w seq", "A mmap k 1M", header="sysctl thp.enabled=always")
    assert made.do("sysctl thp.enabled=always") == "ok"
    assert errno(made, "A mmap t 16M") == errno(made, "A touch t 0 16M w seq") == errno(made, "A mmap u 1M") == 0
    assert made.state.node_stats()["nr_anon_transparent_hugepages"] > 0
    assert errno(made, "A mremap t 18M maymove") == errno(made, "A touch t 0 18M r seq") == 0
    assert errno(made, "A mremap t 5M") == errno(made, "A touch t 0 5M w seq") == 0


@pytest.mark.parametrize(
    ("limit", "line", "code"),
    [("as 20M", "A mremap h 40M", 12), ("data 20M", "A mremap h 40M", 12), ("data 20M", "A brk d 40M", 12),
     ("as 20M", "A brk d 40M", 12), ("data 20M", "A brk d 4M", 0)],
)  # fmt: skip
def test_limits_bind_what_grows(limit: str, line: str, code: int) -> None:
    made = machine("proc A", "A mmap h 4M", f"A limit {limit}")
    assert errno(made, line) == code
    assert ("RLIMIT" in made.run.done[-1].why) == bool(code)


def test_overcommit_refuses_growth_and_promises_nothing_then() -> None:
    made = machine("proc A", "A mmap h 4M", "A mmap k 4M", "sysctl vm.overcommit_memory=2")
    promised = made.state.committed_pages
    for line in ("A mremap k 2G", "A mremap h 2G maymove", "A brk d 2G"):
        assert errno(made, line) == Outcome.ENOMEM
        assert made.state.committed_pages == promised


def test_locked_memory_that_grows_is_there_at_once() -> None:
    made = machine("proc A uid=1000", "A mmap h 4M", "A mlock h 0 4M", "A mmap k 1M")
    assert errno(made, "A mremap h 6M maymove") == 0
    assert figures(made)["VmLck"] == 6 << 10
    assert errno(made, "A mremap h 9M maymove") == Outcome.EAGAIN


def test_the_end_of_the_data_moves_and_what_it_leaves_is_free() -> None:
    """brk grows behind the program's heap, in one area with it; shrinking frees."""
    made = machine("proc A", "A brk d 10M", "A touch d 0 10M w seq", "A fork B", "B brk d 12M", "B touch d 0 12M w seq")
    before = figures(made)
    assert errno(made, "A brk d 1M") == 0
    assert abs(before["VmRSS"] - figures(made)["VmRSS"] - (9 << 10)) < UNFOLDED_KIB
    assert errno(made, "A touch d 0 2M w seq") == Outcome.ERANGE
    assert errno(made, "A brk d 0") == errno(made, "A brk d 3M") == errno(made, "A touch d 0 3M r seq") == 0


def test_who_may_read_anothers_memory() -> None:
    """Root and the same user; for others EPERM, whether the page is there or not."""
    made = machine(
        "proc A uid=1000",
        "proc B uid=1000",
        "proc C uid=1001",
        "proc R",
        "R mmap r 1M",
        "A mmap h 4M",
        "A touch h 0 2M w seq",
    )
    assert errno(made, "B vm_read A h 0 2M") == errno(made, "R vm_read A h 0 4M") == 0
    assert errno(made, "C vm_read A h 0 2M") == Outcome.EPERM
    assert "another user" in made.run.done[-1].why
    assert errno(made, "A vm_read R r 0 4K") == Outcome.EPERM
    assert errno(made, "B vm_read A h 3M 2M") == Outcome.ERANGE
    assert errno(made, "A mprotect h 0 1M none") == 0
    assert errno(made, "B vm_read A h 0 4K") == Outcome.EFAULT
    assert errno(made, "A munmap h") == 0
    assert errno(made, "B vm_read A h 0 4K") == Outcome.ENOENT
    assert errno(made, "A exit") == 0
    assert errno(made, "B vm_read A h 0 4K") == Outcome.ESRCH


def test_a_read_faults_in_what_is_swapped_for_the_other() -> None:
    """The pages become the other's RSS, the faults are the reader's."""
    made = machine(
        "proc A", "proc B", "A mmap h 30M", "A touch h 0 30M w seq content=text", "proc P", "P mmap x 90M",
        "P touch x 0 90M w seq",
    )  # fmt: skip
    before, majors = figures(made), made.state.events_by_name()["pgmajfault"]
    by_name = made.run.processes.by_name
    mine = task_mmu.task_times(made.state, by_name["A"].task)["min_flt"]
    assert errno(made, "B vm_read A h 0 30M") == 0
    assert before["VmSwap"] > 20 << 10 > figures(made)["VmSwap"]
    assert figures(made)["VmRSS"] - before["VmRSS"] > 20 << 10
    assert made.state.events_by_name()["pgmajfault"] > majors
    assert task_mmu.task_times(made.state, by_name["A"].task)["min_flt"] == mine
    assert figures(made, "B")["VmRSS"] < 3 << 10


def test_ordinary_users_lock_at_most_their_limit_and_root_is_not_bound() -> None:
    made = machine("proc A uid=1000", "proc R", "A mmap h 20M", "R mmap h 20M")
    assert errno(made, "A mlock h 0 8M") == errno(made, "A mlock h 4M 4M") == errno(made, "R mlock h 0 20M") == 0
    assert errno(made, "A mlock h 8M 4K") == Outcome.ENOMEM
    assert "RLIMIT_MEMLOCK" in made.run.done[-1].why
    assert errno(made, "A limit memlock 10M") == errno(made, "A limit memlock none") == Outcome.EPERM
    assert errno(made, "A limit memlock 4M") == 0
    assert errno(made, "A mlock h 8M 4K") == Outcome.ENOMEM
    assert errno(made, "A limit memlock 0") == 0
    assert errno(made, "A mlock h 0 4K") == Outcome.EPERM
    assert errno(made, "A munlock h 0 20M") == errno(made, "A limit memlock 8M") == errno(made, "A mlock h 0 8M") == 0
    assert errno(made, "A mlock h 0 8M") == 0  # what is locked counts once


@pytest.mark.parametrize(
    ("split", "join"),
    [("A mlock h {} 2M", "A munlock h 0 12M"), ("A madvise h {} 2M hugepage", "A madvise h 0 12M nohugepage")],
)
def test_areas_that_are_alike_again_are_one(split: str, join: str) -> None:
    """A lock or an advice splits an area, its end joins the parts: only one area can grow (recording 281)."""
    made = machine("proc A", "A mmap h 12M", "A touch h 0 12M w seq", split.format("2M"), split.format("6M"))
    assert errno(made, "A mremap h 16M maymove") == Outcome.EFAULT
    assert errno(made, join) == 0
    assert errno(made, "A mremap h 16M maymove") == 0


def test_free_is_an_advice_for_anonymous_memory_alone() -> None:
    """MADV_FREE of shared memory or of a file's mapping is EINVAL, and changes nothing (recording 276)."""
    made = machine(
        "proc A", "A shm s 4M", "A touch s 0 4M w seq", "A fmap f data private", "A mmap h 4M", header="file data 4M"
    )
    assert [errno(made, f"A madvise {region} 0 4M free") for region in "sfh"] == [Outcome.EINVAL, Outcome.EINVAL, 0]


def test_files_of_root_are_for_others_to_read() -> None:
    """A write is EBADF, a new file EACCES, a writable shared mapping EACCES; a private one is a copy."""
    made = machine("proc A uid=1000", "A fread data 0 64K 64K", header="file data 4M")
    assert errno(made, "A fwrite data 0 64K 64K") == Outcome.EBADF
    assert errno(made, "A fwrite mine 0 64K 64K") == Outcome.EACCES
    assert errno(made, "A fmap m data shared") == Outcome.EACCES
    assert errno(made, "A fmap m data shared r") == errno(made, "A touch m 0 4M r seq") == 0
    assert errno(made, "A mprotect m 0 4K rw") == Outcome.EACCES
    assert "reading only" in made.run.done[-1].why
    assert errno(made, "A fmap p data private") == errno(made, "A touch p 0 4M w seq") == 0
    assert errno(made, "A mprotect m 0 4K rx") == 0
    assert made.do("A touch m 0 4K w seq") == "died"
    assert made.run.done[-1].deaths[0]["signal"] == 11


def test_keys_are_their_makers_and_roots() -> None:
    made = machine("proc A uid=1000", "proc C uid=1001", "proc R", "A shm s 4M as k", "A shm m 4M as memfd:m")
    assert errno(made, "C shm s as k") == errno(made, "C shm s as memfd:m") == Outcome.EACCES
    assert errno(made, "C unlink k") == Outcome.EPERM
    assert errno(made, "R shm s as k") == errno(made, "R unlink k") == 0


def test_each_tmpfs_has_its_own_limit() -> None:
    """One that is full refuses, the others do not; who made a file may remove it, and root."""
    made = machine(
        "proc A uid=1000", "proc B uid=1001", "proc R", "A fwrite run/a 0 4M 64K",
        header="tmpfs size=8M\ntmpfs run size=4M",
    )  # fmt: skip
    assert errno(made, "B fwrite run/b 0 64K 64K") == Outcome.ENOSPC
    assert "4,096 kB" in made.run.done[-1].why
    assert errno(made, "B fwrite tmp/b 0 8M 64K") == 0
    assert errno(made, "B fwrite tmp/b 8M 64K 64K") == Outcome.ENOSPC
    assert "8,192 kB" in made.run.done[-1].why
    assert errno(made, "B fwrite run/a 0 64K 64K") == Outcome.EBADF
    assert errno(made, "B unlink run/a") == Outcome.EPERM
    assert errno(made, "R unlink run/a") == 0
    assert errno(made, "R fwrite run/b 0 4M 64K") == Outcome.ENOSPC  # A has it open still
    assert errno(made, "A exit") == errno(made, "R fwrite run/b 0 4M 64K") == 0


def test_files_of_proc_name_the_user() -> None:
    made = machine("proc A uid=1000")
    twin = Twin(made.run.machine, made.run.processes.by_name)
    status = twin.read("workers/A/status") or ""
    assert "Uid:\t1000\t1000\t1000\t1000" in status


@pytest.mark.parametrize("kind", ["shared", "private"])
def test_beyond_the_end_of_a_file_is_sigbus(kind: str) -> None:
    """A mapping may be longer than its file; a touch of what lies behind its end ends the process, by SIGBUS."""
    for touch in ("r", "w"):
        made = machine(
            "proc A", f"A fmap m data {kind}", "A mremap m 8M", f"A touch m 0 4M {touch} seq", header="file data 4M"
        )
        assert made.do(f"A touch m 5M 4K {touch} seq") == "died"
        assert made.run.done[-1].deaths[0]["signal"] == 7
        invariants.validate(made.state)


def test_a_read_waits_for_what_the_other_does_beside() -> None:
    made = machine("proc A", "proc B", "A mmap h 2M")
    assert made.do("A touch h 0 2M w seq &") == "running"
    assert errno(made, "B vm_read A h 1M 16K") == 0
    assert figures(made)["RssAnon"] > (2 << 10) - UNFOLDED_KIB


def test_a_buffer_goes_where_what_has_moved_is_not() -> None:
    """Both lie in the highest gap: who comes second, below."""
    made = machine("proc A", "A mmap h 4K", "A mmap k 4K", header="file data 4M")
    assert errno(made, "A mremap h 6M maymove") == errno(made, "A fread data 0 1M 64K") == 0
    assert errno(made, "A touch h 0 6M w seq") == 0


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_a_reader_outlives_whom_its_faults_have_killed(kernel: str) -> None:
    """The reader holds the address space: shared memory is read to its end, and nothing is left of it afterwards."""
    made = Growing(f"machine ram=128M kernel={kernel}\n")
    for line in (
        "proc B adj=-1000", "proc A adj=1000", "A shm h 30M", "A mmap p 10M", "A touch p 0 10M w seq", "B mmap b 25M",
        "B touch b 0 25M w seq",
    ):  # fmt: skip
        assert made.do(line) == "ok"
    assert errno(made, "B vm_read A h 0 30M") == 0
    assert [death["name"] for death in made.run.done[-1].deaths] == ["A"]
    assert made.state.node_stats()["nr_shmem"] == 0


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_a_page_whose_owner_is_killed_while_it_is_brought_back_is_efault(kernel: str) -> None:
    """Swap is full, so the frame for the page is had by killing its owner: its entry is gone when the page is there."""
    made = Growing(f"machine ram=128M kernel={kernel} thp=never\nswap zram size=20M\n")
    for line in (
        "proc B adj=-1000", "proc A adj=1000", "A mmap p 22M", "A touch p 0 22M w seq content=text",
        "A madvise p 0 22M pageout", "B mmap b 30M", "B touch b 0 30M w seq", "sysctl vm.min_free_kbytes=60000",
    ):  # fmt: skip
        assert made.do(line) == "ok"
    assert errno(made, "B vm_read A p 0 22M") == Outcome.EFAULT
    assert [death["name"] for death in made.run.done[-1].deaths] == ["A"]
    assert made.state.node_stats()["nr_anon_pages"] < 33 * PAGES


def test_a_read_of_whom_the_readers_own_page_has_killed_is_no_such_process() -> None:
    """The reader's program was swapped out; bringing it back for the call kills whom it was about to read."""
    made = Growing("machine ram=128M kernel=6.12 thp=never\nswap zram size=40M\n")
    for line in (
        "proc B adj=-1000", "proc A adj=1000", "A mmap p 40M", "A touch p 0 40M w seq", "B mmap b 60M",
        "B touch b 0 60M w seq", "sysctl vm.min_free_kbytes=8000",
    ):  # fmt: skip
        assert made.do(line) == "ok"
    assert errno(made, "B vm_read A p 0 4K") == Outcome.ESRCH
    assert [death["name"] for death in made.run.done[-1].deaths] == ["A"]


def test_a_read_of_a_child_that_was_refused_is_no_such_process() -> None:
    made = machine("sysctl vm.overcommit_memory=2", "sysctl vm.overcommit_ratio=0", "proc A", "A mmap h 150M")
    assert errno(made, "A fork B") == Outcome.ENOMEM
    assert errno(made, "A vm_read B h 0 4K") == Outcome.ESRCH
