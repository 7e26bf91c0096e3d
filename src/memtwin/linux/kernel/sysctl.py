"""The ``vm.*`` settings that the model knows: one table with default, range and meaning.

A write recomputes what it recomputes in the kernel: ``min_free_kbytes`` and ``watermark_scale_factor`` the watermarks
of all zones, ``lowmem_reserve_ratio`` the reserves, ``percpu_pagelist_high_fraction`` the per-cpu lists.

Follows kernel/sysctl.c and Documentation/admin-guide/sysctl/vm.rst of Linux 6.1.
"""

from __future__ import annotations

from typing import NamedTuple


class Setting(NamedTuple):
    """One setting: the name below ``vm.``, default (None: computed at boot), least, most, meaning."""

    name: str
    default: int | None
    least: int
    most: int
    meaning: str


HUGE = (1 << 63) - 1

SETTINGS = (
    Setting("min_free_kbytes", None, 0, HUGE, "kB that the watermarks keep free; the square root of RAM at boot"),
    Setting("watermark_scale_factor", 10, 1, 3000, "distance between watermarks, in 1/10000 of the zone"),
    Setting(
        "watermark_boost_factor",
        15000,
        0,
        HUGE,
        "most that fragmentation may raise the marks, 1/10000 of high",
    ),
    Setting(
        "percpu_pagelist_high_fraction",
        0,
        0,
        HUGE,
        "1/n of a zone may stand on per-cpu lists; 0: the low mark",
    ),
    Setting("overcommit_memory", 0, 0, 2, "0 refuse what is plainly absurd, 1 never refuse, 2 hold to CommitLimit"),
    Setting("overcommit_ratio", 50, 0, HUGE, "percent of RAM in CommitLimit"),
    Setting("overcommit_kbytes", 0, 0, HUGE, "kB of RAM in CommitLimit instead of a percentage; 0: use the ratio"),
    Setting("admin_reserve_kbytes", 8192, 0, HUGE, "kB kept for root's processes in overcommit mode 2"),
    Setting("user_reserve_kbytes", 131072, 0, HUGE, "kB kept from one large process in overcommit mode 2"),
    Setting("max_map_count", 65530, 0, HUGE, "most areas of one address space"),
    Setting("swappiness", 60, 0, 200, "relative cost of swapping: how much reclaim takes anonymous pages"),
    Setting("page-cluster", 3, 0, 31, "log2 of the pages read around a page that is swapped in"),
    Setting("vfs_cache_pressure", 100, 0, HUGE, "percent: how eagerly dentries and inodes are reclaimed"),
    Setting("dirty_ratio", 20, 0, 100, "percent of reclaimable memory: writers are made to wait"),
    Setting("dirty_background_ratio", 10, 0, 100, "percent of reclaimable memory: writeback begins"),
    Setting("dirty_bytes", 0, 0, HUGE, "bytes instead of dirty_ratio; 0: use the ratio"),
    Setting("dirty_background_bytes", 0, 0, HUGE, "bytes instead of dirty_background_ratio; 0: use the ratio"),
    Setting("dirty_expire_centisecs", 3000, 0, HUGE, "age at which dirty data is written, 1/100 s"),
    Setting("dirty_writeback_centisecs", 500, 0, HUGE, "interval of the flusher, 1/100 s"),
    Setting("panic_on_oom", 0, 0, 2, "0 kill a process, 1 panic if the whole machine is out of memory, 2 always"),
    Setting("oom_kill_allocating_task", 0, 0, 1, "kill whoever asked for memory instead of choosing"),
    Setting("oom_dump_tasks", 1, 0, 1, "list all processes in the report"),
    Setting("compaction_proactiveness", 20, 0, 100, "how hard the kernel compacts in the background"),
    Setting("extfrag_threshold", 500, 0, 1000, "fragmentation index above which compaction is worth it"),
)

BY_NAME = {setting.name: setting for setting in SETTINGS}

LOWMEM_RESERVE_RATIO = (256, 256, 32, 0, 0)
"""Default of ``vm.lowmem_reserve_ratio``: DMA, DMA32, Normal, Movable, Device."""

ONE_SHOT = {"drop_caches", "compact_memory", "stat_refresh"}
"""Files under /proc/sys/vm that do something when written and hold no setting."""


def check(name: str, value: int) -> str | None:
    r"""Say what is wrong with writing *value* to ``vm.``\ *name*; None: nothing.

    >>> check("swappiness", 60)
    >>> check("swappiness", 300)
    'vm.swappiness is 0..200'
    """
    setting = BY_NAME.get(name)
    if setting is None:
        return f"vm.{name} is not a setting that the model knows"
    if not setting.least <= value <= setting.most:
        most = "" if setting.most == HUGE else setting.most
        return f"vm.{name} is {setting.least}..{most}"
    return None
