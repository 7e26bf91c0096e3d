"""``/proc/diskstats``: what each block device read, wrote, discarded and flushed since boot.

Layout: ``%4d %7d %s`` and the numbers after one blank each: 17 on v6.1, 15 before v5.5, 11 before v4.18. What
a kernel does not print is None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from memtwin.procfs.text import Lines, join

SOURCE = ("block/genhd.c", "v6.1")
PATH = "proc/diskstats"

_LINE = re.compile(r" *([0-9]{1,20}) +([0-9]{1,20}) (\S+)((?: +[0-9]{1,20})+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Disk:
    """One device: requests done, requests merged into others, sectors of 512 bytes, milliseconds spent."""

    major: int
    minor: int
    name: str
    reads: int
    reads_merged: int
    sectors_read: int
    reading_ms: int
    writes: int
    writes_merged: int
    sectors_written: int
    writing_ms: int
    in_flight: int
    busy_ms: int
    weighted_ms: int
    discards: int | None = None
    discards_merged: int | None = None
    sectors_discarded: int | None = None
    discarding_ms: int | None = None
    flushes: int | None = None
    flushing_ms: int | None = None


_NUMBERS = tuple([field.name for field in fields(Disk)][3:])


@dataclass(frozen=True, slots=True)
class Diskstats:
    """The devices in file order."""

    disks: tuple[Disk, ...] = ()


def parse(text: str, path: str = PATH) -> Diskstats:
    """Read diskstats; *path* names it in errors."""
    lines = Lines(text, path)
    disks = []
    for line in lines:
        match = _LINE.fullmatch(line)
        numbers = match[4].split() if match else []
        if match is None or len(numbers) not in {11, 15, 17}:
            raise lines.bad("major, minor, name and 17 (15, 11) numbers")
        disks.append(Disk(int(match[1]), int(match[2]), match[3], *map(int, numbers)))
    return Diskstats(tuple(disks))


def render(record: Diskstats) -> str:
    """Return the text that the kernel prints, as diskstats_show() does."""
    return join([_line(disk) for disk in record.disks])


def _line(disk: Disk) -> str:
    values = [getattr(disk, name) for name in _NUMBERS]
    numbers = " ".join([str(value) for value in values if value is not None])
    return f"{disk.major:4d} {disk.minor:7d} {disk.name} {numbers}"
