"""``/proc/meminfo``: what the machine's memory is used for, in kB, one quantity a row.

Layout: the label and its colon fill 16 columns, then ``%8lu kB``. HardwareCorrupted (``%5lu kB``, one column
further) and the counts of huge pages (``%5lu`` without a unit, mm/hugetlb.c) are unlike the rest. A row that
the kernel was built without (Zswap, Cma..., HugePages...) is not printed at all: here it is None, not 0.

>>> memory = Meminfo({"MemTotal": 223608, "HugePages_Total": 0})
>>> print(render(memory), end="")
MemTotal:         223608 kB
HugePages_Total:       0
>>> memory["MemTotal"], memory.get("Zswap")
(223608, None)
"""

from __future__ import annotations

import re
from typing import ClassVar

from memtwin.procfs.table import Row, Table

SOURCE = ("fs/proc/meminfo.c", "v6.1")
PATH = "proc/meminfo"
LINES_STAND_ALONE = True


def _kb(label: str) -> Row:
    return Row(label, f"{label}:".ljust(16))


def _pages(label: str) -> Row:
    return Row(label, f"{label}:".ljust(19), 5, "")


MEMINFO = (
    _kb("MemTotal"),  # pages that the buddy allocator manages
    _kb("MemFree"),  # on the buddy lists
    _kb("MemAvailable"),  # an estimate of what a new program could take without swapping
    _kb("Buffers"),  # page cache of block devices
    _kb("Cached"),  # page cache of files, shmem among it; not the swap cache
    _kb("SwapCached"),
    _kb("Active"),  # (anon) + (file)
    _kb("Inactive"),  # (anon) + (file)
    _kb("Active(anon)"),
    _kb("Inactive(anon)"),
    _kb("Active(file)"),
    _kb("Inactive(file)"),
    _kb("Unevictable"),
    _kb("Mlocked"),
    _kb("HighTotal"),  # CONFIG_HIGHMEM
    _kb("HighFree"),
    _kb("LowTotal"),
    _kb("LowFree"),
    _kb("MmapCopy"),  # !CONFIG_MMU
    _kb("SwapTotal"),
    _kb("SwapFree"),
    _kb("Zswap"),  # CONFIG_ZSWAP: memory of the pool
    _kb("Zswapped"),  # CONFIG_ZSWAP: what lies in it, before compression
    _kb("Dirty"),
    _kb("Writeback"),
    _kb("AnonPages"),  # anonymous pages in page tables
    _kb("Mapped"),  # page cache and shmem in page tables
    _kb("Shmem"),
    _kb("KReclaimable"),
    _kb("Slab"),  # SReclaimable + SUnreclaim
    _kb("SReclaimable"),
    _kb("SUnreclaim"),
    _kb("KernelStack"),
    _kb("ShadowCallStack"),  # CONFIG_SHADOW_CALL_STACK
    _kb("PageTables"),
    _kb("SecPageTables"),  # of virtual machines
    _kb("NFS_Unstable"),  # always 0
    _kb("Bounce"),
    _kb("WritebackTmp"),  # FUSE
    _kb("CommitLimit"),
    _kb("Committed_AS"),
    _kb("VmallocTotal"),  # address space, not memory
    _kb("VmallocUsed"),
    _kb("VmallocChunk"),  # always 0
    _kb("Percpu"),
    Row("EarlyMemtestBad", "EarlyMemtestBad:   ", 5),  # since v6.4, CONFIG_MEMTEST
    Row("HardwareCorrupted", "HardwareCorrupted: ", 5),  # CONFIG_MEMORY_FAILURE
    _kb("AnonHugePages"),  # this and the next four: CONFIG_TRANSPARENT_HUGEPAGE
    _kb("ShmemHugePages"),
    _kb("ShmemPmdMapped"),
    _kb("FileHugePages"),
    _kb("FilePmdMapped"),
    _kb("CmaTotal"),  # CONFIG_CMA
    _kb("CmaFree"),
    _kb("Unaccepted"),  # since v6.5, CONFIG_UNACCEPTED_MEMORY
    _kb("Balloon"),  # since v6.16
    _pages("HugePages_Total"),  # mm/hugetlb.c: counts of the default huge page
    _pages("HugePages_Free"),
    _pages("HugePages_Rsvd"),
    _pages("HugePages_Surp"),
    Row("Hugepagesize", "Hugepagesize:   "),
    _kb("Hugetlb"),  # of all sizes
    _kb("DirectMap4k"),  # arch/x86/mm/pat/set_memory.c
    _kb("DirectMap2M"),
    _kb("DirectMap4M"),
    _kb("DirectMap1G"),
)
"""Every row in the order of printing, those of other versions and configurations among them."""


class Meminfo(Table):
    """The rows of meminfo in file order: kB, and counts for the four HugePages rows."""

    __slots__ = ()

    ROWS: ClassVar = {row.label: row for row in MEMINFO}
    LINE = re.compile(r"([^:\s][^:\n]*:)( *)(-?[0-9]{1,20})( kB)?", re.ASCII)

    @classmethod
    def row(cls, label: str) -> Row:
        """Return how meminfo prints *label*: as most rows, if it is not known."""
        return cls.ROWS.get(label) or _kb(label)


def is_whole(line: str) -> bool:
    """Return whether a last line without its newline can be a whole one: its unit is there, where it has one.

    >>> is_whole("MemFree:          20000 kB"), is_whole("MemFree:          200"), is_whole("HugePages_Free:        0")
    (True, False, True)
    """
    return line.endswith(" kB") or line.startswith("HugePages_")


def parse(text: str, path: str = PATH) -> Meminfo:
    """Read meminfo; *path* names it in errors."""
    return Meminfo.parse(text, path)


def render(record: Meminfo) -> str:
    """Return the text that the kernel prints, as meminfo_proc_show() does."""
    return record.render()
