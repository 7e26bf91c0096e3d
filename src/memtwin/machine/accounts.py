"""What the pages of user memory are, each once: the kernel's counters overlap, and no file adds them up.

====================  =============================================================================================
on the file lists     page cache that can be reclaimed, Buffers among it
on the anon lists     mapped anonymous pages, shmem, and swap cache that no process maps
unevictable           ramfs, mlocked pages
nr_file_pages         page cache, shmem and the whole swap cache
nr_anon_pages         mapped anonymous pages, wherever they are: also in the swap cache, or locked
====================  =============================================================================================

A page that was just made stands in a CPU's batch and on no list yet; its counters have it already. So more pages may be
on no list than are unevictable, and which of them are in a batch no counter says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memtwin.units import pages

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.machine.boot import Boot


@dataclass(frozen=True, slots=True)
class Accounts:
    """Pages of user memory by what they are."""

    anon: int
    """Mapped anonymous pages, locked ones among them."""
    anon_locked: int
    lazy: int
    """Anonymous pages given up with MADV_FREE: they are on the inactive file list."""
    shmem: int
    swap_cache: int
    """Pages of the swap cache, mapped or not."""
    unmapped: int
    """Of those, what no process maps."""
    unevictable_files: int
    """Pages of files on no list that is scanned: ramfs."""
    cache: int
    """Page cache on the file lists, and in batches on its way there; without Buffers."""
    buffers: int
    dirty: int
    """Of the page cache."""
    ownerless: int
    """On the anonymous or unevictable lists, and neither mapped, shmem, swap cache nor of a file."""
    tables: int
    slab: int

    @property
    def total(self) -> int:
        """All pages, each once."""
        files = self.unevictable_files + self.cache + self.buffers + self.shmem + self.unmapped
        return files + self.anon + self.tables + self.slab + self.ownerless


def accounts(boot: Boot) -> Accounts:
    """Work out what the pages are that *boot*'s counters name."""
    counted = dict(boot.vmstat.items())

    def count(name: str) -> int:
        return counted.get(name, 0)

    swap_cache = counted.get("nr_swapcached", pages(boot.meminfo.get("SwapCached") or 0))
    anon, shmem, unevictable = count("nr_anon_pages"), count("nr_shmem"), count("nr_unevictable")
    listed = count("nr_inactive_anon") + count("nr_active_anon")
    given_up = sum(process.lazy for process in boot.processes)
    on_file_lists = count("nr_inactive_file") + count("nr_active_file") - given_up
    files = max(count("nr_file_pages") - swap_cache - shmem, 0)
    off_lists = max(files - on_file_lists, 0)
    locked = min(max(unevictable - off_lists, _least_locked(count, listed), 0), anon, unevictable)
    unevictable_files = min(off_lists, unevictable - locked)
    nobodys = max(unevictable - unevictable_files - locked - shmem, 0)
    lazy = min(max(on_file_lists - files, 0) + given_up, anon - locked)
    beyond = max(listed - (anon - locked - lazy) - shmem, 0)
    buffers = min(pages(boot.meminfo.get("Buffers") or 0), files - unevictable_files)
    cache = files - unevictable_files - buffers
    return Accounts(
        anon=anon, anon_locked=locked, lazy=lazy, shmem=shmem, swap_cache=swap_cache, unmapped=min(beyond, swap_cache),
        unevictable_files=unevictable_files, cache=cache, buffers=buffers,
        dirty=min(count("nr_dirty") + count("nr_writeback"), cache), ownerless=max(beyond - swap_cache, 0) + nobodys,
        tables=count("nr_page_table_pages"), slab=count("nr_slab_reclaimable") + count("nr_slab_unreclaimable"),
    )  # fmt: skip


def _least_locked(count: Callable[[str], int], listed: int) -> int:
    """Return how many anonymous pages are locked at least: what Mlocked counts and is not mapped of files.

    Where no anonymous page is *listed* no process has just made any: those that are on no list are locked.
    """
    if listed:
        return count("nr_mlock") - count("nr_mapped")
    return min(count("nr_anon_pages"), count("nr_mlock"))
