"""Who holds memory that no row of /proc/meminfo counts, as far as a file of the machine says it, in KiB.

Each reader returns None where its file is absent: that says nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memtwin.units import kib_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.sources.source import Source

_STACKS: Final = re.compile(r"dup_task_struct|copy_process|alloc_thread_stack_node|_do_fork|kernel_clone|fork_init")
_PAGES: Final = re.compile(r" pages=([0-9]{1,12})\b.* vmalloc\b", re.ASCII)
_HUGEPAGES: Final = "sys/kernel/mm/hugepages"
_ZFS: Final = "proc/spl/kstat/zfs"


def zfs_kib(source: Source) -> tuple[int, str] | None:
    """Return what ZFS' cache (ARC) takes from the page allocator itself, and where that stands.

    abdstats has exactly that (scatter_data_size and its waste); arcstats' size counts buffers in slab and vmalloc too.
    """
    rows = _kstat(source, f"{_ZFS}/abdstats")
    if "scatter_data_size" in rows:
        size = rows["scatter_data_size"] + rows.get("scatter_chunk_waste", 0)
        return kib_of(size), f"{_ZFS}/abdstats: scatter_data_size"
    rows = _kstat(source, f"{_ZFS}/arcstats")
    return (kib_of(rows["size"]), f"{_ZFS}/arcstats: size") if "size" in rows else None


def vmware_balloon_kib(source: Source, page_kib: int) -> int | None:
    """Return the balloon of VMware by its debugfs file: ``current: N pages``."""
    found = re.search(r"^current: +([0-9]{1,18}) pages", source.read("sys/kernel/debug/vmmemctl") or "", re.MULTILINE)
    return int(found[1]) * page_kib if found else None


def ballooned_kib(vmstat: Mapping[str, int], page_kib: int) -> int | None:
    """Return the pages that balloon drivers hold by vmstat; those of virtio are outside MemTotal as a rule."""
    if not {"balloon_inflate", "balloon_deflate"} <= vmstat.keys():
        return None
    return max(vmstat["balloon_inflate"] - vmstat["balloon_deflate"], 0) * page_kib


def gpu_kib(source: Source) -> int | None:
    """Return the RAM that amdgpu maps for its GPUs (GTT), by its sysfs files in bytes."""
    cards = [name for name in source.names("sys/class/drm") if re.fullmatch("card[0-9]{1,4}", name)]
    texts = (source.read(f"sys/class/drm/{card}/device/mem_info_gtt_used") for card in cards)
    sizes = [int(text) for text in texts if text is not None and text.strip().isdecimal()]
    return kib_of(sum(sizes)) if sizes else None


def huge_page_pools_kib(source: Source) -> int | None:
    """Return the pools of huge pages of all sizes; None without sysfs' directory of them."""
    found = None
    for name in source.names(_HUGEPAGES):
        size = re.fullmatch(r"hugepages-([0-9]{1,12})kB", name)
        count = (source.read(f"{_HUGEPAGES}/{name}/nr_hugepages") or "").strip()
        if size and count.isdecimal():
            found = (found or 0) + int(size[1]) * int(count)
    return found


def vmalloc_kib(source: Source, page_kib: int) -> int | None:
    """Return the pages of vmalloc by /proc/vmallocinfo, stacks of threads left out; None where it may not be read."""
    text = source.read("proc/vmallocinfo")
    if text is None or not re.search("pages=", text):
        return None
    lines = (line for line in text.splitlines() if not _STACKS.search(line))
    return sum(int(found[1]) for line in lines if (found := _PAGES.search(line))) * page_kib


def memory_without_cpus_kib(source: Source) -> int | None:
    """Return the memory of nodes without CPUs (PMEM or CXL as RAM), whose struct pages may lie in MemTotal."""
    found = None
    for name in source.names("sys/devices/system/node"):
        folder = f"sys/devices/system/node/{name}"
        if not re.fullmatch("node[0-9]{1,5}", name) or (source.read(f"{folder}/cpulist") or "-").strip():
            continue
        total = re.search(r"MemTotal: +([0-9]{1,18}) kB", source.read(f"{folder}/meminfo") or "")
        if total:
            found = (found or 0) + int(total[1])
    return found


def _kstat(source: Source, path: str) -> dict[str, int]:
    """Return the rows ``name type data`` of a Solaris kstat file."""
    words = (line.split() for line in (source.read(path) or "").splitlines())
    return {row[0]: int(row[2]) for row in words if len(row) == 3 and row[2].isdecimal()}
