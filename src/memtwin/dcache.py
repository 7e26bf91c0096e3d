"""What looking at a machine costs it: a name and an inode in kernel memory for each file of /proc and /sys.

The first look-up of a path makes a **dentry** (its name) and an **inode**; they stay cached afterwards, and count as
SReclaimable.  An open file is a ``filp`` that is given back a little later, so many files read at once leave some
slabs behind.  A process's own files go with it.  So a machine that is watched has a few hundred kB more slab than one
that is not, and the recordings, which read some eighty files at their first checkpoint, show just that.

Follows fs/dcache.c, fs/proc/inode.c and fs/kernfs/inode.c of Linux 6.1.

Not modelled: eviction of dentries and inodes, files on disks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.mm import slub

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from memtwin.mm.state import State

SOURCE = "fs/dcache.c", "v6.1"

INODES = {"proc": "proc_inode_cache", "sys": "inode_cache"}
"""The cache that a file's inode comes from, by the file system's root."""


class Dcache:
    """The paths that were looked up, each with the slabs that its objects lie in."""

    def __init__(self, state: State, caches: Mapping[str, int]) -> None:
        self.state = state
        self.caches = caches
        self._objects: dict[str, list[int]] = {}

    def read(self, paths: Iterable[str]) -> None:
        """Open and read files: those new to the kernel stay cached, and so do the directories above them."""
        opened = []
        for path in paths:
            self._look_up(path)
            opened += self._allocate("filp")
        for slab in opened:
            slub.free_object(self.state, slab)

    def forget(self, directory: str) -> None:
        """Drop everything at and below a directory, as when a process ends."""
        gone = [path for path in self._objects if path == directory or path.startswith(f"{directory}/")]
        for path in gone:
            for slab in self._objects.pop(path):
                slub.free_object(self.state, slab)

    def _look_up(self, path: str) -> None:
        words = path.split("/")
        for depth in range(2, len(words) + 1):
            part = "/".join(words[:depth])
            if part not in self._objects:
                inode = INODES.get(words[0], "inode_cache")
                self._objects[part] = [
                    slab for cache in ("dentry", inode, "lsm_inode_cache") for slab in self._allocate(cache)
                ]

    def _allocate(self, cache: str) -> list[int]:
        """One object of a cache: its slab, or nothing where the machine has no such cache or no memory left."""
        number = self.caches.get(cache, 0)
        slab = slub.allocate_object(self.state, number) if number else 0
        return [slab] if slab else []
