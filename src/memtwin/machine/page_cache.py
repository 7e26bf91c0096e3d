"""Steps that fill the page cache: the program in ramfs, what processes map, Buffers, shared memory, and the rest.

Which page of which file is cached no snapshot says but for what processes map. Everything else is one file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.errors import SnapshotError
from memtwin.linux import restore
from memtwin.linux.core import mm_types as t
from memtwin.linux.kernel import fork as kernel_fork
from memtwin.linux.mm import filemap, mm_init, shmem
from memtwin.linux.records import Outcome
from memtwin.machine.families import in_swap
from memtwin.machine.layout import UNMOVABLE
from memtwin.machine.processes import by_start
from memtwin.units import PAGE_SHIFT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.machine.draft import Draft
    from memtwin.machine.processes import BootProcess
    from memtwin.machine.vma import Vma

HUGE_PAGE = 512
REST_FILES = 0x400000000
"""Page number where *the rest* maps files."""
REST_VDSO = 0x7FFFF7FFD


def processes_of(d: Draft) -> list[BootProcess]:
    """Return the processes with memory, the oldest first."""
    return [process for process in d.boot.processes if process.has_memory]


def place_files(d: Draft) -> None:
    """Make the program in ramfs, the vdso and the device's blocks; the program of PID 1 is mapped at boot."""
    a, s = d.accounts, d.state
    ramfs = a.unevictable_files
    mlocked = min(max((d.boot.meminfo.get("Mlocked") or 0) // 4 - a.anon_locked, 0), ramfs)
    init = binary = filemap.create_file(s, max(ramfs, d.program.binary_pages), t.FILE_RAMFS)
    if not d.program.is_init:  # a file of its own, not mapped at boot
        binary = filemap.create_file(s, d.program.binary_pages, t.FILE_RAMFS)
        apart = min(d.program.binary_pages, ramfs - mlocked)
        _fill_ramfs(d, binary, apart)
        ramfs -= apart
    _fill_ramfs(d, init, ramfs, mlocked)
    vdso = filemap.create_file(s, d.program.vdso_pages, t.FILE_VDSO)
    for index, pfn in enumerate(d.frames.singles(d.program.vdso_pages)):
        mm_init.add_file_pages(s, vdso, index, pfn, 1, False, 0)  # noqa: FBT003
    bdev = filemap.create_file(s, max(a.buffers, 1), t.FILE_BDEV)
    fill(d, bdev, 0, a.buffers)
    d.files = {"binary": binary, "vdso": vdso, "bdev": bdev, "init": init}
    d.cache_left, d.shmem_left = a.cache, a.shmem
    d.ramfs_init = ramfs


def _fill_ramfs(d: Draft, file: int, count: int, mlocked: int = 0) -> None:
    index = 0
    for pfn, frames in d.unevictable.take(count, UNMOVABLE):
        mm_init.add_file_pages(d.state, file, index, pfn, frames, False, min(mlocked, frames))  # noqa: FBT003
        mlocked -= min(mlocked, frames)
        index += frames


def place_mapped_files(d: Draft) -> None:
    """Make the files that processes map, and put into the page cache what they have resident of them."""
    sizes: dict[str, int] = {}
    resident: dict[str, list[tuple[int, int]]] = {}
    mapped_by: dict[str, set[int]] = {}
    for process in processes_of(d):
        for area in by_start(process):
            key = key_of(d, area)
            if key is None or key in d.files:
                continue
            first = area.row.offset >> PAGE_SHIFT
            sizes[key] = max(sizes.get(key, 0), first + area.pages)
            for at, count in area.file_runs():
                index = first + at - area.start
                resident.setdefault(key, []).append((index, index + count))
                mapped_by.setdefault(key, set()).add(process.pid)
    for key, size in sizes.items():
        is_shared = key.startswith("shm ")
        d.files[key] = filemap.create_file(d.state, size, t.FILE_SHMEM if is_shared else 0)
        for first, end in _union(resident.get(key, [])):
            left = d.shmem_left if is_shared else d.cache_left
            count = min(end - first, left)
            if is_shared:
                d.shmem_left -= count
            else:
                d.cache_left -= count
            several = len(mapped_by[key]) > 1
            fill(d, d.files[key], first, count, shared=is_shared, often=several or not is_reclaim_enough(d))


def key_of(d: Draft, area: Vma) -> str | None:
    """Return by which name ``Draft.files`` has what an area maps; None: it maps no file."""
    if area.path == "[vdso]":
        return "vdso"
    if area.path == d.program.path and d.boot.program:
        return "binary"
    if area.path == "/init" and area.row.major == 0:
        return "init"
    if area.maps_shared_memory:
        return f"shm {area.row.major}:{area.row.minor}:{area.row.inode} {area.path}"
    if area.is_file:
        return f"{area.row.major}:{area.row.minor}:{area.row.inode} {area.path}"
    return "anonymous files" if area.file else None


def _union(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Merge ranges that overlap."""
    start = end = -1
    for first, last in sorted(ranges):
        if first > end:
            if end > start:
                yield start, end
            start, end = first, last
        end = max(end, last)
    if end > start:
        yield start, end


def is_reclaim_enough(d: Draft) -> bool:
    """Whether reclaim can have activated all the pages that stand on the active anonymous list.

    It does so with pages that it scans and keeps. All others were activated by read() and write(): they are tmpfs's.
    """
    scanned, taken, active = (
        d.boot.vmstat.get(name) or 0 for name in ("pgscan_anon", "pgsteal_anon", "nr_active_anon")
    )
    return active <= scanned - taken


def fill(
    d: Draft, file: int, index: int, count: int, *, shared: bool = False, often: bool = False, mlocked: int = 0
) -> None:
    """Put *count* pages of a file into the page cache: on the file lists, or the anonymous ones if it is *shared*.

    *often*: they are among the first that became active.
    """
    lists = d.anon_lists if shared else d.file_lists
    if not shared and count:
        d.filled.append((file, index, count))
    for listed in lists.take(count, youngest=shared and not often):
        mm_init.add_file_pages(d.state, file, index, listed.pfn, listed.frames, listed.active, mlocked)
        if listed.batched:
            restore.batch_pages(d.state, listed.pfn, listed.frames)
        index += listed.frames


def mmap_rest(d: Draft, start: int, count: int, flags: int, file: int = 0) -> None:
    """Map pages of *the rest*."""
    if kernel_fork.mmap(d.state, d.rest, start, count, flags, file) != Outcome.OK:
        raise SnapshotError(d.boot.name, "its settings forbid what it has mapped (vm.max_map_count?)")


def place_shmem(d: Draft) -> None:
    """Put into memory what no process maps of tmpfs, and let mapped memory without a name go with its last mapping.

    Memory that only mappings share, and System V segments, were promised when they were made.
    """
    for key, file in d.files.items():
        if key.startswith("shm "):
            sysv, anonymous = "/SYSV" in key, "/dev/zero" in key
            restore.charge_shared(d.state, file, sysv or anonymous, sysv)
            if key.endswith(" (deleted)") and not sysv:
                shmem.put(d.state, file)
    d.tmpfs_swap = tmpfs_swap(d)
    tmpfs = d.files["tmpfs"] = filemap.create_file(d.state, max(d.shmem_left + d.tmpfs_swap, 1), t.FILE_SHMEM)
    restore.charge_shared(d.state, tmpfs, promised=False, sysv=False)
    fill(d, tmpfs, d.tmpfs_swap, d.shmem_left, shared=True, often=not is_reclaim_enough(d))


def shared_in_swap(d: Draft) -> dict[int, tuple[int, int]]:
    """Return (first page, pages) of each file of shared memory that is in swap, as far as processes map it."""
    found: dict[int, tuple[int, int]] = {}
    for area in (area for process in processes_of(d) for area in by_start(process) if area.shmem_swap):
        file = d.files.get(key_of(d, area) or "", 0)
        there = filemap.file_info(d.state, file) if file else None
        count = min(area.shmem_swap, there.pages - filemap.cached_pages(d.state, file)) if there else 0
        if count > found.get(file, (0, 0))[1]:
            first = (area.row.offset >> PAGE_SHIFT) + (area.shmem if area.is_used_in_part else 0)
            found[file] = (first, count)
    return found


def tmpfs_swap(d: Draft) -> int:
    """Return how many pages of tmpfs are in swap that no process maps: the slots in use that no process has.

    Where no memory is shared they are those of processes that are not listed.
    """
    mapped = sum(count for _, count in shared_in_swap(d).values())
    return max(slots_left(d) - mapped, 0) if d.accounts.shmem or mapped else 0


def slots_left(d: Draft) -> int:
    """Return how many slots are in use that are no page's of a process's own."""
    used = sum(int(shown.used_kib) >> 2 for shown in d.boot.swaps.areas)
    owned = sum(process.swap - shared for process, _, shared in in_swap(processes_of(d)))
    return max(used - owned - (d.accounts.swap_cache - d.accounts.unmapped), 0)


def place_cache(d: Draft) -> None:
    """Put into memory what no process maps of files, and map of it what nr_mapped has beyond the processes' pages."""
    cache = d.files["cache"] = filemap.create_file(d.state, max(d.cache_left, 1), 0)
    fill(d, cache, 0, d.cache_left)
    left = max((d.boot.vmstat.get("nr_mapped") or 0) - d.state.node_stats()["nr_mapped"], 0)
    at = REST_FILES
    for name, available in (("vdso", 1), ("init", d.ramfs_init), ("cache", d.cache_left)):
        count = min(left, available)
        if not count:
            continue
        begin = REST_VDSO if name == "vdso" else at
        mmap_rest(d, begin, count, t.VM_READ, d.files[name])
        before = d.state.node_stats()["nr_mapped"]
        d.reserve(count)
        restore.map_file_pages(d.state, d.rest, begin, d.files[name], 0, count, d.tables)
        at += count + HUGE_PAGE
        left -= d.state.node_stats()["nr_mapped"] - before


def dirty_cache(d: Draft) -> None:
    """Let as many pages of files differ from the disk as are dirty or being written: those that came last.

    What is only read through mappings, or copied when it is written, does not.
    """
    areas = [area for process in processes_of(d) for area in by_start(process)]
    keys = {key_of(d, area) for area in areas if area.row.perms[1] == "w" and area.row.perms[3] == "s"}
    written = {d.files[key] for key in keys if key in d.files} | {d.files["cache"]}
    left = d.accounts.dirty
    for may_be in (True, False):
        for file, index, count in reversed(d.filled):
            dirty = min(count, left) if file != d.files["bdev"] and (file in written) == may_be else 0
            restore.dirty_file_pages(d.state, file, index + count - dirty, dirty)
            left -= dirty
