"""A trace as a workload: a scenario whose processes grow, shrink and fault as those of the trace did.

What a trace holds of a process is how much memory it had, of which kind, and how often it faulted; not which pages it
touched. So a process here writes what it had more, frees what it had less, and where it faulted more often than it
grew (it allocates and frees all the time) it frees and writes as much again; where less often, it grew by huge pages.
Pages that it had and did not fault on are touched again as far as the trace has working sets: so many, the newest
ones; else not.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from memtwin.diagnose.file_player import FilePlayer, Files
from memtwin.diagnose.lives import Lives
from memtwin.diagnose.page_player import TABLE_BYTES, PagePlayer, Tables, mapped_of, tables_of
from memtwin.diagnose.player import FRESH_ANON_BYTES, HALF, HUGE, PAGE, Life, Player, Size, up
from memtwin.diagnose.workload_machine import head_of
from memtwin.errors import RecordingError
from memtwin.render.words import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from memtwin.diagnose.player import Mix
    from memtwin.sources.source import Source
    from memtwin.sources.tracks import Tracks

    Mixes = Callable[[Mapping[str, Any]], "Mix"]

SMALLEST_BYTES: Final = 1 << 20
"""A process that never had so much is left out, and named."""
MOST_CHECKPOINTS: Final = 40
_CHECKPOINTS_PER_S: Final = 4
_READ_BYTES_PER_S: Final = 50e6
_WRITE_BYTES_PER_S: Final = 1e9
_AFTER_S: Final = 1e-3
"""A checkpoint is so long after what a sample saw, and what is forgotten then again."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A scenario as text, its processes, its checkpoints by label at the trace's times, and what it lacks."""

    text: str
    lives: tuple[Life, ...]
    checkpoints: dict[str, float]
    notes: tuple[str, ...]
    looks: dict[str, float] = field(default_factory=dict)
    """Checkpoints at which what was referenced is what was touched since the working set before."""


def workload_of(
    tracks: Tracks,
    first: Source,
    pids: Sequence[int] = (),
    *,
    mixes: Mixes | None = None,
    is_measured: bool = False,
    is_booted: bool = False,
) -> Workload:
    """Return the workload of a trace, or of some of its processes; raise RecordingError without proc/meminfo.

    The machine is that of the *first* sample. *mixes* says which contents stand for sampled pages. What
    *is_measured* forgets references and has a checkpoint where the trace has working sets. One that *is_booted* begins
    on the first sample's machine itself: without a header, and without what was there already.
    """
    found = Lives(tracks.moments(), pids)
    lives, machine, long_s = found.all, found.machine, found.long_s
    here = [life for life in lives if life.sizes and (life.sizes[0].at_s or not is_booted)]
    kept = [life for life in here if life.peak_bytes >= SMALLEST_BYTES]
    if "MemTotal_bytes" not in machine:
        raise RecordingError("the trace", "has no proc/meminfo: how large the machine is, is not known")
    for life in kept:
        sampled = tracks.contents.get(life.process) if life.process is not None else None
        if sampled is not None and mixes is not None:
            life.mix = mixes(sampled)
    for parent in _parents(kept).values():
        parent.has_forked = True
    huge = any(life.has_huge_pages for life in _without_pages(kept))
    head = head_of(first, machine["MemTotal_bytes"], has_huge_pages=huge)
    notes = [*_notes(kept), *head.notes]
    if len(kept) < len(here):
        notes.append(f"{count(len(here) - len(kept), 'process')} that never had 1 MiB: left out")
    if len(here) < len(lives):
        notes.append(f"{count(len(lives) - len(here), 'process')} that were there at the first sample: as they are")
    others = int(machine.get("AnonPages_bytes", 0)) - sum(
        life.sizes[0].anon_bytes for life in kept if not life.sizes[0].at_s
    )
    cached = int(machine.get("Cached_bytes", 0) + machine.get("Buffers_bytes", 0) - machine.get("Shmem_bytes", 0))
    files = Files(kept)
    before, begin_s = ([], 0.0) if is_booted else _before(kept, max(others, 0), cached)
    sizes = files.before | mapped_of(kept)[1] | {f"{life.word}.files": _files_of(life) for life in _without_pages(kept)}
    before[:0] = [f"file {name} {size}" for name, size in sizes.items()]
    steps = list(_steps(kept, begin_s, files, is_measured=is_measured))
    checkpoints = {f"t{at:.3f}": at for at in _moments(long_s)}
    steps += [(begin_s + at + _AFTER_S, f"checkpoint {label}") for label, at in checkpoints.items()]
    looks = _looks(kept) if is_measured else {}
    steps += [(begin_s + at + _AFTER_S, f"checkpoint {label}") for label, at in looks.items()]
    lines = [*([] if is_booted else head.lines), *before]
    now = -1.0
    for at_s, line in sorted(steps, key=lambda step: step[0]):
        if at_s > now:
            lines.append(f"until {at_s:.3f}")
            now = at_s
        lines.append(line)
    return Workload("\n".join(lines) + "\n", tuple(kept), checkpoints, tuple(notes), looks)


def _notes(lives: Sequence[Life]) -> Iterable[str]:
    sizes = [size for life in lives for size in life.sizes]
    if any(size.pages for size in sizes):
        yield "in which order pages are touched within a sample's interval is not in the trace: upwards, or by chance"
    elif not any(size.touched for size in sizes):
        yield "which pages a process works with is not in the trace (record --working-set): those stay untouched"
    else:
        yield "how much a process works with is in the trace; which pages that are is not: the newest here"
    if any(life.mix is HALF for life in lives):
        yield "contents were not sampled of all (record --contents): half of each such page is random"


def _looks(lives: Sequence[Life]) -> dict[str, float]:
    """Return the checkpoints at which the working sets are measured, by label; at most so many, evenly."""
    times = sorted({size.at_s for life in lives for size in life.sizes if size.touched is not None})
    every = -(-len(times) // MOST_CHECKPOINTS) or 1
    return {f"w{at:.3f}": at for at in times[every - 1 :: every]}


def _before(lives: Sequence[Life], others: int, cached: int) -> tuple[list[str], float]:
    """Return the lines before the first sample's time, and when that is: what was in memory before is put there."""
    lines = []
    if cached >= PAGE:
        lines.append(f"file cache {up(cached)}")
    lines.append("proc others")
    if others >= PAGE:
        lines += [f"others mmap anon {up(others)}", f"others touch anon 0 {up(others)} w seq content=half"]
    reads = 0
    for life in _without_pages(lives):  # a program that ran before is in the page cache
        size = _files_of(life)
        lines.append(f"others fread {life.word}.files 0 {size} 4K")
        reads += size
    if cached - reads >= PAGE:
        lines.append(f"others fread cache 0 {up(cached - reads)} 4K")
    return lines, ceil(2 + max(cached, reads) / _READ_BYTES_PER_S + others / _WRITE_BYTES_PER_S)


def _without_pages(lives: Sequence[Life]) -> list[Life]:
    """Return those of which no sample says which pages they have."""
    return [life for life in lives if not any(size.pages for size in life.sizes)]


def _files_of(life: Life) -> int:
    """Return the size of the file that stands for all that a process mapped."""
    return up(max(one.file_bytes for one in life.sizes))


def _steps(lives: Sequence[Life], begin_s: float, files: Files, *, is_measured: bool) -> Iterable[tuple[float, str]]:
    """Yield what each process does, and when."""
    parents = _parents(lives)
    heaps = _heaps(lives, parents)
    tables, mapped = _tables(lives, parents), mapped_of(lives)[0]
    for life in lives:
        at = begin_s + life.sizes[0].at_s
        own = tables[id(life)]
        player = PagePlayer(life, own, mapped) if own else Player(life)
        opened = FilePlayer(files)
        parent = parents.get(id(life))
        if parent is None:
            yield at, f"proc {life.word}"
            heap = len(own) * TABLE_BYTES if own else up(max(heaps[id(life)] - FRESH_ANON_BYTES, PAGE))
            yield at, f"{life.word} mmap heap {heap}"
            if not own and life.has_huge_pages:
                yield at, f"{life.word} mmap huge {life.peak_bytes // HUGE * HUGE + HUGE}"
                yield at, f"{life.word} madvise huge 0 {life.peak_bytes // HUGE * HUGE + HUGE} hugepage"
            if not own:
                yield at, f"{life.word} fmap files {life.word}.files shared"
        else:
            yield at, f"{parent.word} fork {life.word}"
            player.fork(parent.at(life.sizes[0].at_s) or life.sizes[0])
        for number, size in enumerate(life.sizes):
            yield from ((begin_s + size.at_s, line) for line in player.go_on(size))
            yield from ((begin_s + size.at_s, line) for line in opened.go_on(life.word, size.open_files))
            if is_measured and (size.touched is not None or not number):
                yield begin_s + size.at_s + 2 * _AFTER_S, f"{life.word} clear_refs"
        if life.ended_s is not None:
            yield begin_s + life.ended_s, f"{life.word} exit"


def _parents(lives: Sequence[Life]) -> dict[int, Life]:
    """Return the parents of those that were forked off one of *lives*."""
    kept = {id(life) for life in lives}
    return {
        id(life): life.parent
        for life in lives
        if life.parent is not None and id(life.parent) in kept and life.is_forked
    }


def _tables(lives: Sequence[Life], parents: dict[int, Life]) -> dict[int, Tables]:
    """Return of each the page tables that it and those with the same addresses had; none: which pages is not known."""
    families: dict[int, list[Life]] = {}
    for life in lives:
        first = life
        while id(first) in parents:
            first = parents[id(first)]
        families.setdefault(id(first), []).append(life)
    return {id(life): found for family in families.values() for found in [tables_of(family)] for life in family}


def _heaps(lives: Sequence[Life], parents: dict[int, Life]) -> dict[int, int]:
    """Return the most anonymous memory of each and of those that were forked off it: they have its region."""
    found = {id(life): max(one.anon_bytes for one in life.sizes) for life in lives}
    for life in lives:
        parent = parents.get(id(life))
        while parent is not None:
            found[id(parent)] = max(found[id(parent)], found[id(life)])
            parent = parents.get(id(parent))
    return found


def _moments(long_s: float) -> list[float]:
    """Return times of checkpoints, at most so many, the last at the end."""
    number = min(MOST_CHECKPOINTS, max(int(long_s * _CHECKPOINTS_PER_S), 1))
    return sorted({round(long_s * at / number, 3) for at in range(1, number + 1)})


@dataclass(frozen=True, slots=True)
class Likeness:
    """How a process of a run is like that of the trace.

    *rss*, *anon* and *file* are how far off it is, as shares of its peak, means over the *moments* at which both lived.
    *faults* are minor faults up to the last of them, in the trace and in the model; None: not read there.
    """

    pid: int
    name: str
    peak_bytes: int
    moments: int
    rss: float
    anon: float
    file: float
    faults: int | None
    faults_in_model: int | None
    touched: float | None = None
    """How far off its working set is, as a share of the largest; None: not in the trace."""


def compare(
    workload: Workload, measured: Callable[[str, str], Size | None], referenced: Callable[[str, str], int | None]
) -> tuple[Likeness, ...]:
    """Compare each process with that of a run.

    *measured* says what a process (by its word) had at a checkpoint, *referenced* how much it touched before a look.
    """
    found = []
    for life in workload.lives:
        pairs = []
        for label, at_s in workload.checkpoints.items():
            real, own = life.at(at_s), measured(label, life.word)
            if real is not None and own is not None:
                pairs.append((real, own))
        if pairs:
            found.append(replace(_likeness(life, pairs), touched=_touched_off(workload, life, referenced)))
    return tuple(found)


def _touched_off(workload: Workload, life: Life, referenced: Callable[[str, str], int | None]) -> float | None:
    """Return how far off the working set is at the looks, as a share of the largest; None where there is none.

    The first of a process is left out: since when it counts is not in a trace.
    """
    real = {size.at_s: sum(size.touched) for size in life.sizes if size.touched is not None}
    real.pop(min(real, default=0.0), None)
    pairs = [
        (real[at_s], own)
        for label, at_s in workload.looks.items()
        if at_s in real and (own := referenced(label, life.word)) is not None
    ]
    most = max((one for one, _ in pairs), default=0)
    return fmean(abs(one - own) for one, own in pairs) / most if most else None


def _likeness(life: Life, pairs: list[tuple[Size, Size]]) -> Likeness:
    def off(of: Callable[[Size], int]) -> float:
        return fmean(abs(of(real) - of(own)) for real, own in pairs) / life.peak_bytes

    known = [one.faults for one in life.sizes if one.faults is not None and one.at_s <= pairs[-1][0].at_s]
    faults, in_model = (known[-1], pairs[-1][1].faults) if known and life.is_born else (None, None)
    rss, anon, file = off(lambda one: one.anon_bytes + one.file_bytes), off(_anon), off(_file)
    return Likeness(life.pid, life.name, life.peak_bytes, len(pairs), rss, anon, file, faults, in_model)


def _anon(size: Size) -> int:
    return size.anon_bytes


def _file(size: Size) -> int:
    return size.file_bytes
