"""The disk that a scenario's files lie on: their names, their inodes, and the few blocks that looking them up reads.

The first look-up of a name reads the directory's block, the first file that is made reads the block that says which
inodes are free; both stay as Buffers.  A file's name and inode are objects in slab that shrinkers may take while
it is not open.

Within 5 s of mounting ext4's thread looks at the block groups whose bitmaps are written (the first, and those with a
copy of the superblock): it reads each bitmap, and keeps two pages with what the allocator has to know of it.  They are
the disk's Buffers and 24 KiB of Cached that turn up soon after boot.

Stands for a small ext4, freshly mounted; the thread is ext4_lazyinit_thread() in fs/ext4/super.c of Linux 6.1, with
ext4_mb_prefetch() and ext4_mb_init_cache() in fs/ext4/mballoc.c.

With ``fs=xfs`` files have no buffer heads and nothing of the file system lies in the page cache, for XFS keeps its own
blocks elsewhere.

A write takes a block when it makes a page dirty that has none, long before it is allocated; where none is left it is
ENOSPC, and a touch of a shared mapping SIGBUS.

Not modelled: where blocks lie, those that metadata takes, holes that a write beyond a file's end leaves where it has
blocks, what XFS keeps beside the page cache.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from memtwin.errors import HostMemoryError
from memtwin.linux.core import device
from memtwin.linux.core import mm_types as t
from memtwin.linux.fs import dcache, jbd2, read_write
from memtwin.linux.kernel import fork as kernel_fork
from memtwin.linux.mm import filemap
from memtwin.linux.records import Outcome
from memtwin.machine.machine import FileName
from memtwin.units import PAGE_BYTES, pages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memtwin.linux.core.state import State
    from memtwin.machine.boot import Boot
    from memtwin.machine.machine import Machine
    from memtwin.run.shared import Shared
    from memtwin.scenario import DataDisk, FileDef

BUFFERS_OF_A_MOUNT = 5
"""Blocks that mounting reads: superblock, group descriptors, the journal's superblock, two of inodes."""
BLOCKS_OF_FIRST_OPEN = 1
"""The superblock, where the place of mounting is noted."""
BLOCKS_OF_NEW_FILE = 7
"""Superblock, group descriptor, inode bitmap, inode and directory; for its data the block bitmap, the inode again."""


NS_PER_S = 1_000_000_000
DATA_DISK = 0
"""Its number among the model's devices."""
DEVICE = (254, 0)
"""Major and minor number of the data disk, vda."""
FIRST_INODE = 11
"""The one before the first file: an ext4 has 11 inodes of its own, lost+found the last of them."""
GROUP_KIB = 128 * 1024
"""A block group of ext4 with blocks of 4 KiB."""
JUST_MOUNTED_NS = 7_000_000_000
"""A machine that is up for less may still have the thread's work before it."""


def written_bitmaps(groups: int) -> int:
    """Of so many block groups, those whose block bitmap is on the disk: number 0, and powers of 3, 5 and 7.

    >>> written_bitmaps(4), written_bitmaps(30)
    (3, 8)
    """
    powers = {base**exponent for base in (3, 5, 7) for exponent in range(groups.bit_length())}
    return sum(number < groups for number in {0} | powers)


def bitmaps_to_come(boot: Boot) -> int:
    """How many block bitmaps the thread of the ext4 that a fresh machine has mounted will still read."""
    mounted = [line.split() for line in boot.texts.get("proc/mounts", "").splitlines() if " ext4 " in line]
    sizes = {row[3]: int(row[2]) for line in boot.texts.get("proc/partitions", "").splitlines()
             if len(row := line.split()) == 4 and re.fullmatch("[0-9]{1,15}", row[2])}  # fmt: skip
    if not mounted or not boot.uptime or boot.uptime.up_cs * 10_000_000 > JUST_MOUNTED_NS:
        return 0
    count = written_bitmaps(-(-sizes.get(mounted[0][0].removeprefix("/dev/"), 0) // GROUP_KIB))
    buffers = pages(boot.meminfo.get("Buffers") or 0)
    return count if buffers <= BUFFERS_OF_A_MOUNT + count // 2 else 0


def set_up(state: State, disk: DataDisk | None) -> None:
    """Give the data disk the speed, the queue and the file system that a scenario's line says."""
    if disk is None:
        return
    device.limit(
        state,
        DATA_DISK,
        _ns_per_page(disk.read_bytes_per_s),
        _ns_per_page(disk.write_bytes_per_s),
        -1 if disk.latency_ns is None else disk.latency_ns,
        disk.queue_depth,
        disk.nr_requests,
    )
    readahead_pages = 0 if disk.readahead_bytes is None else disk.readahead_bytes // PAGE_BYTES
    device.file_system(state, readahead_pages, not is_on_xfs(disk))


def is_on_xfs(disk: DataDisk | None) -> bool:
    """Whether a scenario's files lie on XFS."""
    return disk is not None and disk.file_system == "xfs"


def _ns_per_page(bytes_per_s: int) -> int:
    return PAGE_BYTES * NS_PER_S // bytes_per_s if bytes_per_s else 0


class Disk:
    """The files by name; *files* are there from the start, as the scenario *where* says; *shared* has the tmpfs's.

    *journals*: the file system has a journal of its own blocks in the page cache, as ext4 has.
    """

    def __init__(
        self, machine: Machine, files: Iterable[FileDef], shared: Shared, where: str = "", *, journals: bool = True
    ) -> None:
        self.machine = machine
        self.state = machine.state
        self.numbers: dict[str, int] = {}
        self.shared = shared
        self._journals = journals
        self.owners: dict[str, int] = {}
        self._handles: dict[str, tuple[int, int]] = {}
        self._directory = filemap.append_page(self.state, machine.bdev)
        self._inode_bitmap = filemap.append_page(self.state, machine.bdev)
        for file in files:
            length = -(-file.size_bytes // PAGE_BYTES)
            hole = file.content == "zero"
            try:
                self._name(file.name, filemap.create_file(self.state, length, t.FILE_REGULAR, hole))
            except HostMemoryError as problem:
                raise problem.at(f"{where}:{file.lineno}: file {file.name} {file.size_bytes}") from None

    def limit(self, free_bytes: int) -> None:
        """Say how much may be written beside what the files have; 0: without a limit."""
        filemap.limit_disk(self.state, free_bytes // PAGE_BYTES)

    def prefetch_bitmaps(self) -> None:
        """Let the file system's thread do its work, if it is still to come."""
        count = bitmaps_to_come(self.machine.boot)
        if not count or not self._journals:
            return
        buddies = filemap.create_file(self.state, 2 * count, t.FILE_REGULAR, hole=True)
        for group in range(count):
            read_write.bread(self.state, self.machine.bdev, filemap.append_page(self.state, self.machine.bdev))
            for page in range(2 * group, 2 * group + 2):
                read_write.read_mapping_page(self.state, buddies, page)

    def _name(self, name: str, number: int) -> None:
        self.numbers[name] = number
        self.machine.file_names[number] = FileName(f"/data/{name}", *DEVICE, FIRST_INODE + len(self.numbers))

    def number(self, name: str) -> int:
        """The number of a file that was opened; 0: it is not there."""
        return self.shared.tmpfs.get(name, 0) if "/" in name else self.numbers.get(name, 0)

    def look_up(self, task: int, name: str) -> int:
        """The number of a file; one that is not there is made, empty."""
        if "/" in name:
            return self.shared.look_up(task, name)
        if self._journals:
            self._read_blocks(is_new=name not in self.numbers)
        if name not in self.numbers:
            self._name(name, filemap.create_file(self.state, 0, t.FILE_REGULAR, hole=True))
        self._handles[name] = dcache.look_up(self.state, self._handles.get(name, (0, 0)), t.CACHE_EXT4_INODE)
        return self.numbers[name]

    def _read_blocks(self, *, is_new: bool) -> None:
        """Read the blocks of the file system that say where a file is, and change those that note it."""
        read_write.bread(self.state, self.machine.bdev, self._directory)
        if not self._handles:
            jbd2.change_metadata(self.state, self.machine.bdev, BLOCKS_OF_FIRST_OPEN)
        if is_new:
            jbd2.change_metadata(self.state, self.machine.bdev, BLOCKS_OF_NEW_FILE)
            read_write.bread(self.state, self.machine.bdev, self._inode_bitmap)

    def permission(self, uid: int, name: str) -> tuple[int, bool]:
        """Return whether a user may open a file (EACCES: nor make it), and whether for writing.

        Files are their makers', who alone may write them, but for root; those of the header are root's. In a tmpfs
        everybody may make files, on the data disk root alone.
        """
        if not self.number(name):
            return (Outcome.OK, True) if "/" in name or not uid else (Outcome.EACCES, False)
        return Outcome.OK, uid in (0, self.owners.get(name, 0))

    def open(self, task: int, name: str, uid: int = 0) -> int:
        """Open a file, made if it is not there; returns the number of the open file."""
        if not self.number(name):
            self.owners[name] = uid
        return kernel_fork.open_file(self.state, task, self.look_up(task, name))

    def pages(self, name: str) -> int:
        """How long a file is, in pages."""
        number = self.number(name)
        return filemap.file_info(self.state, number).pages if number else 0
