"""Is what is read of glibc's free lists from outside what mallinfo2 says, and is the program left alone?"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memtwin.sources.glibc_heap import Kept, Unknown, kept
from memtwin.sources.process_memory import ProcessMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).parents[1] / "trials" / "heap.c"
SLACK = 256 << 10
"""What the kernel's counter of RSS is off by: 64 pages for each CPU of two."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("gcc"):
        pytest.skip("no C compiler here")
    path = tmp_path_factory.mktemp("heap") / "heap"
    subprocess.run(["gcc", "-O1", "-pthread", "-o", path, SOURCE], check=True)
    return path


@contextmanager
def running(program: Path, mode: str, mb: int = 16) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    process = subprocess.Popen([program, mode, str(mb)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process, [int(word) for word in process.stdout.readline().split()]
    finally:
        process.kill()
        process.communicate()


def look(pid: int) -> Kept | Unknown:
    memory = ProcessMemory(pid)
    try:
        return kept(memory)
    finally:
        memory.close()


def settle(pid: int) -> None:
    """Wait until all threads of a program have gone to sleep after its line: until then its RSS moves by itself."""
    memory = ProcessMemory(pid)
    try:
        for _ in range(100):
            ran = memory.run_ns()
            time.sleep(0.1)
            if memory.run_ns() == ran:
                return
    finally:
        memory.close()


def rows(pid: int) -> dict[str, str]:
    kept_rows = ("VmRSS", "VmSwap", "VmPTE", "RssAnon", "VmHWM")
    lines = [line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return {words[0]: words[1] for words in lines if words[0] in kept_rows}


@pytest.mark.parametrize(
    ("mode", "arenas"), [("live", 1), ("half", 1), ("most", 1), ("small", 1), ("shuffled", 1), ("threads", 5)]
)
def test_free_and_trimmed_are_as_glibc_says(program: Path, mode: str, arenas: int) -> None:
    """The sum to the byte; what malloc_trim(0) then gives within 2 %; nothing of the program changes meanwhile."""
    with running(program, mode) as (process, (free, system, rss)):
        settle(process.pid)
        before = rows(process.pid)
        found = look(process.pid)
        assert rows(process.pid) == before
        assert isinstance(found, Kept), found
        assert (found.arenas, found.system_bytes, found.free_bytes) == (arenas, system, free)
        assert process.stdin
        assert process.stdout
        process.stdin.write("\n")
        process.stdin.flush()
        after = int(process.stdout.readline().split()[2])
        assert abs((rss - after) - found.trim_bytes) <= 0.02 * found.trim_bytes + SLACK


@pytest.mark.parametrize(("mode", "most"), [("half", 100), ("shuffled", 200)])
def test_each_part_of_a_heap_is_read_once_or_twice(
    program: Path, mode: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list in the order of addresses needs few blocks at a time; one that goes to and fro makes all be kept."""
    reads: list[int] = []
    read = ProcessMemory.read

    def counted(memory: ProcessMemory, start: int, end: int, room: bytearray | None = None) -> object:
        reads.append(start)
        return read(memory, start, end, room)

    monkeypatch.setattr(ProcessMemory, "read", counted)
    with running(program, mode) as (process, _):
        settle(process.pid)
        assert isinstance(look(process.pid), Kept)
    assert 64 <= len(reads) < most  # 16 MB in blocks of 256 KiB


def test_a_program_that_goes_on_is_read_or_said_to_change_too_fast(program: Path) -> None:
    """Lists are torn while they are read: a figure within what the heap is, or the reason, and it soon ends."""
    with running(program, "busy") as (process, _):
        time.sleep(0.3)
        begin = time.monotonic()
        for _ in range(5):
            found = look(process.pid)
            if isinstance(found, Kept):
                assert 0 <= found.trim_bytes <= found.free_bytes <= found.system_bytes < 64 << 20
            else:
                assert "twice alike" in found.why
        assert time.monotonic() - begin < 60
        assert process.poll() is None


def test_a_program_without_glibc_is_unknown(tmp_path: Path) -> None:
    if not shutil.which("gcc"):
        pytest.skip("no C compiler here")
    source = tmp_path / "bare.c"
    source.write_text('static char s[1<<20]; void _start(void){ s[5]=1; for(;;) __asm__ volatile("pause"); }\n')
    subprocess.run(["gcc", "-nostdlib", "-static", "-o", tmp_path / "bare", source], check=True)
    process = subprocess.Popen([tmp_path / "bare"])
    try:
        time.sleep(0.1)
        found = look(process.pid)
        assert isinstance(found, Unknown)
        assert "no malloc of glibc" in found.why
    finally:
        process.kill()
        process.wait()


def test_without_ptrace_rights_it_is_refused() -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read any process")
    with pytest.raises(PermissionError):
        ProcessMemory(1)


def test_a_process_that_is_gone() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    with pytest.raises(OSError, match="No such"):
        ProcessMemory(process.pid)


def test_pages_that_are_not_there_are_not_brought(program: Path) -> None:
    """Reading gives zeros for what was never touched, and touches nothing."""
    with running(program, "live") as (process, _):
        memory = ProcessMemory(process.pid)
        try:
            settle(process.pid)
            stack = next(row for row in memory.maps().rows if row.path == "[stack]")
            before = rows(process.pid)
            assert len(memory.read(stack.start, stack.end)) == stack.end - stack.start
            present = sum(end - at for at, end in memory.present(stack.start, stack.end))
            assert 0 < present <= memory.held(stack.start, stack.end) <= stack.end - stack.start
            assert rows(process.pid) == before
        finally:
            memory.close()
