"""What happened in a run, in words: what each operation asked for, what it got, and what that cost.

Where reclaim had to make room the words say when, what it took from whom, whether tasks had to wait for it, why it
took files or anonymous pages, and whether what it took was missed afterwards.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memtwin.oom.tell import brief
from memtwin.oom.why.analysis import analyse
from memtwin.render.words import NS_PER_S, capital, count, seconds, size
from memtwin.scenario import (
    Attach,
    DropCaches,
    Exit,
    Fmap,
    Fork,
    Fread,
    Fsync,
    Fwrite,
    Kill,
    Madvise,
    Mlock,
    Mmap,
    Munlock,
    Munmap,
    Op,
    Proc,
    Rand,
    Seq,
    SetSysctl,
    Shm,
    Sleep,
    SwapOff,
    SwapOn,
    Sync,
    Touch,
    Until,
    WorkerOp,
)
from memtwin.story import beside, compaction, generations, heap, open_files, protection, reclaim, shared, space, swap
from memtwin.story.fold import folds, summed
from memtwin.story.phrases import PAGE_KIB, named, phrase, took

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from memtwin.run.done import Done
    from memtwin.run.run import Run
    from memtwin.story.fold import Fold

WHY_NOT = {
    errno.ENOENT: "no such region is mapped",
    errno.ERANGE: "the region ends before that",
    errno.ENOMEM: "there is no memory",
}
"""Why a touch failed."""
SHARED_KIB = 1024
"""A process that frees less had its pages in common with others, or few."""
LITTLE_KIB = 64
"""Reads of names and of metadata, beside what an operation is about."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation with what it changed: sizes in KiB, counters as they count; *file* is what its region maps."""

    done: Done
    change: Mapping[str, int]
    after: Mapping[str, int]
    file: str
    is_shared: bool = False
    """Whether a fork has shared the region with another process."""

    @property
    def is_shmem(self) -> bool:
        """Whether the region is shared memory, or a shared mapping of a file of the tmpfs."""
        return self.file == shared.MEMORY or "/" in self.file


def tell(run: Run) -> list[str]:
    """Return the story of a run: a paragraph for each operation that changed something, those that repeat folded."""
    boot = run.machine.boot
    said = [
        (
            f"A machine with {size(run.machine.state.memory_total * PAGE_KIB)} of memory and "
            f"{count(run.machine.state.cpu_count, 'CPU')}, as {boot.name} left it: "
            f"{size(run.samples[0].figures['MemFree'])} free, Linux {release(boot.version)}."
        )
    ]
    said += run.machine.changes
    said += [sentence for event in run.ooms_before for sentence in brief(analyse(event))]
    narrator = _Narrator(run)
    for fold in folds(run.done):
        for number in range(fold.first, fold.end if fold.times == 1 else fold.first + fold.period):
            said.append(narrator.paragraph(narrator.what(number)))
        if fold.times > 1:
            said.append(narrator.repeated(fold))
    return [*filter(None, said), *_ending(run)]


class _Narrator:
    """Tells of operations in order: it remembers which files are mapped, what a fork shares, and the last reason."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._between = [sample.figures for sample in run.samples if sample.between]
        self._files: dict[tuple[str, str], str] = {}
        self._shared: set[tuple[str, str]] = set()
        self._last_why = ""

    def what(self, number: int) -> Step:
        """Return operation *number* with what it changed."""
        done = self._run.done[number]
        file = _mapped_file(done.op, self._files)
        before, after = self._between[number : number + 2]
        return Step(done, _difference(before, after), after, file, self._was_shared(done.op))

    def paragraph(self, what: Step) -> str:
        """Return what an operation did and what that cost; empty where there is nothing to say."""
        sentences = [_sentence(what)]
        if beside.runs(what.done.op):
            return sentences[0]  # those that it ran beside say what the machine did
        if what.done.began:
            at_ns = self._run.machine.state.reclaim_began_ns - self._run.samples[0].time_ns
            sentences.append(f"{seconds(at_ns)} into the run kswapd was woken: reclaim began.")
        sentences += self._consequences(what)
        sentences += [sentence for event in what.done.ooms for sentence in brief(analyse(event))]
        return " ".join(filter(None, sentences))

    def repeated(self, fold: Fold) -> str:
        """Return what the repetitions of a fold did after the first, all together."""
        first, last = fold.first + fold.period, fold.end
        for number in range(first, last):
            _mapped_file(self._run.done[number].op, self._files)
        done = summed(self._run.done[first:last])
        what = Step(done, _difference(self._between[first], self._between[last]), self._between[last], "")
        which = "The same" if fold.period == 1 else f"The last {fold.period} operations"
        faults = done.deltas.get("pgfault", 0)
        said = (
            f"{which} {count(fold.times - 1, 'time')} more, operations {first + 1:,} to {last:,}, in "
            f"{seconds(done.us * 1000)}: {count(faults, 'page fault')}, {_free(what.change)}."
        )
        return " ".join(filter(None, (said, *self._consequences(what))))

    def _consequences(self, what: Step) -> list[str]:
        """Return what reclaim, compaction and swap did meanwhile."""
        after = what.after
        why = reclaim.why(what.done.balances, what.done.swappiness, swap_free=after["SwapFree"] > 0)
        said = reclaim.reclaimed(what.change, what.done.taken, "" if why == self._last_why else why)
        self._last_why = why or self._last_why
        return [
            *said,
            *generations.aged(what.done.ages),
            *compaction.compacted(what.done),
            *swap.swapped(what.change, after["SwapFree"]),
        ]

    def _was_shared(self, op: Op) -> bool:
        """Return whether a fork has shared the region of *op*; keeps in mind what one shares."""
        if isinstance(op, Mmap):
            self._shared.discard((op.proc, op.region))
        elif isinstance(op, Fork):
            regions = [region for proc, region in self._files if proc == op.proc]
            self._shared |= {(name, region) for name in (op.proc, op.child) for region in regions}
        return isinstance(op, Touch) and (op.proc, op.region) in self._shared


def _difference(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in after}


def _mapped_file(op: Op, files: dict[tuple[str, str], str]) -> str:
    """The file behind the region of *op*, if any; keeps *files*, regions by process and name, up to date."""
    if isinstance(op, Fmap):
        files[op.proc, op.region] = op.file
    elif isinstance(op, Shm):
        files[op.proc, op.region] = shared.MEMORY
    elif isinstance(op, Mmap):
        files[op.proc, op.region] = ""
    elif isinstance(op, Fork):
        files.update({(op.child, region): file for (proc, region), file in files.items() if proc == op.proc})
    return files.get((op.proc, op.region), "") if isinstance(op, (Touch, Munmap)) else ""


def _sentence(what: Step) -> str:
    """What one operation did; empty for those that say nothing."""
    op = what.done.op
    if what.done.outcome == "died" and what.done.why.startswith("SIG"):
        return f"{phrase(op)}: the kernel ends it with {what.done.why}. No other process notices."
    if what.done.outcome == "died":
        killed = f"{op.proc if isinstance(op, WorkerOp) else 'its process'} was killed"
        return f"{phrase(op)}: did not end, for {what.done.why or killed}."
    if what.done.outcome == "skipped":
        gone = f"{op.proc if isinstance(op, WorkerOp) else 'the process'} is gone"
        return f"{phrase(op)}: skipped, {what.done.why or gone}."
    if beside.runs(op):
        return beside.sentence(op, what.done)
    tell_of = TELLERS.get(type(op))
    return tell_of(op, what) if tell_of else ""


def _started(op: Proc, what: Step) -> str:
    if what.done.errno:
        return f"{op.name} cannot be started (ENOMEM). {capital(what.done.why)}."
    if what.done.ooms:
        return f"{op.name} starts{_with_kills(what)}."
    return f"{op.name} starts: {_cost(what.change)}."


def _unmapped(op: Munmap, what: Step) -> str:
    if what.is_shmem:
        return f"{op.proc} unmaps {op.region}: {_free(what.change)}; shared memory stays while it has a name or a user."
    kept = f"; what is cached of {named(what.file)} stays" if what.file else ""
    return f"{op.proc} unmaps {op.region}: {_free(what.change)}{kept}."


def _set(op: SetSysctl, what: Step) -> str:
    return f"{op.name} is set to {op.value}{' and refused (EINVAL)' if what.done.errno else ''}."


def _slept(op: Sleep, what: Step) -> str:
    return f"The machine idles for {op.sleep_ns / NS_PER_S:g} s{_flushed(what)}."


def _waited(op: Until, what: Step) -> str:
    if what.done.errno:
        return f"{op.run_ns / NS_PER_S:g} s have passed already (ETIME): what was to begin then begins late."
    return f"The machine idles until it has run for {op.run_ns / NS_PER_S:g} s{_flushed(what)}."


def _mapped(op: Mmap, what: Step) -> str:
    asked, change = size(op.size_bytes >> 10), what.change
    if what.done.errno:
        name = errno.errorcode[what.done.errno]
        return f"{op.proc} asks for {asked} ({op.region}) and is refused ({name}). {capital(what.done.why)}."
    taken = size(max(-change["MemFree"], 0)) if change["MemFree"] < 0 else "nothing"
    return f"{op.proc} maps {asked} ({op.region}): {size(change['Committed_AS'])} more promised, {taken} taken yet."


def _mapped_a_file(op: Fmap, what: Step) -> str:
    if what.done.errno:
        why = (
            f"{named(op.file)} is empty (EINVAL)"
            if what.done.errno == errno.EINVAL
            else f"{capital(what.done.why)} ({errno.errorcode[what.done.errno]})"
        )
        return f"{op.proc} asks to map {named(op.file)} ({op.region}) and is refused: {why}."
    how = "shared: writes go to the file" if op.shared else "private: writes go to copies"
    pages = size(what.done.file_pages * PAGE_KIB)
    return f"{op.proc} maps {pages} of {named(op.file)} ({op.region}), {how}; nothing is read yet."


def _touched(op: Touch, what: Step) -> str:
    change, faults = what.change, what.done.deltas["pgfault"]
    verb = f"writes ({op.content})" if op.write else "reads"
    of = f"{op.region}, which maps {named(what.file)}" if what.file and what.file != shared.MEMORY else op.region
    amount = f"{size(op.npages * PAGE_KIB)} of"
    if not isinstance(op.pattern, Seq):
        amount = f"{count(op.pattern.n, 'time')} in {amount}"
    if what.done.outcome == "error":
        return f"{op.proc} {verb} {amount} {of} and fails: {WHY_NOT.get(what.done.errno, 'it is not allowed')}."
    said = f"{op.proc} {verb} {amount} {of} {took(what.done)}: {count(faults, 'page fault')}"
    if what.file or not faults:
        came_to = shared.faults if what.is_shmem else _file_faults
        return f"{said}{came_to(what) if faults else ', every page was there'}."
    waited = f", {what.done.deltas['pgmajfault']:,} of which waited for swap" if what.done.deltas["pswpin"] else ""
    if what.done.ooms:
        return f"{said}{waited}{_with_kills(what)}."
    new = shared.new_pages(what)
    if not op.write and waited:
        return f"{said}{waited}."
    if not op.write and new <= PAGE_KIB:
        return f"{said}, and no memory taken: reading what was never written maps the shared zero page."
    made = "copied (copy on write, for a fork had shared them)" if what.is_shared else "of new pages"
    copied = f"{size(new)} {made}" if new > 0 else "no new page"
    left = "" if change["pgsteal"] else f"; {_free(change)}"
    return f"{said}{waited}, {copied}, {size(change['PageTables'])} of page tables{left}."


def _file_faults(what: Step) -> str:
    """What faults on a file's mapping came to."""
    change, major = what.change, what.done.deltas["pgmajfault"]
    parts = [f"{major:,} of them major"] if major else []
    parts.append(f"{size(change['pgpgin'])} read from the disk" if major else "all pages were in the page cache")
    if change["AnonPages"] > PAGE_KIB:
        parts.append(f"{size(change['AnonPages'])} copied to pages of its own (copy on write)")
    if change["Dirty"] > 0:
        parts.append(f"{size(change['Dirty'])} more to be written back")
    return ", " + ", ".join(parts) + _flushed(what)


def _read(op: Fread, what: Step) -> str:
    """Where what a process read came from: the disk, the page cache, or nowhere."""
    chunks = op.pattern.n if isinstance(op.pattern, Rand) else op.length_bytes // op.chunk_bytes
    asked = chunks * op.chunk_bytes >> 10
    if not isinstance(op.pattern, Rand):
        asked = max(min(asked, what.done.file_pages * PAGE_KIB - (op.offset_bytes >> 10)), 0)
    if what.done.errno:
        return f"{op.proc} reads {named(op.file)} and fails{_failed(what.done)}."
    said = f"{op.proc} reads {size(asked)} of {named(op.file)} {took(what.done)}"
    if not asked:
        return f"{op.proc} reads {named(op.file)}: there is nothing to read."
    disk = what.change["pgpgin"]
    added = what.change["Cached"] + what.change["pgsteal_file"] * PAGE_KIB
    if disk <= LITTLE_KIB < asked or not disk:
        if added > LITTLE_KIB and added > asked // 2:
            return f"{said}: the file is a hole, {size(added)} of zeroed pages came into the page cache."
        return f"{said}: all of it was in the page cache."
    if disk >= asked:
        ahead = (
            f", and {size(disk - asked)} more by reading ahead" if disk - asked > max(asked // 20, LITTLE_KIB) else ""
        )
        return f"{said}: all of it came from the disk{ahead}."
    return f"{said}: {size(disk)} came from the disk, {size(asked - disk)} were in the page cache."


def _wrote(op: Fwrite, what: Step) -> str:
    chunks = op.pattern.n if isinstance(op.pattern, Rand) else op.length_bytes // op.chunk_bytes
    said = f"{op.proc} writes {size(chunks * op.chunk_bytes >> 10)} to {named(op.file)} {took(what.done)}"
    if what.done.errno:
        return f"{op.proc} writes to {named(op.file)} and fails{_failed(what.done)}."
    return f"{said}{_flushed(what) or ', to memory only'}: {size(what.after['Dirty'])} are dirty now."


def _synced(op: Fsync | Sync, what: Step) -> str:
    who = (
        f"{op.proc} waits for {named(op.file)} to be written"
        if isinstance(op, Fsync)
        else "All that is dirty is written"
    )
    took = f"{size(what.change['pgpgout'])} in {seconds(what.done.us * 1000)}" if what.change["pgpgout"] else "at once"
    left = f"; {size(what.after['Dirty'])} of other files and metadata stay dirty" if what.after["Dirty"] else ""
    return f"{who}: {took}{left}."


def _dropped(op: DropCaches, what: Step) -> str:
    change = what.change
    parts = [f"{size(-change['Cached'])} of page cache"] if op.value & 1 else []
    if op.value & 2:
        parts.append(f"{size(-change['Slab'])} of slab")
    left = (
        f"; {size(what.after['Dirty'])} are dirty and stay (sync first)" if what.after["Dirty"] and op.value & 1 else ""
    )
    return (
        f"drop_caches {op.value}: {' and '.join(parts)} dropped, {_free(change)}; "
        f"{size(abs(change['MemAvailable']))} {'more' if change['MemAvailable'] >= 0 else 'less'} available{left}."
    )


def _flushed(what: Step) -> str:
    """What was written back while an operation went on."""
    if what.change["pgpgout"] <= LITTLE_KIB:
        return ""
    return f", while {size(what.change['pgpgout'])} went to the disk"


def _forked(op: Fork, what: Step) -> str:
    done, change = what.done, what.change
    if done.errno:
        if "overcommit" in done.why:
            return f"{op.proc} cannot fork (ENOMEM): all that it mapped would be promised again. {capital(done.why)}."
        return f"{op.proc} cannot fork (ENOMEM). {capital(done.why)}."
    if done.ooms:
        return f"{op.proc} forks {op.child}: the pages are shared{_with_kills(what)}."
    return (
        f"{op.proc} forks {op.child}: the pages are shared, {size(change['PageTables'])} of page tables are copied, "
        f"and {size(change['Committed_AS'])} more are promised."
    )


def _advised(op: Madvise, what: Step) -> str:
    """What a hint did: pages freed now, later, or moved to where reclaim looks first."""
    change = what.change
    said = f"{op.proc} says madvise {op.advice} for {size(op.npages * PAGE_KIB)} of {op.region}"
    if what.done.errno:
        return f"{said} and is refused (errno {what.done.errno})."
    later = {
        "free": "; the kernel takes the pages when it needs them",
        "cold": "; reclaim will look at these pages first",
        "willneed": "; what is on disk or in swap is being read ahead",
    }.get(op.advice, "")
    return f"{said}{later}." if later else f"{said}: {_free(change)}."


def _locked(op: Mlock | Munlock, what: Step) -> str:
    """Pages that reclaim must leave alone from now on, or may take again."""
    locks = isinstance(op, Mlock)
    said = f"{op.proc} {'locks' if locks else 'unlocks'} {size(op.npages * PAGE_KIB)} of {op.region}"
    if what.done.errno:
        return f"{said} and fails (errno {what.done.errno})."
    if not locks:
        return f"{said}: reclaim may take them again."
    return f"{said}: {count(what.done.deltas['pgfault'], 'page fault')} bring them in, and reclaim leaves them alone."


def _ended(op: Exit | Kill, what: Step) -> str:
    how = "exits" if isinstance(op, Exit) else "is killed"
    if what.change["AnonPages"] > -SHARED_KIB:
        return f"{op.proc} {how}: hardly any page comes back, for it had few of its own or others still map them."
    return f"{op.proc} {how}: {_free(what.change)}."


TELLERS: dict[type[Op], Callable[..., str]] = {
    Proc: _started,
    Mmap: _mapped,
    Fmap: _mapped_a_file,
    Touch: _touched,
    Fread: _read,
    Fwrite: _wrote,
    Fsync: _synced,
    Sync: _synced,
    DropCaches: _dropped,
    **compaction.TELLERS,
    **shared.TELLERS,
    **open_files.TELLERS,
    **protection.TELLERS,
    **space.TELLERS,
    **heap.TELLERS,
    Munmap: _unmapped,
    Madvise: _advised,
    Mlock: _locked,
    Munlock: _locked,
    SwapOn: swap.switched,
    SwapOff: swap.switched,
    Fork: _forked,
    Exit: _ended,
    Kill: _ended,
    SetSysctl: _set,
    Sleep: _slept,
    Until: _waited,
    **beside.TELLERS,
    Attach: lambda op, what: f"{op.name} has died since (ESRCH)." if what.done.errno else "",
}


def _free(change: Mapping[str, int]) -> str:
    freed = change["MemFree"]
    if not freed:
        return "as much free as before"
    return f"{size(abs(freed))} {'less' if freed < 0 else 'more'} free"


def _with_kills(what: Step) -> str:
    """What is free after an operation in which processes were killed: its own part cannot be separated from theirs."""
    return f"; with what the OOM killer made free, {_free(what.change)}"


def _failed(done: Done) -> str:
    """The errno of a call that failed, and the rule that refused it, if one did."""
    return f" (errno {done.errno}){f': {done.why}' if done.why else ''}"


def _cost(change: Mapping[str, int]) -> str:
    return (
        f"{size(change['AnonPages'])} of its own pages, {size(change['PageTables'])} of page tables, "
        f"{size(change['Committed_AS'])} promised"
    )


def _ending(run: Run) -> list[str]:
    """How the machine was left, and what reclaim came to in all."""
    first, last = run.samples[0], run.samples[-1]
    change = {name: last.figures[name] - first.figures[name] for name in last.figures}
    said = (
        f"After {seconds(last.time_ns - first.time_ns)}: {size(last.figures['MemFree'])} free, "
        f"{size(last.figures['MemAvailable'])} available, {count(change['pgfault'], 'page fault')} in all"
    )
    began = run.machine.state.reclaim_began_ns
    if not began:
        return [f"{said}; nothing had to be reclaimed."]
    if not change["pgsteal"]:
        return [f"{said}; kswapd was woken, and nothing was reclaimed."]
    spared = "" if change["pgsteal_anon"] else "; no anonymous page"
    began_in = next((f"while {phrase(done.op)}" for done in run.done if done.began), "before the first operation")
    balances, swappiness = tuple(run.machine.state.scan_balances), int(run.machine.sysctl["swappiness"])
    when = f"{seconds(began - first.time_ns)} into the run, {began_in}" if began > first.time_ns else "before the run"
    return [
        f"{said}.",
        f"Reclaim began {when}, and took "
        f"{reclaim.from_whom(run.taken())}{reclaim.who_waited(change)}{spared}. "
        f"{reclaim.why(balances, swappiness, swap_free=last.figures['SwapFree'] > 0)} "
        + (" ".join(reclaim.missed(change)) or "Nothing of that was missed: no page was read again."),
        *swap.areas(run),
    ]


def release(version: str) -> str:
    """Return the kernel's release out of /proc/version."""
    words = version.split()
    return words[2] if len(words) > 2 else "unknown"
