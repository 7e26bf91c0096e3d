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
    assert heap("malloc leak 65536 256") == "ok"
    assert heap.status("RssAnon") - before < 3000
    assert heap("write leak") == "ok"
    assert 16_000 < heap.status("RssAnon") - before < 18_000
    assert heap("free leak 2") == "ok"
    assert heap("malloc_trim") == "ok"
    assert 7_500 < heap.status("RssAnon") - before < 9_500
    assert heap("free leak") == "ok"
    assert heap("malloc_trim 0") == "ok"
    assert heap.status("RssAnon") - before < 1_000
    assert heap("free leak") == "err 2"
    assert heap("write leak") == "err 2"


def test_a_thread_has_an_arena_of_its_own(heap: Heap) -> None:
    before = heap.status("VmSize"), heap.status("RssAnon")
    assert heap("thread work 4096 256") == "ok"
    assert heap.status("Threads") == 2
    assert heap.status("VmSize") - before[0] > 64 << 10  # an arena's address space, and the stack
    assert 1_000 < heap.status("RssAnon") - before[1] < 1_400


def test_memory_is_shared_by_name_and_without_one(heap: Heap) -> None:
    assert heap(f"anon region {MIB}") == "ok"
    assert heap("write region") == "ok"
    assert heap.status("RssShmem") == 1024
    assert "/dev/zero (deleted)" in heap.maps()
    assert heap("unmap region") == "ok"
    assert heap.status("RssShmem") == 0
    assert heap("unmap region") == "err 2"


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="/dev/shm is no tmpfs here")
def test_shm_and_tmpfs_are_pages_of_dev_shm(heap: Heap) -> None:
    name = f"/memtwin-test-{os.getpid()}"
    try:
        assert heap(f"shm region {name} {MIB}") == "ok"
        assert heap("write region") == "ok"
        assert heap.status("RssShmem") == 1024
        assert heap(f"tmpfs {name[1:]} 0 10000") == "ok"
        assert Path("/dev/shm" + name).read_bytes()[4096:4097] == b"\1"
    finally:
        assert heap(f"shm_unlink {name}") == "ok"
    assert not Path("/dev/shm" + name).exists()


def test_an_unknown_command_is_refused_and_exit_ends_it(heap: Heap) -> None:
    assert heap("mmap heap 4096") == "err 38"
    heap("exit")
    assert heap.process.wait(timeout=10) == 0
