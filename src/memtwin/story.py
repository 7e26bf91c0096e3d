"""What happened in a run, in words: what each operation asked for, what it got, and what that cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.render.table import Column, Table
from memtwin.scenario import (
    Checkpoint,
    Exit,
    Fork,
    Kill,
    Mmap,
    Munmap,
    Op,
    Proc,
    SetSysctl,
    Sleep,
    Touch,
    WorkerOp,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from memtwin.run import Done, Run
    from memtwin.timeline import Sample

PAGE_KIB = 4
NS_PER_S = 1_000_000_000
SHARED_KIB = 1024
"""A process that gives back less had its pages in common with others."""
COLUMNS = ("MemFree", "MemAvailable", "AnonPages", "PageTables", "Slab", "Committed_AS")


def size(kib: int) -> str:
    """A size in the unit that suits it.

    >>> size(40), size(131072), size(3 << 20)
    ('40 KiB', '128 MiB', '3.0 GiB')
    """
    if abs(kib) < 10 << 10:
        return f"{kib:,} KiB"
    if abs(kib) < 1 << 20:
        return f"{kib / 1024:,.0f} MiB"
    return f"{kib / (1 << 20):,.1f} GiB"


def tell(run: Run) -> list[str]:
    """Return the story of a run, a sentence or two for each operation that changed something."""
    boot = run.machine.boot
    told = [
        (
            f"A machine with {size(run.machine.state.memory_total * PAGE_KIB)} of memory and "
            f"{_count(run.machine.state.cpu_count, 'cpu')}, as {boot.name} left it: "
            f"{size(run.samples[0].figures['MemFree'])} free, Linux {_release(boot.version)}."
        )
    ]
    ends = {sample.ops_done: sample for sample in run.samples if sample.between}
    for number, done in enumerate(run.done):
        before, after = ends[number], ends[number + 1]
        sentence = _sentence(done, before, after)
        if sentence:
            told.append(sentence)
    told.append(_ending(run))
    return told


def _sentence(done: Done, before: Sample, after: Sample) -> str:
    """What one operation did; empty for those that say nothing."""
    op = done.op
    change = {name: after.figures[name] - before.figures[name] for name in after.figures}
    if done.outcome == "skipped":
        return f"{op.text}: skipped, {op.proc if isinstance(op, WorkerOp) else 'the process'} is gone."
    tell_of = TELLERS.get(type(op))
    return tell_of(op, done, change) if tell_of else ""


def _started(op: Proc, _done: Done, change: Mapping[str, int]) -> str:
    return f"{op.name} starts: {_cost(change)}."


def _unmapped(op: Munmap, _done: Done, change: Mapping[str, int]) -> str:
    return f"{op.proc} unmaps {op.region}: {size(change['MemFree'])} more are free."


def _set(op: SetSysctl, done: Done, _change: Mapping[str, int]) -> str:
    return f"{op.name} is set to {op.value}{' and refused (EINVAL)' if done.errno else ''}."


def _slept(op: Sleep, _done: Done, _change: Mapping[str, int]) -> str:
    return f"The machine idles for {op.sleep_ns / NS_PER_S:g} s."


def _mapped(op: Mmap, done: Done, change: Mapping[str, int]) -> str:
    asked = size(op.size_bytes >> 10)
    if done.errno:
        return f"{op.proc} asks for {asked} ({op.region}) and is refused (ENOMEM). {_capital(done.why)}."
    taken = size(max(-change["MemFree"], 0)) if change["MemFree"] < 0 else "nothing"
    return f"{op.proc} maps {asked} ({op.region}): {size(change['Committed_AS'])} more promised, {taken} taken yet."


def _touched(op: Touch, done: Done, change: Mapping[str, int]) -> str:
    verb = f"writes ({op.content})" if op.write else "reads"
    faults = done.deltas["pgfault"]
    told = f"{op.proc} {verb} {size(op.npages * PAGE_KIB)} of {op.region}: {_count(faults, 'page fault')}"
    grown = change["AnonPages"]
    if not faults:
        return f"{told}, every page was there."
    if not op.write and grown <= PAGE_KIB:
        return f"{told}, and no memory taken: reading what was never written maps the shared zero page."
    copied = f"{size(grown)} of new pages" if grown else "no new page"
    return f"{told}, {copied}, {size(change['PageTables'])} of page tables; {size(-change['MemFree'])} less free."


def _forked(op: Fork, done: Done, change: Mapping[str, int]) -> str:
    if done.errno:
        return f"{op.proc} cannot fork (ENOMEM): all that it mapped would be promised again. {_capital(done.why)}."
    return (
        f"{op.proc} forks {op.child}: the pages are shared, {size(change['PageTables'])} of page tables are copied, "
        f"and {size(change['Committed_AS'])} more are promised."
    )


def _ended(op: Exit | Kill, _done: Done, change: Mapping[str, int]) -> str:
    how = "exits" if isinstance(op, Exit) else "is killed"
    if change["AnonPages"] > -SHARED_KIB:
        return f"{op.proc} {how}: hardly any page comes back, for others still map what it had."
    return f"{op.proc} {how}: {size(change['MemFree'])} more are free."


TELLERS: dict[type[Op], Callable[..., str]] = {
    Proc: _started,
    Mmap: _mapped,
    Touch: _touched,
    Munmap: _unmapped,
    Fork: _forked,
    Exit: _ended,
    Kill: _ended,
    SetSysctl: _set,
    Sleep: _slept,
}


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _cost(change: Mapping[str, int]) -> str:
    return (
        f"{size(change['AnonPages'])} of its own pages, {size(change['PageTables'])} of page tables, "
        f"{size(change['Committed_AS'])} promised"
    )


def _ending(run: Run) -> str:
    first, last = run.samples[0], run.samples[-1]
    seconds = (last.time_ns - first.time_ns) / NS_PER_S
    faults = last.figures["pgfault"] - first.figures["pgfault"]
    return (
        f"After {seconds:.1f} s: {size(last.figures['MemFree'])} free, {_count(faults, 'page fault')} in all; "
        "nothing had to be reclaimed."
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _release(version: str) -> str:
    words = version.split()
    return words[2] if len(words) > 2 else "unknown"


def checkpoints(run: Run) -> Table:
    """One row a checkpoint: main sizes in KiB, and faults since boot."""
    ends = {sample.ops_done: sample for sample in run.samples if sample.between}
    rows = [_row("boot", run.samples[0], run.samples[0])]
    rows += [
        _row(done.op.label, ends[number + 1], run.samples[0])
        for number, done in enumerate(run.done)
        if isinstance(done.op, Checkpoint)
    ]
    columns = (Column("checkpoint"), *(Column(name, "right") for name in (*COLUMNS, "pgfault")))
    return Table(columns, tuple(rows))


def _row(label: str, sample: Sample, first: Sample) -> tuple[str, ...]:
    sizes = [f"{sample.figures[name]:,}" for name in COLUMNS]
    return (label, *sizes, f"{sample.figures['pgfault'] - first.figures['pgfault']:,}")
