"""Sizes that the model cannot number or this host has no memory for: one message that names who asks, never a crash."""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from memtwin.errors import HostMemoryError, MemtwinError
from memtwin.linux.core.state import State
from memtwin.linux.mm import swapon
from memtwin.run import run
from memtwin.scenario import parse

if TYPE_CHECKING:
    from pathlib import Path

GROWS = "machine ram=2G\nsysctl vm.overcommit_memory=1\nproc A\nA mmap h 1G\nA touch h 0 1G w seq\n" + "".join(
    f"A fork c{number}\n" for number in range(60)
)


@pytest.mark.parametrize(
    ("text", "settings", "says"),
    [
        ("machine ram=8796093022207M\nproc A\n", (), r"s\.mem:1: machine ram=8796093022207M: .* so much RAM"),
        ("proc A\n", ("machine.ram=999999999G",), r"--set machine\.ram=.*: at most"),
        ("swap disk size=0\nproc A\n", (), r"s\.mem:1: .*at least 8K"),
        ("swap zram size=4K\nproc A\n", (), r"s\.mem:1: .*at least 8K"),
        ("swap disk size=9223372036854771712\nproc A\n", (), r"s\.mem:1: .*at most 512G"),
        ("swap zram size=1M\nproc A\n", ("swap.zram.size=900000G",), r"--set swap\.zram\.size=.*: expected 8K\.\."),
        ("swap disk size=1M\nproc A\n", ("swap.disk.size=513G",), r"--set swap\.disk\.size=.*: expected 8K\.\.512G"),
        ("swap zram size=1M\nproc A\n", ("swap.zram.size=0",), r"--set swap\.zram\.size=0: expected 8K\.\."),
        ("proc A\n", ("swap.zram.size=0",), r"--set swap\.zram"),
        ("\nfile f 9223372036854775807\nproc A\n", (), r"s\.mem:2: expected a file of at most"),
    ],
)  # fmt: skip
def test_a_size_that_the_model_cannot_number_is_refused(text: str, settings: tuple[str, ...], says: str) -> None:
    with pytest.raises(MemtwinError, match=says):
        run.simulate(parse(text, "s.mem"), None, settings=settings)


def limited(path: Path, text: str, *words: str, most_bytes: int) -> subprocess.CompletedProcess[str]:
    """Run a scenario in a process that may have so many bytes of address space."""
    path.write_text(text)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))

    command = (sys.executable, "-m", "memtwin", "run", str(path), *words)
    return subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, check=False)


@pytest.mark.parametrize(
    ("text", "words", "says"),
    [
        ("machine ram=1000G\nproc A\n", (), "s.mem:1: machine ram=1000G: this host has no memory for a machine of"),
        ("proc A\n", ("--set", "machine.ram=1000G"), "--set machine.ram="),
        ("swap zram size=200G\nproc A\n", (), "s.mem:1: swap zram size=200G: this host has no memory for a swap area"),
        ("swap disk size=1M\nproc A\n", ("--set", "swap.disk.size=200G"), "--set swap.disk.size="),
        ("swap disk size=200G on=0\nproc A\nswapon disk\n", (), "s.mem:3: swapon disk: this host has no memory"),
        ("file f 4000G\nproc A\n", (), "s.mem:1: file f "),
        ("proc A\nA fwrite f 4000000M 4K 4K\n", (), "s.mem:2: A fwrite f 4000000M 4K 4K: this host has no memory"),
        (GROWS, (), ": A fork c"),
        ("machine ram=192M\nfile f 60G\nproc A\nA fread f 0 60G 1M\n", (), "s.mem:4: A fread f 0 60G 1M: this host"),
    ],
)  # fmt: skip
def test_a_size_that_this_host_has_no_memory_for_is_an_error(
    text: str, words: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    """In place of a crash: exit code 1, and the line or word that asks is named."""
    done = limited(tmp_path / "s.mem", text, *words, most_bytes=250 << 20)
    assert done.returncode == 1, done.stderr
    assert says in done.stderr
    assert "this host has no memory for" in done.stderr
    assert "bug" not in done.stderr


def test_a_limit_of_address_space_leaves_room_for_an_ordinary_machine(tmp_path: Path) -> None:
    """`ulimit -v` counts addresses that are only reserved: the arrays of a machine reserve a share of it."""
    text = "machine ram=2G\nproc A\nA mmap h 64M\nA touch h 0 64M w seq\n" + "".join(
        f"A fork c{number}\n" for number in range(200)
    )
    done = limited(tmp_path / "s.mem", text, most_bytes=400 << 20)
    assert done.returncode == 0, done.stderr


def test_a_machine_is_as_before_after_an_area_that_could_not_be_had() -> None:
    """What is refused up front leaves nothing half made."""
    machine = run.simulate(parse("proc A\n"), None).machine
    with pytest.raises(ValueError, match="a swap area of 134217728 slots"):
        swapon.swapon(machine.state, 1 << 27, -1, True, False, 0)
    with pytest.raises(HostMemoryError):
        State(1 << 46, 1)
    run.Run(parse("proc A\nA mmap h 1M\nA touch h 0 1M w seq\n"), machine.copy()).execute()
