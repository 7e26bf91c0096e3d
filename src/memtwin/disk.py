"""The disk that a scenario's files lie on: their names, their inodes, and the few blocks that looking them up reads.

The first look-up of a name reads the directory's block, the first file that is made reads the block that says which
inodes are free; both stay as Buffers.  A file's name and inode are objects in slab that shrinkers may take while
nobody has it open.

Stands for a small ext4, freshly mounted.

Not modelled: block allocation, running full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.mm import dcache, filemap, jbd2, read_write
from memtwin.mm import mm_types as t
from memtwin.mm import task as mm_task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memtwin.machine import Machine
    from memtwin.scenario import FileDef

PAGE = 4096
BLOCKS_OF_FIRST_OPEN = 1
"""The superblock, where the place of mounting is noted."""
BLOCKS_OF_NEW_FILE = 7
"""Superblock, group descriptor, inode bitmap, inode and directory; for its data the block bitmap, the inode again."""


class Disk:
    """The files by name; *files* are there from the start."""

    def __init__(self, machine: Machine, files: Iterable[FileDef]) -> None:
        self.machine = machine
        self.state = machine.state
        self.numbers: dict[str, int] = {}
        self._handles: dict[str, tuple[int, int]] = {}
        self._directory = filemap.append_page(self.state, machine.bdev)
        self._inode_bitmap = filemap.append_page(self.state, machine.bdev)
        for file in files:
            pages = -(-file.size_bytes // PAGE)
            hole = file.content == "zero"
            self.numbers[file.name] = filemap.create_file(self.state, pages, t.FILE_REGULAR, hole)

    def look_up(self, name: str) -> int:
        """The number of a file; one that is not there is made, empty."""
        read_write.bread(self.state, self.machine.bdev, self._directory)
        if not self._handles:
            jbd2.change_metadata(self.state, self.machine.bdev, BLOCKS_OF_FIRST_OPEN)
        if name not in self.numbers:
            jbd2.change_metadata(self.state, self.machine.bdev, BLOCKS_OF_NEW_FILE)
            read_write.bread(self.state, self.machine.bdev, self._inode_bitmap)
            self.numbers[name] = filemap.create_file(self.state, 0, t.FILE_REGULAR, hole=True)
        self._handles[name] = dcache.look_up(self.state, self._handles.get(name, (0, 0)), t.CACHE_EXT4_INODE)
        return self.numbers[name]

    def open(self, task: int, name: str) -> int:
        """Open a file, made if it is not there; returns the number of the open file."""
        return int(mm_task.open_file(self.state, task, self.look_up(name)))

    def pages(self, name: str) -> int:
        """How long a file is, in pages."""
        return int(filemap.file_info(self.state, self.numbers[name])["pages"]) if name in self.numbers else 0
