"""Files of shared memory: who has them, which of their pages lie in which slot, and what the tmpfs counts.

- such a file has a name, a descriptor or a mapping; the pages of all of them are Shmem;
- each slot that its tree names holds what was written, and has that one user;
- what the tmpfs has in use are the pages of its files, in memory and in swap.
"""

import cython
from cython.cimports.memtwin.linux.check.lru_lists import LruCheck
from cython.cimports.memtwin.linux.core.state import (
    State,
    area_of,
    file_at,
    file_block,
    file_page,
    global_node_page_state,
    slot_of,
)
from cython.cimports.memtwin.linux.mm.shmem import shmem_swap_entry

from memtwin.errors import ModelBug

SOURCE = "mm/shmem.c", "v6.1"


class SharedCheck(LruCheck):
    """Checks of shared memory."""

    def shared_memory(self) -> None:
        """Files of shared memory: pages are Shmem, slots hold what was written, blocks are the tmpfs's."""
        s: State = self.s
        cached = 0
        blocks: dict[int, int] = {}
        for number in range(1, s.files.nr):
            f = file_at(s, number)
            if f.kind != FILE_SHMEM or not f.cap_pages:
                continue
            swapped = self.swapped_pages(number)
            self.equal(f"pages of file {number} in swap", swapped, f.nr_swapped)
            self.hold(f.users or f.i_mmap, f"file {number} of shared memory has no name, descriptor or mapping")
            cached += f.nr_cached
            blocks[f.tmpfs] = blocks.get(f.tmpfs, 0) + f.nr_cached + f.nr_swapped
        self.equal("pages of shared memory", cached, global_node_page_state(s, NR_SHMEM))
        self.hold(s.disk_used_blocks <= s.disk_max_blocks, "more blocks of the data disk are taken than there are")
        for tmpfs in range(1, len(s.tmpfs_max_blocks)):
            if s.tmpfs_max_blocks[tmpfs]:
                self.equal(f"pages of tmpfs {tmpfs}", blocks.get(tmpfs, 0), s.tmpfs_used_blocks[tmpfs])

    def swapped_pages(self, number: int) -> int:
        """Count the pages of a file of shared memory that lie in slots, each of which holds what was written."""
        s: State = self.s
        f: cython.pointer(File) = file_at(s, number)
        index: u64
        entry: u32
        slot_file: u32
        swapped = 0
        for index in range(f.nr_pages if f.nr_swapped else 0):
            entry = shmem_swap_entry(s, number, index)
            if not entry:
                continue
            swapped += 1
            self.entries[entry] = self.entries.get(entry, 0) + 1
            slot_file = area_of(s, entry).file
            cached: u32 = file_page(file_at(s, slot_file), slot_of(entry))
            held: u64 = s.pages[cached].tag if cached else file_block(file_at(s, slot_file), slot_of(entry)) - 1
            if held + 1 != file_block(f, index) and not (cached and s.pages[cached].flags & PG_LOCKED):
                raise ModelBug(f"swapped page {index} of file {number} is not what was written", story=self.story)
        return swapped
