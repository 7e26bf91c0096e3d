"""Where the memory was: a sheet that adds up, with the part that no counter names in a line of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.oom.why.total import ram_pages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.oom.event import Memcg, OomEvent

SOURCE = "mm/page_alloc.c", "v6.1"

ANON, SHMEM, FILE, SLAB, UNNAMED, HUGE = "anon", "shmem", "file", "slab_unreclaimable", "unnamed", "hugetlb"
UNEVICTABLE, TABLES, KERNEL = "unevictable", "pagetables", "kernel"


_SLACK: Final = 20
"""Counters are read one after the other: items may exceed the total by a twentieth of it."""


class Item(NamedTuple):
    """One line: a key for programs, words for people, kB, and whether ending processes gives it back."""

    key: str
    label: str
    kib: int
    of_processes: bool


class Sheet(NamedTuple):
    """*items* add up to *total_kib*. *what*: whose memory it is."""

    what: str
    total_kib: int
    items: tuple[Item, ...]

    def kib(self, key: str) -> int:
        """Return the kB of a line, 0 if it has none."""
        return sum(item.kib for item in self.items if item.key == key)


def sheet(event: OomEvent) -> Sheet | None:
    """Return the sheet of the cgroup that ran out, or of the machine; None if the text has too little for one."""
    if event.memcg is not None and event.memcg.usage is not None and event.memcg.stats:
        return _memcg_sheet(event.memcg, event.memcg.usage)
    ram = ram_pages(event)
    if ram is None or not {"free", "active_anon", "inactive_anon"} <= event.counts.keys():
        return None
    found = _machine_sheet(event, ram * event.page_kib)
    return found if _is_sane(found) else None


def _is_sane(found: Sheet) -> bool:
    """Whether the items fit into the total: not where the text has the zones of one node and the counters of all."""
    return found.kib(UNNAMED) >= -found.total_kib // _SLACK and all(item.kib <= found.total_kib for item in found.items)


def dirty_kib(event: OomEvent) -> int:
    """Return the page cache that waits to be written, or is being written, of the cgroup or of the machine."""
    if event.memcg is not None and event.memcg.stats:
        stats = event.memcg.stats
        names = ("file_dirty", "file_writeback") if "file_dirty" in stats else ("dirty", "writeback")
        return sum(stats.get(name, 0) for name in names) >> 10
    return sum(event.counts.get(name, 0) for name in ("dirty", "writeback")) * event.page_kib


def _machine_sheet(event: OomEvent, total: int) -> Sheet:
    counts, page = event.counts, event.page_kib

    def pages(*names: str) -> int:
        return sum(counts.get(name, 0) for name in names) * page

    anon = pages("active_anon", "inactive_anon", "isolated_anon")
    shmem = min(pages("shmem"), anon)
    huge = sum(reserved.total * reserved.size_kib for reserved in event.huge_pages)
    items = [
        Item("free", "free", pages("free", "free_pcp"), of_processes=False),
        Item(ANON, "anonymous memory of processes", anon - shmem, of_processes=True),
        Item(SHMEM, "shared memory and tmpfs (leaves RAM only for swap)", shmem, of_processes=False),
        Item(FILE, "page cache of files", pages("active_file", "inactive_file", "isolated_file"), of_processes=False),
        Item(UNEVICTABLE, "unevictable: locked (mlock), ramfs", pages("unevictable"), of_processes=True),
        Item(
            "slab_reclaimable",
            "kernel slab, reclaimable: inodes, dentries",
            pages("slab_reclaimable"),
            of_processes=False,
        ),
        Item(SLAB, "kernel slab, not reclaimable", pages("slab_unreclaimable"), of_processes=False),
        Item(TABLES, "page tables", pages("pagetables", "sec_pagetables"), of_processes=True),
        Item("kernel_stack", "kernel stacks", _field(event, "kernel_stack", "shadow_call_stack"), of_processes=True),
        Item("kernel_misc", "other reclaimable kernel memory", pages("kernel_misc_reclaimable"), of_processes=False),
        Item("bounce", "bounce buffers", pages("bounce"), of_processes=False),
        Item("zspages", "zram and zswap", _field(event, "zspages"), of_processes=False),
        Item("balloon", "taken back by the hypervisor (balloon)", _field(event, "Balloon"), of_processes=False),
        Item(HUGE, "huge pages set aside (vm.nr_hugepages)", huge, of_processes=False),
    ]
    rest = total - sum(item.kib for item in items)
    caption = (
        "named by no counter: drivers, vmalloc, per-cpu data, zram, balloon" if rest >= 0 else "counted twice meanwhile"
    )
    items.append(Item(UNNAMED, caption, rest, of_processes=False))
    return Sheet("the machine's RAM", total, tuple(item for item in items if item.kib))


def _field(event: OomEvent, *names: str) -> int:
    """Return kB that stand on the nodes' lines, or on the zones' in kernels that print them there."""
    total = 0
    for name in names:
        nodes = sum(node.fields.get(name, 0) for node in event.nodes)
        total += nodes or sum(zone.fields.get(name, 0) for zone in event.zones)
    return total


def _memcg_sheet(memcg: Memcg, usage: int) -> Sheet:
    stats = memcg.stats
    items = _version_1(memcg, stats) if "cache" in stats and "anon" not in stats else _version_2(memcg, stats)
    rest = usage - sum(item.kib for item in items)
    cached = min(stats.get("swapcached", 0) >> 10, max(rest, 0))
    if cached:
        items.append(Item("swapcached", "pages in swap that are still in RAM (swapcached)", cached, of_processes=True))
        rest -= cached
    if rest >= 0:
        caption = "charged, but in no counter of the text: what CPUs hold ready, and kernel memory"
    else:
        caption = "counted twice meanwhile: the counters lag behind"
    items.append(Item(UNNAMED, caption, rest, of_processes=False))
    return Sheet("what the cgroup is charged", usage, tuple(item for item in items if item.kib))


def _version_1(memcg: Memcg, stats: Mapping[str, int]) -> list[Item]:
    shmem = min(stats.get("shmem", 0), stats["cache"])
    return [
        Item(ANON, "anonymous memory of processes", stats.get("rss", 0) >> 10, of_processes=True),
        Item(SHMEM, "shared memory and tmpfs (leaves RAM only for swap)", shmem >> 10, of_processes=False),
        Item(FILE, "page cache of files", (stats["cache"] - shmem) >> 10, of_processes=False),
        Item(KERNEL, "kernel memory", memcg.kmem_usage or 0, of_processes=False),
    ]


def _version_2(memcg: Memcg, stats: Mapping[str, int]) -> list[Item]:
    def kib(*names: str) -> int:
        return sum(stats.get(name, 0) for name in names) >> 10

    shmem = min(stats.get("shmem", 0), stats.get("file", 0))
    items = [
        Item(ANON, "anonymous memory of processes", kib("anon"), of_processes=True),
        Item(SHMEM, "shared memory and tmpfs (leaves RAM only for swap)", shmem >> 10, of_processes=False),
        Item(FILE, "page cache of files", (stats.get("file", 0) - shmem) >> 10, of_processes=False),
        Item("sock", "network buffers", kib("sock"), of_processes=False),
        Item(
            "slab_reclaimable",
            "kernel slab, reclaimable: inodes, dentries",
            kib("slab_reclaimable"),
            of_processes=False,
        ),
        Item(SLAB, "kernel slab, not reclaimable", kib("slab_unreclaimable"), of_processes=False),
        Item(TABLES, "page tables", kib("pagetables", "sec_pagetables"), of_processes=True),
        Item("kernel_stack", "kernel stacks", kib("kernel_stack"), of_processes=True),
        Item("percpu", "per-cpu data", kib("percpu"), of_processes=False),
        Item("vmalloc", "large buffers of the kernel (vmalloc)", kib("vmalloc"), of_processes=False),
        Item("zswap", "compressed pages (zswap)", kib("zswap"), of_processes=False),
    ]
    if "slab_reclaimable" not in stats and "slab_unreclaimable" not in stats:
        items.append(Item("slab", "kernel slab", kib("slab"), of_processes=False))
    kernel = kib("kernel") if "kernel" in stats else memcg.kmem_usage
    if kernel is not None:
        named = sum(item.kib for item in items[4:])
        items.append(Item(KERNEL, "other kernel memory", max(kernel - named, 0), of_processes=False))
    return items
