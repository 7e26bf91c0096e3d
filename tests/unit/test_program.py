"""Is the program of a scenario's processes what the recordings show, and what lab/program.py makes of one?"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from memtwin.linux.core import mm_types as t
from memtwin.machine import program as programs
from memtwin.machine.build import build
from memtwin.procfs.pid import maps
from memtwin.scenario import Malloc, ThreadStart
from memtwin.scenario.space import Brk
from memtwin.sources.recording import Recording, runs_in
from memtwin.sources.source import Source

ROOT = Path(__file__).parents[2]
RECORDINGS = ROOT / "tests" / "recordings"

sys.path.insert(0, str(ROOT / "lab"))
import program  # noqa: E402

sys.path.pop(0)

RO, RW = t.VM_READ, t.VM_READ | t.VM_WRITE
FIRST_AREAS = [
    (0x400, 1, RO, "binary", 0x0, "r--p", "/init"),
    (0x401, 132, RO | t.VM_EXEC, "binary", 0x1, "r-xp", "/init"),
    (0x485, 41, RO, "binary", 0x85, "r--p", "/init"),
    (0x4AE, 4, RO | t.VM_ACCOUNT, "binary", 0xAE, "r--p", "/init"),
    (0x4B2, 3, RW, "binary", 0xB2, "rw-p", "/init"),
    (0x4B5, 176, RW | t.VM_BSS, "anon", 0, "rw-p", "[heap]"),
    (0x565, 34, RW, "anon", 0, "rw-p", "[heap]"),
    (0x7FFFF7FF9, 4, RO | t.VM_PFNMAP, "vvar", 0, "r--p", "[vvar]"),
    (0x7FFFF7FFD, 2, RO | t.VM_EXEC | t.VM_PFNMAP, "vdso", 0, "r-xp", "[vdso]"),
    (0x7FFFFFFDE, 33, RW | t.VM_GROWSDOWN, "anon", 0, "rw-p", "[stack]"),
]
STACK, THREAD_DATA, PIPES, COMMAND, REGIONS, NEXT_ADDRESS = (
    (0x7FFFFFFFD, 0x7FFFFFFFC), 0x565, 0x4B6, 0x4B7, 0x4B8, 0x4D4,
)  # fmt: skip


@pytest.mark.parametrize("guest_c", ["ce1adb44d50d0d4b", "cf65befca1b64fbb"])
def test_the_first_programs_are_what_was_read_by_hand(guest_c: str) -> None:
    """Each figure that was a constant before there was data."""
    known = programs.program(guest_c)
    areas = [(a.start, a.pages, a.vm_flags, a.source, a.offset, a.perms, a.name) for a in known.areas]
    assert areas == FIRST_AREAS
    assert known.guest_c == guest_c
    assert (known.binary_pages, known.text_pages, known.vdso_pages) == (181, 132, 2)
    assert (known.first_region, known.io_buffer, known.io_buffer_pages) == (0x100000000, 0x7FFFF7EF9, 256)
    assert (known.arguments, known.faults_before_exec) == (0x7FFFFFFFE, 1)
    assert known.read_at_start == (
        0x400, 0x401, *range(0x410, 0x490, 0x10), 0x485, 0x490, 0x4A0, 0x7FFFF7FFD, 0x4AE, 0x4B0, 0x4B2,
    )  # fmt: skip
    assert known.written_at_start == (
        0x4AE, 0x4AF, 0x4B2, 0x4B3, 0x4B4, 0x4B5, 0x4C0, 0x4D0, 0x564, 0x566, THREAD_DATA, PIPES, COMMAND, *STACK,
    )  # fmt: skip
    assert known.written_by_command == (COMMAND,)
    assert (known.read_by_mmap, known.written_by_mmap) == ((), (REGIONS, NEXT_ADDRESS))
    assert known.read_after_fork == (*range(0x410, 0x450, 0x10), 0x401, 0x460, 0x470, 0x485, 0x4A0)
    assert known.written_by_parent == (*STACK, THREAD_DATA)
    assert known.written_by_child == (*STACK, THREAD_DATA, PIPES)


MAPPED_BY_SCENARIOS = ("/data/", "/tmp/", "/SYSV", "/memfd:", "/dev/zero")
"""Files and shared memory that are no part of the program."""


def test_the_recordings_of_each_program_have_its_areas() -> None:
    """Every recorded program is known, and maps of its processes show the areas of the data (6.1)."""
    seen = set()
    for directory in sorted(RECORDINGS.iterdir()):
        for path in runs_in(directory):
            recording = Recording(path)
            if " version 6.1." not in (recording.at("boot").read("proc/version") or ""):
                continue
            if any(isinstance(op, Malloc | ThreadStart) for op in recording.scenario().ops):
                continue  # its processes run the heap program, whose areas are not among the data
            guest_c = recording.at("boot").program
            assert guest_c in programs.known(), path
            label = next((label for label in recording.checkpoints if recording.at(label).names("workers")), None)
            if label is None:
                continue
            seen.add(guest_c)
            source = recording.at(label)
            text = source.read(f"workers/{source.names('workers')[0]}/maps") or ""
            rows = [row for row in maps.parse(text).rows if row.path and not row.path.startswith(MAPPED_BY_SCENARIOS)]
            areas = programs.program(guest_c).areas
            moves = {"[heap]"} if any(isinstance(op, Brk) for op in recording.scenario().ops) else set()
            assert [(r.path not in moves and r.end >> 12, r.perms, r.path) for r in rows] == [
                (a.name not in moves and a.start + a.pages, a.perms, a.name) for a in areas
            ], path
            ends = [(r.end >> 12, a.start + a.pages) for r, a in zip(rows, areas, strict=True) if a.name in moves]
            assert all(end >= known for end, known in ends), path
            grown = [r.path for r, a in zip(rows, areas, strict=True) if r.start >> 12 != a.start]
            assert grown in ([], ["[stack]"]), path
            assert [r.offset >> 12 for r in rows] == [a.offset for a in areas], path
    assert seen == set(programs.known())


def test_the_script_makes_the_stored_data_of_a_recording() -> None:
    """From the ELF headers and the faults of one idle recording, byte for byte; from a second run too."""
    for path in runs_in(RECORDINGS / "121-worker-idle"):
        recording = Recording(path)
        stored = program.PROGRAMS / f"{recording.meta['guest_c']}.toml"
        assert program.written(program.derive(recording)) == stored.read_text()


def test_every_page_of_a_program_lies_in_an_area_that_allows_it() -> None:
    for known in programs.known().values():
        writable = {page for a in known.areas if "WRITE" in a.flags for page in range(a.start, a.start + a.pages)}
        relro = {page for a in known.areas if "ACCOUNT" in a.flags for page in range(a.start, a.start + a.pages)}
        mapped = {page for a in known.areas for page in range(a.start, a.start + a.pages)}
        assert mapped.issuperset((*known.read_at_start, *known.read_after_fork, *known.read_by_mmap, known.arguments))
        assert (writable | relro).issuperset(known.written_at_start)
        for later in (known.written_by_command, known.written_by_mmap, known.written_by_parent, known.written_by_child):
            assert writable.issuperset(later), known.guest_c
        assert set(known.written_by_command) <= {*known.written_at_start, *known.written_by_child}


class OfAnUnknownProgram(Source):
    """A recorded boot whose recording names a program that there is no data for."""

    def __init__(self, real: Source) -> None:
        super().__init__("other")
        self._real = real

    @property
    def program(self) -> str | None:
        return "0123456789abcdef"

    def read(self, path: str) -> str | None:
        text = self._real.read(path)
        if text is None:
            self.unread[path] = self._real.unread[path]
        return text

    def names(self, path: str = "") -> list[str]:
        return self._real.names(path)


def test_a_machine_has_the_program_of_its_recording_or_the_default() -> None:
    real = Recording(RECORDINGS / "121-worker-idle" / "run1.tar.xz").at("boot")
    assert build(real).program.path == "/worker"
    other = build(OfAnUnknownProgram(real))
    assert other.program is programs.program(None)
    assert other.program.guest_c == programs.DEFAULT
    assert any("0123456789abcdef" in note for note in other.notes)


def test_a_worker_apart_from_pid_1_shares_no_page_with_it_at_boot() -> None:
    """Its file is cached, not mapped: the first process adds its resident pages to Mapped."""
    built = build(Recording(RECORDINGS / "121-worker-idle" / "run1.tar.xz").at("boot"))
    from memtwin.linux.mm import filemap

    info = filemap.file_info(built.state, built.binary)
    assert info.pages == info.cached == built.program.binary_pages
    assert built.state.node_stats()["nr_mapped"] == built.boot.vmstat["nr_mapped"]
