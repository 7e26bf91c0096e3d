"""Do the lines of ``swapuse`` add up to the used swap, with no more left over than the CPUs can hold?"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memtwin import cli
from memtwin.procfs import swaps
from memtwin.render import terminal
from memtwin.render.grid import texts
from memtwin.sources.processes import processes
from memtwin.sources.recording import Recording, runs_in
from memtwin.views.swapuse import Swapped, User, sentences, shares, view

if TYPE_CHECKING:
    from memtwin.sources.source import Source

RECORDINGS = Path(__file__).parents[1] / "recordings"
NAMES = sorted(path.name for path in RECORDINGS.iterdir())
CPU_CACHES_BYTES = 512 << 10


def use(capsys: pytest.CaptureFixture[str], root: str) -> dict:  # type: ignore[type-arg]
    assert cli.main(["swapuse", "--root", root, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["data"]  # type: ignore[no-any-return]


SWAP_SHARED_MEMORY = {
    "201-shm-swap-disk", "202-shm-zram", "203-tmpfs-pressure", "206-tmpfs-several", "207-tmpfs-500m",
    "265-shm-rights.k612", "266-tmpfs-maps", "272-shm-two-areas", "273-tmpfs-unlink-swapped", "274-shm-fork-zram",
    "275-tmpfs-beyond-ram", "276-shm-advice",
}  # fmt: skip


def in_page_tables(source: Source) -> int:
    """Bytes of swap that the processes' own files name, a slot that several have divided among them."""
    found = [re.search(r"^SwapPss: +([0-9]+) kB", one.read("smaps_rollup") or "", re.M) for one in processes(source)]
    return sum(int(match[1]) << 10 for match in found if match)


@pytest.mark.parametrize("scenario", NAMES)
def test_the_lines_add_up_on_every_recording(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no swap area, none is used."""
    run, judged, swaps_it = runs_in(RECORDINGS / scenario)[0], 0, False
    read = Recording(run).scenario()
    if not read.swaps:
        found = use(capsys, f"{run}@{Recording(run).checkpoints[-1]}")
        assert (found["used_bytes"], found["processes"], found["others"]) == (0, [], [])
        return
    share = 0.02 if any(getattr(op, "beside", False) for op in read.ops) else 0.01  # others go on while files are read
    for label in Recording(run).checkpoints:
        found = use(capsys, f"{run}@{label}")
        others = {line["name"]: line["swap_bytes"] for line in found["others"]}
        whole = sum(one["swap_bytes"] for one in found["processes"]) + sum(others.values())
        areas = swaps.parse(Recording(run).at(label).read(swaps.PATH) or "").areas
        margin = share * found["used_bytes"]
        moved = abs(sum(area.used_kib for area in areas) * 1024 - found["used_bytes"]) > margin
        if moved or in_page_tables(Recording(run).at(label)) > found["used_bytes"] + margin:
            continue  # it swapped while its files were read, one after another
        judged += 1
        assert abs(whole - found["used_bytes"]) <= margin, label
        shared = [name for name in others if "tmpfs" in name and "kept by huge pages" not in name]
        swaps_it |= bool(shared)
        assert (
            sum(size for name, size in others.items() if "slot caches" in name) <= CPU_CACHES_BYTES * read.machine.cpus
        )
    assert judged > 1
    assert swaps_it == bool({scenario, scenario.removesuffix(".k612")} & SWAP_SHARED_MEMORY)


def test_a_slot_that_two_processes_share_is_divided(capsys: pytest.CaptureFixture[str]) -> None:
    run = RECORDINGS / "97-swap-fork" / "run1.tar.xz"
    found = use(capsys, f"{run}@childread")
    assert sum(one["swap_bytes"] for one in found["processes"]) == 113760 << 10  # VmSwap would say 166168
    assert all(one["exact"] for one in found["processes"])


def swapped(*users: User, cached: int = 0, unmapped: int = 0, sysv: int | None = None) -> Swapped:
    return Swapped(10_000, 4_000, cached, unmapped, users, 2, 4, sysv)


def test_what_no_process_has_is_the_caches_the_cpus_and_then_shared_memory() -> None:
    lines = {
        line.name.split(" ")[0]: line.kib for line in shares(swapped(User(1, "a", 2_000, True), cached=900, sysv=500))
    }
    assert lines == {"in": 900, "SysV": 500, "slot": 1024, "shared": 6_000 - 2_000 - 900 - 500 - 1024}


def test_shared_slots_that_only_vmswap_counts_are_said() -> None:
    found = swapped(User(1, "a", 4_000, False), User(2, "b", 4_000, False))
    assert "add up to 8000 KiB, more than is used" in " ".join(texts(sentences(found)))
    assert shares(found) == ()


def test_files_of_two_moments_are_no_shared_slots() -> None:
    text = " ".join(texts(sentences(swapped(User(1, "a", 8_000, True)))))
    assert "add up to 8000 KiB, more than is used: meminfo and" in text
    assert "VmSwap" not in text


def test_many_processes_are_cut_and_summed_and_hostile_names_stay_text() -> None:
    text = terminal.show(view(swapped(*(User(i, f"x\x1b[{i}m", 100, True) for i in range(30))), 20))
    assert "\x1b" not in text
    assert "10 more processes" in text
    assert terminal.show(view(Swapped(0, 0, 0, 0, (), 1, 4), 20)) == "There is no swap area.\n"


def test_sysv_segments_that_are_swapped_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "proc" / "sysvipc").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text("SwapTotal: 9000 kB\nSwapFree: 1000 kB\nMemTotal: 9000 kB\n")
    (tmp_path / "proc" / "sysvipc" / "shm").write_text(
        "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid"
        "      atime      dtime      ctime                   rss                  swap\n"
        "         0          1  1600               8388608     7     7      1     0     0     0     0"
        " 1700000000          0 1700000000               1048576               7340032\n"
    )
    names = {line["name"]: line["swap_bytes"] for line in use(capsys, str(tmp_path))["others"]}
    assert names["SysV shared memory"] == 7340032
