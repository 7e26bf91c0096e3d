"""The program of a scenario's processes, as the kernel sees it: its areas and the pages that it touches.

A recording names its program by ``guest_c`` of run.json; ``data/programs/GUEST_C.toml`` has the figures, written by
``lab/program.py`` from the program's ELF headers and a recording of its page faults. Page numbers are those of
``/proc/PID/maps`` (no address randomisation).
"""

from __future__ import annotations

import tomllib
from functools import cache, cached_property
from importlib.resources import files

import msgspec

from memtwin.linux.core import mm_types as t

DEFAULT = "ce1adb44d50d0d4b"
"""The program on a machine that names none: one from a description or a host's snapshot."""
INIT = "/init"
"""PID 1's program in the guest: a worker of this path shares its pages with PID 1."""
HUGE_PAGES = 512
RW = t.VM_READ | t.VM_WRITE


class ProgramArea(msgspec.Struct, frozen=True):
    """One area of a fresh process: pages *start* to *start + pages*, from *source* at page *offset* of it.

    *flags*: the kernel's VM_ flags by name; *perms* and *name* are what maps prints.
    """

    start: int
    pages: int
    flags: tuple[str, ...]
    source: str
    offset: int
    perms: str
    name: str

    @property
    def is_sealed(self) -> bool:
        """Whether the program writes it at its start and makes it read-only then (relro): it stays promised."""
        return "ACCOUNT" in self.flags and "WRITE" not in self.flags

    @property
    def vm_flags(self) -> int:
        """The flags as the model numbers them."""
        return sum(getattr(t, f"VM_{flag}") for flag in self.flags)


class Program(msgspec.Struct, frozen=True, dict=True):
    """A program: its areas, and page numbers that it reads and writes, each in order.

    Of a window of the file that a fault maps around, one page stands for all.
    """

    guest_c: str
    path: str
    binary_pages: int
    """Pages of the program's file."""
    first_region: int
    """Where the first region of a process is mapped; the next follows 2 MiB after the rounded-up end."""
    io_buffer: int
    """Where the buffer for reads and writes is mapped, at the first of them."""
    io_buffer_pages: int
    arguments: int
    """The stack page that exec fills before the program runs."""
    faults_before_exec: int
    """Faults counted at a start that leave nothing in the new address space."""
    read_at_start: tuple[int, ...]
    written_at_start: tuple[int, ...]
    written_by_command: tuple[int, ...]
    read_by_mmap: tuple[int, ...]
    written_by_mmap: tuple[int, ...]
    read_after_fork: tuple[int, ...]
    """What a child reads until it waits for its first command."""
    written_by_parent: tuple[int, ...]
    written_by_child: tuple[int, ...]
    areas: tuple[ProgramArea, ...]

    @cached_property
    def text_pages(self) -> int:
        """Pages of the file that are executable."""
        return sum(area.pages for area in self.areas if area.source == "binary" and "EXEC" in area.flags)

    @cached_property
    def vdso_pages(self) -> int:
        """Pages of the kernel's own library."""
        return sum(area.pages for area in self.areas if area.source == "vdso")

    @cached_property
    def stack_pointer(self) -> int:
        """The page that the program's stack pointer is on while it waits for a command."""
        stack = next(area for area in self.areas if "GROWSDOWN" in area.flags)
        return max(page for page in self.written_at_start if stack.start <= page < stack.start + stack.pages)

    @property
    def is_init(self) -> bool:
        """Whether PID 1 runs the same program."""
        return self.path == INIT


@cache
def known() -> dict[str, Program]:
    """Return every program that there is data for, by its ``guest_c``."""
    texts = [entry.read_text(encoding="utf-8") for entry in (files("memtwin") / "data" / "programs").iterdir()]
    programs = (msgspec.convert(tomllib.loads(text), Program) for text in texts)
    return {program.guest_c: program for program in programs}


def program(guest_c: str | None) -> Program:
    """Return the program of a recording; the default one where it is not named or not known."""
    programs = known()
    return programs.get(guest_c or DEFAULT, programs[DEFAULT])


def region_step(pages: int) -> int:
    """How far the next region lies from this one's start: rounded up to 2 MiB, and 2 MiB more; pages."""
    return -(-pages // HUGE_PAGES) * HUGE_PAGES + HUGE_PAGES
