"""Which pages processes have, touched and wrote, read of their page tables through /proc/kcore: ``record --pages``.

The accessed bit of each page is in no other file of a kernel without idle page tracking. /proc/kcore, which only root
may read, has the kernel's memory; where a process's tables are its task_struct says, at offsets that the kernel
describes (:mod:`~memtwin.sources.btf`). Nothing is written there. After a look the bits are forgotten by clear_refs.
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.errors import InputError
from memtwin.sources import open_files, page_looks
from memtwin.sources.btf import PATH as BTF
from memtwin.sources.btf import Types

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from memtwin.sources.recorder import Readings

MOST_SHARE: Final = 0.1
"""Share of the time that looks may take; beyond it their interval grows."""
_PAGE: Final = 4096
_ENTRIES: Final = struct.Struct("<512Q")
_PRESENT, _ACCESSED, _HUGE, _SOFT_DIRTY = 1, 0x20, 0x80, 0x800
_FRAME: Final = 0x000FFFFFFFFFF000
_WANTED: Final = (0, _PRESENT | _ACCESSED, _PRESENT | _SOFT_DIRTY)
_MOST_TASKS: Final = 1 << 22
_LOAD: Final = 1
_DIGITS: Final = "abcdefghijklmnop"
_FORGET: Final = (b"1", b"4")
"""What is written to clear_refs: accessed bits, and which pages were written."""


class _Segment(NamedTuple):
    offset: int
    address: int
    physical: int
    size: int


class Kcore:
    """The kernel's memory below *root*; OSError, or InputError where something of it is not as it should be."""

    def __init__(self, root: Path = Path("/")) -> None:
        types = Types((root / BTF).read_bytes())
        self._next, self._tgid = types.offset("task_struct", "tasks"), types.offset("task_struct", "tgid")
        self._mm, self._pgd = types.offset("task_struct", "mm"), types.offset("mm_struct", "pgd")
        self._init = _init_task(root / "proc/kallsyms")
        flags = (root / "proc/cpuinfo").read_bytes().split(b"\n\n", 1)[0].split()
        self._levels = 5 if b"la57" in flags else 4
        self._fd = os.open(root / "proc/kcore", os.O_RDONLY | os.O_CLOEXEC)
        self._segments = list(self._load())

    def _load(self) -> Iterator[_Segment]:
        head = os.pread(self._fd, 64, 0)
        (table,), (number,) = struct.unpack_from("<Q", head, 32), struct.unpack_from("<H", head, 56)
        for at in range(number):
            kind, _, offset, address, physical, size, _, _ = struct.unpack(
                "<IIQQQQQQ", os.pread(self._fd, 56, table + 56 * at)
            )
            if kind == _LOAD:
                yield _Segment(offset, address, physical, size)

    def _segment(self, address: int) -> _Segment:
        for one in self._segments:
            if 0 <= address - one.address < one.size:
                return one
        raise InputError(f"proc/kcore: has no address {address:#x}")

    def _at(self, address: int, length: int) -> bytes:
        one = self._segment(address)
        data = os.pread(self._fd, length, address - one.address + one.offset)
        if len(data) != length:
            raise InputError(f"proc/kcore: ends within {length} bytes from address {address:#x}")
        return data

    def _word(self, address: int) -> int:
        found: int = struct.unpack("<Q", self._at(address, 8))[0]
        return found

    def tasks(self) -> dict[int, int]:
        """Return where the task_struct of each process is; OSError or InputError: the list changed meanwhile."""
        found, task = {}, self._init
        for _ in range(_MOST_TASKS):
            task = self._word(task + self._next) - self._next
            if task == self._init:
                break
            found[struct.unpack("<I", self._at(task + self._tgid, 4))[0]] = task
        return found

    def pages(self, task: int) -> str:
        """Return the pages of a process as a look (:mod:`~memtwin.sources.page_looks`); empty: it has no memory."""
        mm = self._word(task + self._mm)
        if not mm:
            return ""
        pgd = self._word(mm + self._pgd)
        one = self._segment(pgd)
        return "".join(self._walk(pgd - one.address + one.physical, self._levels, 0))

    def _walk(self, physical: int, level: int, number: int) -> Iterator[str]:
        entries = self._table(physical)
        if level == 1:
            if any(entries):
                yield _line(number, entries)
            return
        for at in range(256 if level == self._levels else 512):
            entry = entries[at]
            if not entry & _PRESENT:
                continue
            if level == 2 and entry & _HUGE:
                yield _line(number * 512 + at, (entry,) * 512)
            elif not entry & _HUGE:
                yield from self._walk(entry & _FRAME, level - 1, number * 512 + at)

    def _table(self, physical: int) -> tuple[int, ...]:
        for one in self._segments:
            if 0 < one.physical <= physical < one.physical + one.size:
                data = os.pread(self._fd, _PAGE, physical - one.physical + one.offset)
                if len(data) == _PAGE:
                    return _ENTRIES.unpack(data)
        return (0,) * 512


def _line(number: int, entries: tuple[int, ...]) -> str:
    columns = []
    for wanted in _WANTED:
        bits = [bool(entry) and entry & wanted == wanted for entry in entries]
        columns.append(
            "".join(
                _DIGITS[bits[at] | bits[at + 1] << 1 | bits[at + 2] << 2 | bits[at + 3] << 3] for at in range(0, 512, 4)
            )
        )
    return f"{number} {' '.join(columns)}\n"


def _init_task(path: Path) -> int:
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b" init_task\n"):
                address = int(line.split()[0], 16)
                if address:
                    return address
    raise InputError(
        "proc/kallsyms: no address of init_task: all are 0 to who is not root, and not every kernel lists it"
    )


class PageLooks:
    """Looks at the pages of each process after so many seconds, and forgets which were touched and written."""

    def __init__(self, every_s: float, kcore: Kcore) -> None:
        self.every_s, self._kcore = every_s, kcore
        self._due_s = 0.0

    def look(self, pids: Collection[int], made: Readings) -> None:
        """Add the pages of each that has memory, and where they are mapped from."""
        begin = time.monotonic()
        if begin < self._due_s:
            return
        try:
            tasks = self._kcore.tasks()
        except (OSError, InputError):  # a process ended meanwhile: the next sample tries again
            return
        for pid in sorted(pids):
            try:
                if pid not in tasks:
                    continue
                where, text = Path(f"/proc/{pid}/maps").read_bytes(), self._kcore.pages(tasks[pid])
                opened = open_files.of_process(pid)
                for what in _FORGET:
                    _clear(pid, what)
            except (OSError, InputError):  # it ended meanwhile
                continue
            if text:
                made.files[f"proc/{pid}/maps"] = where
                made.files[page_looks.PATH.format(pid=pid)] = text.encode()
                made.files[open_files.PATH.format(pid=pid)] = opened
        end = time.monotonic()
        self._due_s = begin + max(self.every_s, (end - begin) / MOST_SHARE)

    def price(self, pids: Collection[int]) -> str:
        """Say what it will cost, by reading once what it will read."""
        begin = time.monotonic()
        tasks = self._kcore.tasks()
        for pid in pids:
            try:
                if pid in tasks:
                    self._kcore.pages(tasks[pid])
            except (OSError, InputError):
                continue
        took = time.monotonic() - begin
        return (
            f"pages: every {self.every_s:g} s the page tables of each process ({len(pids)}) are read through "
            f"/proc/kcore, {1000 * took:.1f} ms now ({100 * took / self.every_s:.2f} % of the time), and which pages "
            f"were touched and written is forgotten, under its mmap_lock; the first touch of each costs a walk of the "
            f"page table afterwards, the first write a fault"
        )


def _clear(pid: int, what: bytes) -> None:
    fd = os.open(f"/proc/{pid}/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, what)
    finally:
        os.close(fd)
