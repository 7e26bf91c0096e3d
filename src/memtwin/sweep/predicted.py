"""What a change would do to a machine: the same demand on the model, with and without it, bounded in time.

The demand is one that every machine may meet: its largest process grows by as much as is available, in a minute.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from memtwin.errors import MemtwinError
from memtwin.machine.build import read
from memtwin.procfs import meminfo
from memtwin.procfs.pid import statm
from memtwin.run import grow
from memtwin.sources.processes import processes
from memtwin.sources.source import load
from memtwin.sweep import local
from memtwin.sweep.figures import COLUMNS, written
from memtwin.sweep.subject import Subject, job, packed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from memtwin.sources.processes import SourceProcess
    from memtwin.sources.source import Source
    from memtwin.sweep.figures import Figures
    from memtwin.sweep.job import Row

_SAID: Final = ("oom_kills", "stall_s", "major_faults", "swap_out_bytes", "written_bytes_per_day", "refaults")
"""The figures that are compared, in this order; those that a change leaves as they are are not named."""
_NEAR: Final = 0.02
_OVER_S: Final = 60
_MIB_KIB: Final = 1024


class _TimeOver(Exception):  # noqa: N818 - what happened, not an error of anybody
    """The time that was given is over."""


def predict(source: Source, changes: Mapping[str, Mapping[str, str]], within_s: float) -> dict[str, str]:
    """Return a sentence for each of *changes* (``--vary`` words by a name), within *within_s* seconds."""
    rows: dict[int, Row] = {}
    names = list(changes)
    try:
        with _bounded(within_s):
            demand, who, mib = _demand(source)
            found = Subject("this machine", "snapshot", grow.scenario([demand]), read(source))
            boot = packed(found)
            jobs = [job(found, values, (), boot=boot) for values in ({}, *(changes[name] for name in names))]
            local.run(jobs, rows.__setitem__)
    except _TimeOver:
        pass
    except MemtwinError as problem:
        return dict.fromkeys(names, f"what a change does cannot be said: {problem}")
    late = f"what a change does cannot be said: {within_s:g} s were not enough for the model"
    if 0 not in rows:
        return dict.fromkeys(names, late)
    asked = f"if {who} takes {mib:,} MiB more in {_OVER_S} s, all that is available"
    return {
        name: _said(rows[0], rows[number], asked) if number in rows else late for number, name in enumerate(names, 1)
    }


@contextmanager
def _bounded(within_s: float) -> Iterator[None]:
    """Raise _TimeOver in the block after so many seconds."""

    def over(number: int, frame: object) -> None:
        del number, frame
        raise _TimeOver

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, within_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _demand(source: Source) -> tuple[str, str, int]:
    """Return the word of ``--grow``, the process that grows, and by how many MiB."""
    memory = load(source, meminfo)
    available = None if memory is None else memory.get("MemAvailable")
    if available is None:
        raise MemtwinError("how much is available is not known (proc/meminfo: MemAvailable)")
    largest = max(processes(source), key=_resident_pages, default=None)
    if largest is None:
        raise MemtwinError("it has no process that could grow")
    mib = max(int(available) // _MIB_KIB, 1)
    return f"{largest.pid}={mib}M,over={_OVER_S}s", largest.name, mib


def _resident_pages(process: SourceProcess) -> int:
    found = process.load(statm)
    return found.resident if found is not None else 0


def _said(before: Row, after: Row, asked: str) -> str:
    for row in (before, after):
        if row.figures is None:
            return f"what a change does cannot be said: the model refuses it ({row.reason})"
    assert before.figures is not None
    assert after.figures is not None
    moved = [text for key in _SAID if (text := _moved(key, before.figures, after.figures))]
    if not moved:
        return f"the twin predicts no difference {asked}"
    return f"the twin predicts, {asked}: {', '.join(moved)}"


def _moved(key: str, before: Figures, after: Figures) -> str | None:
    """Return how a figure changes, with its unit; None if it hardly does, or is not known."""
    one, other = before.get(key), after.get(key)
    if one is None or other is None or abs(one - other) <= _NEAR * max(abs(one), abs(other)):
        return None
    column = next(column for column in COLUMNS if column.key == key)
    return f"{column.meaning} {written(column.unit, one)} -> {written(column.unit, other)}"
