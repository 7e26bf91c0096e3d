"""The ``vm.*`` settings that the model knows: one table with default, range and meaning.

A setting is text in a file: :meth:`Setting.parse` says what it means or why it cannot be, in the same words for a
scenario's header, for ``--set``, for a write in the middle of a run and for what a snapshot holds.

A write recomputes what it recomputes in the kernel: ``min_free_kbytes`` and ``watermark_scale_factor`` the watermarks
of all zones, ``lowmem_reserve_ratio`` the reserves, ``percpu_pagelist_high_fraction`` the per-cpu lists.

Follows kernel/sysctl.c, the handlers that it names and Documentation/admin-guide/sysctl/vm.rst of Linux 6.1. Most
settings are an ``int`` there. Some things that the kernel lets pass are refused, so that no setting shows one value
and means another: a number below 0 for ``overcommit_ratio`` or ``dirty_writeback_centisecs`` (counted as a huge one)
or in ``lowmem_reserve_ratio`` (taken as 0), a ``page-cluster`` above 31 (a shift by more bits than there are), more
values than there are zones (ignored), and numbers in octal or hexadecimal.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from memtwin.errors import InputError, quoted

INT_MIN, INT_MAX = -(1 << 31), (1 << 31) - 1
LONG_MAX = (1 << 62) - 1
"""Of what is an ``unsigned long`` in the kernel; the core computes with 63 bits."""
ULONG_MAX = (1 << 64) - 1
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,19})", re.ASCII)


class Setting(NamedTuple):
    """One setting: the name below ``vm.``, default (None: computed at boot), least and most, meaning.

    *also*: a value out of the range that can be written; *shown*: one that a file can show and that cannot be written.
    *below*: its directory; *count*: how many numbers it may have. *modelled*: whether anything in the model depends on
    it.
    """

    name: str
    default: int | tuple[int, ...] | None
    least: int
    most: int
    meaning: str
    also: int | None = None
    shown: int | None = None
    count: int = 1
    modelled: bool = True
    below: str = "vm"

    @property
    def allowed(self) -> str:
        """What can be written, in words.

        >>> BY_NAME["swappiness"].allowed
        'vm.swappiness as an integer 0..200'
        """
        also = "" if self.also is None else f"{self.also} or "
        number = f"1 to {self.count} integers" if self.count > 1 else "an integer"
        return f"{self.below}.{self.name} as {number} {also}{self.least}..{self.most}"

    def parse(self, text: str, *, written: bool = True) -> int | tuple[int, ...]:
        """Return what *text* means; raises InputError. Without *written* it is what a file shows.

        >>> BY_NAME["swappiness"].parse("60"), BY_NAME["lowmem_reserve_ratio"].parse("256 32")
        (60, (256, 32))
        """
        words = text.split()
        values = tuple(int(word) for word in words if _INTEGER.fullmatch(word))
        extra = {self.also} if written else {self.also, self.shown}
        if not 1 <= len(words) <= self.count or len(values) < len(words):
            raise InputError(f"expected {self.allowed}, not {quoted(text)}")
        if not all(self.least <= value <= self.most or value in extra for value in values):
            raise InputError(f"expected {self.allowed}, not {quoted(text)}")
        return values if self.count > 1 else values[0]


SETTINGS = (
    Setting("min_free_kbytes", None, 0, INT_MAX, "kB that the watermarks keep free; the square root of RAM at boot"),
    Setting("watermark_scale_factor", 10, 1, 3000, "distance between watermarks, in 1/10000 of the zone"),
    Setting(
        "watermark_boost_factor", 15000, 0, INT_MAX, "most that fragmentation may raise the marks, 1/10000 of high"
    ),
    Setting(
        "percpu_pagelist_high_fraction", 0, 8, INT_MAX, "1/n of a zone may stand on per-cpu lists; 0: the low mark",
        also=0,
    ),
    Setting(
        "lowmem_reserve_ratio", (256, 256, 32, 0, 0), 0, INT_MAX,
        "1/n of the zones above is kept from those who could use them: DMA, DMA32, Normal, Movable, Device; 0: nothing",
        count=5,
    ),
    Setting("overcommit_memory", 0, 0, 2, "0 refuse what is plainly absurd, 1 never refuse, 2 hold to CommitLimit"),
    Setting("overcommit_ratio", 50, 0, INT_MAX, "percent of RAM in CommitLimit"),
    Setting("overcommit_kbytes", 0, 0, LONG_MAX, "kB of RAM in CommitLimit instead of a percentage; 0: use the ratio"),
    Setting(
        "admin_reserve_kbytes", 8192, 0, LONG_MAX,
        "kB kept for root's processes in overcommit mode 2; those of a scenario are root's", modelled=False,
    ),
    Setting("user_reserve_kbytes", 131072, 0, LONG_MAX, "kB kept from one large process in overcommit mode 2"),
    Setting("max_map_count", 65530, 0, INT_MAX, "most areas of one address space"),
    Setting("swappiness", 60, 0, 200, "relative cost of swapping: how much reclaim takes anonymous pages"),
    Setting("page-cluster", 3, 0, 31, "log2 of the pages read around a page that is swapped in"),
    Setting("vfs_cache_pressure", 100, 0, INT_MAX, "percent: how eagerly dentries and inodes are reclaimed"),
    Setting("dirty_ratio", 20, 0, 100, "percent of reclaimable memory: writers are made to wait"),
    Setting("dirty_background_ratio", 10, 0, 100, "percent of reclaimable memory: writeback begins"),
    Setting("dirty_bytes", 0, 8192, LONG_MAX, "bytes instead of dirty_ratio; shows 0 while the ratio is used", shown=0),
    Setting(
        "dirty_background_bytes", 0, 1, LONG_MAX,
        "bytes instead of dirty_background_ratio; shows 0 while the ratio is used", shown=0,
    ),
    Setting("dirty_expire_centisecs", 3000, 0, INT_MAX, "age at which dirty data is written, 1/100 s"),
    Setting("dirty_writeback_centisecs", 500, 0, INT_MAX, "interval of the flusher, 1/100 s"),
    Setting("panic_on_oom", 0, 0, 2, "0 kill a process, 1 panic if the whole machine is out of memory, 2 always"),
    Setting("oom_kill_allocating_task", 0, INT_MIN, INT_MAX, "not 0: kill the allocating task, select none"),
    Setting("oom_dump_tasks", 1, INT_MIN, INT_MAX, "not 0: list all processes in the report"),
    Setting("compaction_proactiveness", 20, 0, 100, "how hard the kernel compacts in the background"),
    Setting("extfrag_threshold", 500, 0, 1000, "fragmentation index above which compaction is worth it"),
)  # fmt: skip

IPC = (
    Setting("shmmax", ULONG_MAX - (1 << 24), 0, ULONG_MAX, "bytes of the largest System V segment", below="kernel"),
    Setting("shmall", ULONG_MAX - (1 << 24), 0, ULONG_MAX, "pages of all of them together", below="kernel"),
)
"""Settings of shared memory."""

BY_NAME = {setting.name: setting for setting in SETTINGS}

ONE_SHOT = {"drop_caches", "compact_memory", "stat_refresh"}
"""Files under /proc/sys/vm that do something when written and hold no setting."""


def find(name: str) -> Setting:
    """Return the setting ``vm.name``; raises InputError where the model knows none of that name."""
    if name not in BY_NAME:
        raise InputError(f"vm.{name} is not a setting that the model knows")
    return BY_NAME[name]


def find_ipc(name: str) -> Setting:
    """Return the setting ``kernel.shmmax`` or ``kernel.shmall``; raises InputError for any other name."""
    for setting in IPC:
        if name == f"kernel.{setting.name}":
            return setting
    raise InputError(f"{name} is not a setting that the model knows")
