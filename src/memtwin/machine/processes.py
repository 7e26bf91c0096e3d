"""The processes of a snapshot, read: what each has in memory and in swap, and where in its address space.

==================  ===============================================================================================
which pages         from
==================  ===============================================================================================
resident, by kind   smaps_rollup (walked: exact); else status, which lags by what a task has not folded yet
in each area        smaps, where it is there; else the rule below
in huge pages       AnonHugePages of smaps; else of smaps_rollup, in the largest areas first
shared after fork   the difference between Rss and Pss of anonymous pages
==================  ===============================================================================================

How many pages were used since reclaim last scanned them is Referenced; the oldest are assumed unused.

Which pages of an area are resident, and where in swap the others are, its page runs say (``sources/page_runs.py``),
where there are any. Without them: a program's own data and the top of its stack are
resident; the other private areas are full from the lowest address up, first what is in swap, which was touched first,
then what is resident. How many pages came back from swap say the process's major faults and what all of them read; most
of what was read ahead was used (swap_ra_hit) where a process goes through its memory in order, and then its resident
pages are a window that ends where it has come to; else what came back lies evenly among what is in swap. File pages are
resident in proportion to each mapping, from its first page on.

What lies on a tmpfs is shared memory, by /proc/mounts. What smaps_rollup has in Swap beyond VmSwap is shared memory's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

from memtwin.errors import InputError
from memtwin.machine.vma import HUGE, Vma
from memtwin.procfs.pid import limits, maps, oom_score_adj, smaps, smaps_rollup, stat, statm, status
from memtwin.sources import page_runs
from memtwin.sources.page_runs import ANONYMOUS, FILE, SWAPPED
from memtwin.sources.processes import processes
from memtwin.units import PAGE_SHIFT, pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from memtwin.sources.processes import SourceProcess
    from memtwin.sources.source import Source

SPECIAL = ("[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]", "[vdso_data]", "[uprobes]")
MOST_AREAS_TRIED = 40
"""Of a process with locked memory: among how many the locked ones are searched."""
STACK_RESIDENT = 4
"""Pages at the top of a stack that any program uses."""
END_OF_ADDRESSES = 1 << 47 >> PAGE_SHIFT
MOST_UNFOLDED = 64
"""Faults after which a thread folds what it counted by itself into its address space."""
STACK_LIMIT, LOCKED_LIMIT = 2048, 2048
"""Pages: the kernel's own limits of a stack and of locked memory, which a process has unless it was given others."""
LIMITS = ("Max address space", "Max data size", "Max stack size", "Max locked memory")


@dataclass(slots=True)
class BootProcess:
    """A process as its files show it; sizes in pages."""

    pid: int
    name: str
    root: str
    """Where its files lie in the snapshot."""
    status: status.Status
    stat: stat.PidStat | None
    adj: int
    areas: list[Vma] = field(default_factory=list)
    anon: int = 0
    file: int = 0
    shmem: int = 0
    swap: int = 0
    shmem_swap: int = 0
    """Of the shared memory that it maps what is in swap: no page of its own, and not in VmSwap."""
    shared_anon: float = 0.0
    """Anonymous pages less its proportional share of them: how much others have of them."""
    shared_swap: float = 0.0
    """The same of its pages in swap."""
    lazy: int = 0
    """Of the anonymous pages those given up with MADV_FREE."""
    has_runs: bool = False
    """Whether it is known where its pages are."""
    unused: int = 0
    """The resident pages that were not used since reclaim last scanned them."""
    counted: tuple[int, int, int] = (0, 0, 0)
    """Anonymous, file and swapped pages as status counts them."""
    tables: int = 0
    locked: int = 0
    huge: int = 0
    """Of the anonymous pages those in huge pages, as far as its files say."""
    contents: tuple[tuple[int, int, int], ...] = ()
    """What its own pages hold, where that is known: first page, pages, Content, by address."""
    uid: int = 0
    limits: tuple[int, int, int, int] = (-1, -1, STACK_LIMIT, LOCKED_LIMIT)
    """Its own limits in pages: address space, data, stack, locked memory; -1: none."""
    texts: dict[str, str] = field(default_factory=dict)
    """Files that no operation changes."""

    @property
    def has_memory(self) -> bool:
        """Whether it has an address space: kernel threads and zombies have none."""
        return "VmSize" in self.status

    @property
    def parent(self) -> int:
        """Its parent's pid."""
        return self.status.number("PPid") or 0

    @property
    def start_ticks(self) -> int:
        """When it began, in ticks since boot."""
        return (self.stat.field("starttime") if self.stat else 0) or 0


def read_processes(source: Source, progress: Callable[[int, int], None] | None = None) -> tuple[BootProcess, ...]:
    """Read the processes of *source*, by age; one that ends meanwhile, or whose files are damaged, is left out."""
    listed = list(processes(source))
    found = []
    for done, process in enumerate(listed):
        if progress:
            progress(done, len(listed))
        read = _read(process)
        if read is not None:
            found.append(read)
    if progress:
        progress(len(listed), len(listed))
    return tuple(sorted(found, key=lambda process: (process.start_ticks, process.pid)))


def _read(process: SourceProcess) -> BootProcess | None:
    """Read one process; None: it has ended."""
    try:
        shown = process.load(status)
        if shown is None:
            return None
        adj = process.load(oom_score_adj)
        found = BootProcess(
            process.pid, shown.get("Name", process.name), process.root, shown, process.load(stat),
            int(adj.value) if adj else 0,
        )  # fmt: skip
        if found.has_memory:
            found.uid = int(shown.get("Uid", "0").split()[0])
            own = process.load(limits)
            if own is not None:
                space, data, stack, memlock = (own.soft(name) for name in LIMITS)
                found.limits = (_limit(space), _limit(data), _limit(stack), _limit(memlock))
            _read_memory(process, found)
    except InputError:
        return None
    for name in ("cgroup", "comm", "cmdline"):
        text = process.read(name)
        if text is not None:
            found.texts[name] = text
    return found


def _limit(size: int | None) -> int:
    """Return a limit in pages; -1: none."""
    return -1 if size is None else size >> PAGE_SHIFT


def _read_memory(process: SourceProcess, found: BootProcess) -> None:
    """Read what a process has in memory, and fill its areas."""
    shown = found.status

    def counted(label: str) -> int:
        return pages(shown.kib(label) or 0)

    found.anon, found.file, found.shmem = counted("RssAnon"), counted("RssFile"), counted("RssShmem")
    found.swap, found.locked = counted("VmSwap"), counted("VmLck")
    found.tables = counted("VmPTE") + counted("VmPMD")
    if "RssAnon" not in shown:
        resident = process.load(statm)
        found.file = int(resident.shared) if resident else 0
        found.anon = max(counted("VmRSS") - found.file, 0)
    found.counted = (found.anon, found.file, found.swap)
    listing = None if process.source.is_live else process.load(smaps)  # the live kernel walks every page for it
    rollup = None if listing else process.load(smaps_rollup)
    if listing is not None and listing.blocks:
        _areas_of_smaps(process, found, listing)
        _read_runs(process, found)
        return
    mapped = process.load(maps)
    found.areas = [_area(row) for row in mapped.rows] if mapped else []
    _note_tmpfs(process, found.areas)
    if rollup is not None:
        rows = rollup.rows
        found.anon = pages(rows.get("Anonymous") or 0)
        found.file = max(pages(rows.get("Rss") or 0) - found.anon - found.shmem, 0)
        found.swap = pages(rows.get("Swap") or 0)
        if any(area.is_shared_memory for area in found.areas):  # Swap has theirs too, VmSwap and SwapPss have not
            beyond = found.swap - found.counted[2]
            found.shmem_swap = beyond if beyond > MOST_UNFOLDED * (shown.number("Threads") or 1) else 0
            found.swap -= found.shmem_swap
        if "Pss_Anon" in rows:
            found.shared_anon = max(found.anon - (rows.get("Pss_Anon") or 0) / 4, 0.0)
        found.shared_swap = max(found.swap - (rows.get("SwapPss") or rows.get("Swap") or 0) / 4, 0.0)
        found.lazy = pages(rows.get("LazyFree") or 0)
        found.huge = pages(rows.get("AnonHugePages") or 0)
        if "Referenced" in rows:
            found.unused = pages(max((rows.get("Rss") or 0) - rows["Referenced"], 0))
    if not found.areas:
        _make_areas(found)
    _lock_areas(found)
    _fill(found)
    _read_runs(process, found)


def _read_runs(process: SourceProcess, found: BootProcess) -> None:
    """Let each area hold what the process's page runs say, if there are any: where its pages are, and on which list."""
    path = page_runs.path_of(process)
    text = process.source.read(path)
    if text is None:
        return
    runs = page_runs.parse(text, path)
    starts = [run.first for run in runs]
    for area in found.areas:
        first, end = (bisect_left(starts, at) for at in (area.start, area.start + area.pages))
        area.runs = runs[first:end]
        counts = Counter[str]()
        for run in area.runs:
            counts[run.kind] += run.pages
        area.anon, area.swap = sum(counts[kind] for kind in ANONYMOUS), counts[SWAPPED]
        area.lazy = min(area.lazy, area.anon)
        of_files = counts[FILE] if area.path not in SPECIAL or area.path == "[vdso]" else 0
        area.file, area.shmem = (0, of_files) if area.maps_shared_memory else (of_files, 0)
    found.has_runs = True
    for kind in ("anon", "swap", "file", "shmem"):
        setattr(found, kind, sum(getattr(area, kind) for area in found.areas))


def _area(row: maps.Mapping) -> Vma:
    start = row.start >> PAGE_SHIFT
    return Vma(row, start, (row.end >> PAGE_SHIFT) - start)


@lru_cache(maxsize=1)
def _mounts(source: Source) -> dict[str, str]:
    """Return the type of the file system that is mounted below each directory, by its path with a slash."""
    lines = [line.split() for line in (source.read("proc/mounts") or "").splitlines()]
    return {words[1].rstrip("/") + "/": words[2] for words in lines if len(words) > 2}


def _note_tmpfs(process: SourceProcess, areas: list[Vma]) -> None:
    """Note which areas map files of a tmpfs: those whose path lies below one, and below no other mount within it."""
    candidates = [area for area in areas if area.row.major == 0 and area.row.inode and area.path.startswith("/")]
    if not candidates:
        return
    mounts = _mounts(process.source)
    for area in candidates:
        below = max((at for at in mounts if area.path.startswith(at)), key=len, default="")
        area.on_tmpfs = mounts.get(below) == "tmpfs"


def _areas_of_smaps(process: SourceProcess, found: BootProcess, listing: smaps.Smaps) -> None:
    """Take what each area holds from smaps."""
    found.anon = found.file = found.shmem = found.swap = 0
    shared = 0.0
    areas = [_area(block.mapping) for block in listing.blocks]
    _note_tmpfs(process, areas)
    for block, area in zip(listing.blocks, areas, strict=True):
        area.anon, area.swap = pages(block.kib("Anonymous") or 0), pages(block.kib("Swap") or 0)
        others = max(pages(block.kib("Rss") or 0) - area.anon, 0)
        if area.is_shared_memory:
            area.shmem, area.shmem_swap, area.swap = others, area.swap, 0  # which is not in VmSwap
            found.shmem_swap += area.shmem_swap
        else:
            area.file, area.shmem = (0, others) if area.on_tmpfs else (others, 0)
            area.lazy = pages(block.kib("LazyFree") or 0)
            referenced = block.kib("Referenced")
            found.unused += 0 if referenced is None else max(area.anon + others - pages(referenced), 0)
            found.lazy += area.lazy
            swap_pss = block.kib("SwapPss")
            found.shared_swap += 0.0 if swap_pss is None else area.swap - swap_pss / 4
            if area.anon and not others:
                shared += max(area.anon - (block.kib("Pss") or 0) / 4, 0.0)
        area.locked = bool(block.kib("Locked"))
        found.areas.append(area)
        area.huge = pages(block.kib("AnonHugePages") or 0)
        found.huge += area.huge
        found.anon += area.anon
        found.file += area.file
        found.shmem += area.shmem
        found.swap += area.swap
    found.shared_anon = shared


def _make_areas(found: BootProcess) -> None:
    """Make areas for a process whose maps may not be read: its file pages, its own memory, and the rest of VIRT."""
    at = 1 << 20
    sizes = {
        ("r-xp", ""): found.file, ("rw-s", "/dev/zero"): found.shmem,
        ("rw-p", ""): max(found.anon + found.swap, pages(found.status.kib("VmData") or 0)),
    }  # fmt: skip
    total = pages(found.status.kib("VmSize") or 0)
    sizes["---p", ""] = max(total - sum(sizes.values()), 0)
    for (perms, path), size in sizes.items():
        if size:
            row = maps.Mapping(at << PAGE_SHIFT, (at + size) << PAGE_SHIFT, perms, path=path or None)
            found.areas.append(Vma(row, at, size))
            at += size + 512


def _lock_areas(found: BootProcess) -> None:
    """Choose areas that add up to VmLck: mlock cuts an area where it ends, so a few of just that size, or in order."""
    left = found.locked
    usual = [area for area in found.areas if area.path not in SPECIAL]
    private = [area for area in usual if area.is_private_memory and not area.is_file][:MOST_AREAS_TRIED]
    exact = (some for number in (1, 2, 3) for some in combinations(private, number) if _sum(some) == left)
    for area in next(exact, ()) if left and _sum(usual) != left else usual:
        if area.pages <= left:
            area.locked = True
            left -= area.pages


def _sum(areas: Iterable[Vma]) -> int:
    return sum(area.pages for area in areas)


def _fill(found: BootProcess) -> None:
    """Decide how much of each kind each area holds, by the rule above."""
    private = [area for area in found.areas if area.is_private_memory]
    own = [area for area in private if area.is_file]
    stacks = [area for area in private if area.path == "[stack]"]
    others = [area for area in private if area not in own and area not in stacks]
    swap, anon = found.swap, found.anon
    for area in (area for area in private if area.locked):
        area.anon = min(area.pages, anon)
        anon -= area.anon
    for area, most in [*((area, area.pages) for area in own), *((area, STACK_RESIDENT) for area in stacks)]:
        more = min(area.pages - area.anon, max(most - area.anon, 0), anon)
        area.anon += more
        anon -= more
    for area in [*others, *stacks]:
        area.swap = min(area.pages - area.anon, swap)
        swap -= area.swap
    for area in [*others, *stacks, *own]:
        more = min(area.pages - area.anon - area.swap, anon)
        area.anon += more
        anon -= more
    if anon + swap:
        _add_area(found, anon, swap)
    huge = found.huge
    for area in sorted(others, key=lambda area: -area.anon):
        area.huge = min(area.anon, huge) // HUGE * HUGE
        huge -= area.huge
    lazy = found.lazy
    for area in sorted(others, key=lambda area: -area.anon):
        if not area.locked:
            area.lazy = min(area.anon, lazy)
            lazy -= area.lazy
    files = [area for area in found.areas if area.is_file and not area.on_tmpfs and area.row.perms != "---p"] or [
        area for area in found.areas if area.row.perms == "r-xp" and not area.path
    ]
    _spread(files, "file", found.file, lambda area: area.pages - area.anon - area.swap)
    shared = [area for area in found.areas if area.is_shared_memory]
    _spread(shared, "shmem_swap", found.shmem_swap, lambda area: area.pages)
    shared += [area for area in found.areas if area.on_tmpfs and not area.is_shared_memory]
    _spread(shared, "shmem", found.shmem, lambda area: area.pages - area.shmem_swap - area.anon - area.swap)


def _add_area(found: BootProcess, anon: int, swap: int) -> None:
    """Make an area for private pages that no area that maps shows has room for."""
    at = max((area.start + area.pages for area in found.areas if area.start < END_OF_ADDRESSES >> 1), default=0) + 512
    row = maps.Mapping(at << PAGE_SHIFT, (at + anon + swap) << PAGE_SHIFT, "rw-p")
    found.areas.append(Vma(row, at, anon + swap, anon=anon, swap=swap))
    found.areas.sort(key=lambda area: area.start)


def _spread(areas: list[Vma], kind: str, count: int, room: Callable[[Vma], int]) -> None:
    """Spread *count* pages over areas in proportion to their room."""
    rooms = [max(room(area), 0) for area in areas]
    total, left = sum(rooms), count
    for area, has in zip(areas, rooms, strict=True):
        share = min(-(-count * has // total) if total else 0, has, left)
        setattr(area, kind, share)
        left -= share


def by_start(process: BootProcess) -> Iterator[Vma]:
    """Yield the areas of a process that are mapped, by address, special ones of the kernel left out."""
    end = 0
    for area in sorted(process.areas, key=lambda area: area.start):
        if area.path == "[vsyscall]" or area.start < end or area.start + area.pages > END_OF_ADDRESSES:
            continue
        end = area.start + area.pages
        yield area
