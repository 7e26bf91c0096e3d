"""Does the guest's heap program (lab/heap.c) do what its commands say? It is compiled and run on this host."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

LAB = Path(__file__).parents[2] / "lab"
MIB = 1 << 20


class Heap:
    """The program under way, with its two FIFOs."""

    def __init__(self, directory: Path) -> None:
        binary = directory / "heap"
        words = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread", f'-DFIFOS="{directory}"']
        done = subprocess.run([*words, "-o", binary, LAB / "heap.c"], capture_output=True, text=True, check=False)
        if done.returncode and "cannot find -l" in done.stderr:
            pytest.skip("no static C library")
        assert not done.returncode, done.stderr
        for end in "cr":
            os.mkfifo(directory / f"H.{end}")
        self.process = subprocess.Popen([binary, "H"])
        self.commands = (directory / "H.c").open("wb", buffering=0)
        self.replies = (directory / "H.r").open("rb", buffering=0)
        self.number = 0

    def __call__(self, words: str) -> str:
        """Give a command; returns the reply."""
        verb, _, rest = words.partition(" ")
        self.commands.write(f"{self.number} {verb} H {rest}\n".encode())
        self.number += 1
        return self.replies.readline().decode().strip() if verb != "exit" else ""

    def status(self, row: str) -> int:
        """Return a row of the program's status as a number."""
        found = re.search(rf"^{row}:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text(), re.MULTILINE)
        assert found
        return int(found[1])

    def maps(self) -> str:
        return Path(f"/proc/{self.process.pid}/maps").read_text()


@pytest.fixture
def heap(tmp_path: Path) -> Iterator[Heap]:
    if not shutil.which("gcc"):
        pytest.skip("no gcc")
    started = Heap(tmp_path)
    assert started("start") == "ok"
    yield started
    started.process.kill()
    started.process.wait()
    started.commands.close()
    started.replies.close()


def test_blocks_are_allocated_written_and_given_back(heap: Heap) -> None:
    """Resident memory grows when blocks are written, and a trim after free gives it back."""
    before = heap.status("RssAnon")
    assert heap("malloc promise 65536 256 u -") == "ok"
    assert heap.status("RssAnon") - before < 3000
    assert heap("malloc rows 65536 256 w -") == "ok"
    assert 16_000 < heap.status("RssAnon") - before < 19_000
    assert heap("free rows 2 -") == "ok"
    assert heap("malloctrim") == "ok"
    assert 7_500 < heap.status("RssAnon") - before < 11_000
    assert heap("free rows 1 -") == "ok"
    assert heap("free promise 1 -") == "ok"
    assert heap("malloctrim") == "ok"
    assert heap.status("RssAnon") - before < 1_000
    assert heap("free rows 1 -") == "err 2"


def test_a_thread_has_an_arena_of_its_own(heap: Heap) -> None:
    before = heap.status("VmSize"), heap.status("RssAnon")
    assert heap("threadstart work") == "ok"
    assert heap("malloc jobs 4096 256 w work") == "ok"
    assert heap.status("Threads") == 2
    assert heap.status("VmSize") - before[0] > 64 << 10  # an arena's address space, and the stack
    assert 1_000 < heap.status("RssAnon") - before[1] < 1_400
    assert heap("free jobs 1 work") == "ok"
    assert heap("malloc jobs 100 1 w other") == "err 3"


def test_a_threshold_of_its_own_keeps_large_blocks_in_the_heap(heap: Heap) -> None:
    assert heap(f"mallopt mmap_threshold {16 * MIB}") == "ok"
    areas = heap.maps().count("\n")
    assert heap(f"malloc large {MIB} 20 w -") == "ok"
    assert heap.maps().count("\n") <= areas + 1
    assert heap("mallopt colour 1") == "err 22"


def test_an_unknown_command_is_refused_and_exit_ends_it(heap: Heap) -> None:
    assert heap("mmap heap 4096") == "err 38"
    heap("exit")
    assert heap.process.wait(timeout=10) == 0
