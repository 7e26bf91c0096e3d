"""What looking at a machine costs it: a name and an inode in kernel memory for each file of /proc and /sys.

The first look-up of a path makes a dentry and an inode; they stay cached afterwards, and count as SReclaimable.  An
open file is a ``filp`` that is freed a little later, so many files read at once leave some slabs behind.  A
process's own files go with it.  So a machine that is watched has a few hundred kB more slab than one that is not, and
the recordings, which read some eighty files at their first checkpoint, show just that.

Follows fs/proc/inode.c and fs/kernfs/inode.c of Linux 6.1; the objects themselves are ``linux/fs/dcache.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux.core import mm_types as t
from memtwin.linux.fs import dcache
from memtwin.linux.mm import slub

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from memtwin.linux.core.state import State

SOURCE = "fs/dcache.c", "v6.1"

INODES = {"proc": t.CACHE_PROC_INODE, "sys": t.CACHE_INODE}
"""The cache that a file's inode comes from, by the file system's root."""


class Dcache:
    """The paths that were looked up; those that a shrinker took are looked up again."""

    def __init__(self, state: State, caches: Mapping[str, int]) -> None:
        self.state = state
        self.filp = caches.get("filp", 0)
        self._handles: dict[str, tuple[int, int]] = {}
        self._below: dict[str, list[str]] = {}
        """Paths that have a handle, by their first two words: those of one process stand together."""

    def read(self, paths: Iterable[str]) -> None:
        """Open and read files: those new to the kernel stay cached, and so do the directories above them."""
        opened = []
        for path in paths:
            self._look_up(path)
            slab = slub.allocate_object(self.state, self.filp) if self.filp else 0
            if slab:
                opened.append(slab)
        for slab in opened:
            slub.free_object(self.state, slab)

    def forget(self, directory: str) -> None:
        """Drop everything at and below ``proc/PID``, as when a process ends."""
        for path in self._below.pop(directory, ()):
            dcache.forget(self.state, self._handles.pop(path))

    def _look_up(self, path: str) -> None:
        words = path.split("/")
        kind = INODES.get(words[0], t.CACHE_INODE)
        for depth in range(2, len(words) + 1):
            part = "/".join(words[:depth])
            if part not in self._handles:
                self._below.setdefault("/".join(words[:2]), []).append(part)
            self._handles[part] = dcache.look_up(self.state, self._handles.get(part, (0, 0)), kind)
