"""The program that carries out a scenario's operations, as the kernel sees it: its areas and what it touches.

A small static binary (740 KB) that lies in ramfs.  What a fresh process of it costs was read from recordings: 250
pages promised, 11 areas, 18 anonymous and 177 file pages resident, 7 page tables.  Page numbers are those that
``/proc/PID/maps`` of the recordings shows (no address randomisation).  Which pages its start, each command and a fork
write follows from its source and from the counts of faults, copies and reuses; ``docs/kernel-map.md`` has the list.
"""

from __future__ import annotations

from typing import NamedTuple

from memtwin.linux.core import mm_types as t

BINARY_PAGES = 181
"""Pages of the program's file."""
VDSO_PAGES = 2
TEXT_PAGES = 132
FIRST_REGION = 0x100000000
"""Page number of the first region that a process maps; the next follows 2 MiB after the rounded-up end."""
HUGE_PAGES = 512


class Area(NamedTuple):
    """One area of a fresh process: pages *start* to *start + pages*, from *source* at page *offset* of it."""

    start: int
    pages: int
    flags: int
    source: str
    offset: int
    perms: str
    name: str


RW = t.VM_READ | t.VM_WRITE

AREAS = (
    Area(0x400, 1, t.VM_READ, "binary", 0x0, "r--p", "/init"),
    Area(0x401, TEXT_PAGES, t.VM_READ | t.VM_EXEC, "binary", 0x1, "r-xp", "/init"),
    Area(0x485, 41, t.VM_READ, "binary", 0x85, "r--p", "/init"),
    Area(0x4AE, 4, t.VM_READ | t.VM_ACCOUNT, "binary", 0xAE, "r--p", "/init"),
    Area(0x4B2, 3, RW, "binary", 0xB2, "rw-p", "/init"),
    Area(0x4B5, 176, RW | t.VM_BSS, "anon", 0, "rw-p", "[heap]"),
    Area(0x565, 34, RW, "anon", 0, "rw-p", "[heap]"),
    Area(0x7FFFF7FF9, 4, t.VM_READ | t.VM_PFNMAP, "vvar", 0, "r--p", "[vvar]"),
    Area(0x7FFFF7FFD, VDSO_PAGES, t.VM_READ | t.VM_EXEC | t.VM_PFNMAP, "vdso", 0, "r-xp", "[vdso]"),
    Area(0x7FFFFFFDE, 33, RW | t.VM_GROWSDOWN, "anon", 0, "rw-p", "[stack]"),
)

ARGUMENTS = 0x7FFFFFFFE
"""The stack page that exec fills before the program runs."""
STACK = (0x7FFFFFFFD, 0x7FFFFFFFC)
THREAD_DATA = 0x565
"""errno and the rest of the thread's own data, at the start of the heap."""
PIPES = 0x4B6
"""Where the program keeps its two pipes."""
COMMAND = 0x4B7
"""The buffer that a command is read into."""
REGIONS = 0x4B8
NEXT_ADDRESS = 0x4D4
"""Two pages that mapping a region writes."""

IO_BUFFER = 0x7FFFF7EF9
"""Where the program's buffer for reads and writes is mapped, at the first of them."""
IO_BUFFER_PAGES = 256

READ_AT_START = (
    0x400, 0x401, *range(0x410, 0x490, 0x10), 0x485, 0x490, 0x4A0, 0x7FFFF7FFD, 0x4AE, 0x4B0, 0x4B2,
)  # fmt: skip
"""One page of each window of the file that the start of the program reads."""
WRITTEN_AT_START = (
    0x4AE, 0x4AF, 0x4B2, 0x4B3, 0x4B4, 0x4B5, 0x4C0, 0x4D0, 0x564, 0x566, THREAD_DATA, PIPES, COMMAND, *STACK,
)  # fmt: skip
FAULTS_BEFORE_EXEC = 1
"""Faults of the starting process that leave nothing in the new address space."""

READ_AFTER_FORK = (*range(0x410, 0x450, 0x10), 0x401, 0x460, 0x470, 0x485, 0x4A0)
"""One page of each window that the child runs through until it waits for its first command."""
WRITTEN_BY_PARENT = (*STACK, THREAD_DATA)
WRITTEN_BY_CHILD = (*STACK, THREAD_DATA, PIPES)
WRITTEN_BY_COMMAND = (COMMAND,)
WRITTEN_BY_MMAP = (REGIONS, NEXT_ADDRESS)


def region_step(pages: int) -> int:
    """How far the next region lies from this one's start: rounded up to 2 MiB, and 2 MiB more; pages."""
    return -(-pages // HUGE_PAGES) * HUGE_PAGES + HUGE_PAGES
