"""What each cycle of a command leaves behind: run it, let the program come to rest, look, again and again.

A program that works may swing by much more than it leaks; after each whole cycle it should be where it was. So the
series are by cycle instead of by time, and growth that returns within a cycle is none. Where malloc of glibc could be
read, what is in use counts, to the byte: what is freed and kept is off it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.diagnose.growth import BINS, LEAST_RISE_BYTES, growth
from memtwin.diagnose.leak import COLLECTED, LEAST_SECONDS_COLLECTED, NAMES, NEXT, runtime_of
from memtwin.diagnose.samples import MACHINE_ROWS, Samples, Series
from memtwin.diagnose.watch import look_at, recorder_of, samples_of
from memtwin.errors import UsageError
from memtwin.render.amount import COLUMN
from memtwin.render.grid import NUMBER, Column, Form, Grid, Sentence, Style, View
from memtwin.render.words import size

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from memtwin.diagnose.growth import Growth
    from memtwin.diagnose.samples import ProcessSeries
    from memtwin.sources.cgroups import Group
    from memtwin.sources.recorder import Recorder

LEAST_CYCLES: Final = BINS
"""Fewer have no ten parts to compare."""
_LEAST_USED_BYTES: Final = 160
"""What is in use is exact: malloc's unit of 16 bytes in each tenth of the window counts."""
_REST_S: Final = 0.05
_LONGEST_REST_S: Final = 2.0
_STEADY: Final = 0.7
_MOST: Final = 0.5


class Watched(NamedTuple):
    """The series by cycle, how many were done in how many seconds, and why no more, if so."""

    samples: Samples
    cycles: int
    seconds: float
    cut_short: str | None


class Left(NamedTuple):
    """What a process, a name's processes or the machine (*pid* None) keeps of each cycle."""

    pid: int | None
    name: str
    verdict: str
    bytes_per_cycle: float
    rise_bytes: int
    resolution_bytes_per_cycle: float
    cycles_more: int | None
    evidence: Sentence
    next_tool: str | None = None


def watch(pids: Collection[int], group: Group | None, command: str, most: int, seconds: float) -> Watched:
    """Run *command* by the shell *most* times, or until *seconds* are over, the processes ended, or ^C."""
    recorder, samples = recorder_of(pids, group), samples_of(os.sysconf("SC_PAGE_SIZE"), pids, group)
    begin, done, cut = time.monotonic(), 0, None
    try:
        _look(recorder, samples, 0)
        while done < most:
            left = begin + seconds - time.monotonic()
            if left <= 0 or not _run(command, left):
                cut = f"{seconds:.0f} s were over"
                break
            done += 1
            _rest(pids)
            is_there = _look(recorder, samples, done)
            if pids and not is_there:
                cut = "the process ended"
                break
    except KeyboardInterrupt:
        cut = "interrupted"
    finally:
        recorder.close()
    return Watched(samples, done, time.monotonic() - begin, cut)


def _look(recorder: Recorder, samples: Samples, cycle: int) -> bool:
    """Take in one sample after a cycle, with the heaps unless it is of all processes; return whether one is there."""
    files = recorder.tick()
    samples.add(1000 * cycle, {path: text.decode(errors="surrogateescape") for path, text in files.files.items()})
    for path in files.gone:
        if path.endswith("/statm"):
            samples.gone(int(path.split("/")[1]))
    there = [process for process in samples.processes.values() if process.anon.times_s[-1:] == [cycle]]
    for process in there if not samples.is_whole else ():
        look_at(process, cycle)
    return bool(there)


def _run(command: str, longest_s: float) -> bool:
    """Run a command; return whether it ended in time, and raise UsageError if it failed."""
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(("/bin/sh", "-c", command), stdin=quiet, stdout=quiet, start_new_session=True)  # noqa: S603
    try:
        code = child.wait(longest_s)
    except (subprocess.TimeoutExpired, KeyboardInterrupt) as problem:
        _end(child)
        if isinstance(problem, KeyboardInterrupt):
            raise
        return False
    if code:
        ended = f"ended with {code}" if code > 0 else f"was ended by {signal.Signals(-code).name}"
        raise UsageError(
            f"--cycle: the command {ended}", hint="a cycle that fails says nothing of what it leaves behind"
        )
    return True


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a command and what it started; one that does not heed SIGTERM is killed."""
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(_LONGEST_REST_S)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _rest(pids: Collection[int]) -> None:
    """Wait until the processes have come to rest: their CPU time stands still; at most a short time."""
    end = time.monotonic() + _LONGEST_REST_S
    before = None
    while time.monotonic() < end:
        time.sleep(_REST_S)
        now = [_ran_ns(pid) for pid in pids]
        if now == before or not pids:
            return
        before = now


def _ran_ns(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/schedstat").read_bytes().split()[0]
    except (OSError, IndexError):
        return b""


def judge(watched: Watched) -> Iterator[Left]:
    """Yield what each process, name and the machine keeps of a cycle."""
    samples = watched.samples
    for process in samples.processes.values():
        if process.anon.values:
            yield _of_process(process, watched)
    for name, series in samples.counts.items():
        grown = _growth(series, 3.0)
        if grown is not None and grown.is_growing and grown.slowing >= _STEADY:
            reason = f"Each cycle leaves {grown.rate:.1f} processes of this name behind."
            yield Left(None, name, "more processes", 0.0, 0, 0.0, None, Sentence(reason, ("proc/PID/comm",)))
    for kind, series in samples.machine.items() if samples.is_whole else ():
        grown = _growth(series, LEAST_RISE_BYTES)
        if grown is not None and _goes_on(grown):
            rows = (f"proc/meminfo: {MACHINE_ROWS[kind]}",)
            yield _left(None, "the machine", kind, grown, Sentence(f"{NAMES[kind]}: {_each(grown)}.", rows))


def _of_process(process: ProcessSeries, watched: Watched) -> Left:
    anon = _growth(process.anon, LEAST_RISE_BYTES)
    if anon is None:
        more = max(LEAST_CYCLES - watched.cycles, 1)
        reason = Sentence(f"{watched.cycles} cycles are too few.", process.anon_rows)
        return Left(process.pid, process.name, "unknown", 0.0, 0, 0.0, more, reason)
    for kind, series in process.others.items():
        grown = _growth(series, LEAST_RISE_BYTES)
        if kind in NAMES and grown is not None and _goes_on(grown) and grown.rise > max(anon.rise, 0):
            reason = Sentence(f"{NAMES[kind]}: {_each(grown)}.", (process.rows[kind],))
            return _left(process.pid, process.name, kind, grown, reason)
    used = _used(process, watched.cycles)
    if used is not None and (used.is_growing or not (anon.is_growing or anon.has_stopped)):
        where = "In use by malloc"
        return _of_growth(process, used, watched, where, ("proc/PID/mem",))
    if used is not None and anon.is_growing and _free_rose(process) >= _MOST * anon.rise:
        said = (
            f"Anonymous memory rose by {size(int(anon.rise) >> 10)}; malloc has it free and kept, none more is in use."
        )
        helps = process.heap[-1].trim_bytes >= _MOST * _free_rose(process)
        verdict = "freed and kept: trim helps" if helps else "freed and kept: trim does not help"
        return _left(process.pid, process.name, verdict, anon, Sentence(said, ("proc/PID/mem", *process.anon_rows)))
    return _of_growth(process, anon, watched, "Anonymous memory and its swap", process.anon_rows)


def _of_growth(process: ProcessSeries, grown: Growth, watched: Watched, where: str, rows: tuple[str, ...]) -> Left:
    """Return the verdict on the series that counts."""
    own = process.pid, process.name
    if not grown.is_growing:
        if grown.has_stopped:
            return _left(*own, "warm-up", grown, Sentence(f"{where} rose in early cycles, and no more since.", rows))
        level = (
            f"{where} is after each cycle what it was: more than {_bytes(grown.resolution)} a cycle would have shown."
        )
        return _left(*own, "steady", grown, Sentence(level, rows))
    if grown.has_stopped:
        return _left(*own, "warm-up", grown, Sentence(f"{where} rose in early cycles, and no more since.", rows))
    said = f"{where}: {_each(grown)}"
    runtime = runtime_of(process)
    if runtime == "java" or (runtime in COLLECTED and watched.seconds < LEAST_SECONDS_COLLECTED):
        more = max(round(watched.cycles * (LEAST_SECONDS_COLLECTED / max(watched.seconds, 1) - 1)), LEAST_CYCLES)
        reason = Sentence(f"{said}; its collector may not have run yet.", rows)
        return _left(*own, "unknown", grown, reason, more=more, tool=_tool(process))
    if grown.slowing < _STEADY or not grown.is_even:
        reason = Sentence(f"{said}, but not alike in each third of the cycles.", rows)
        return _left(*own, "unknown", grown, reason, more=watched.cycles)
    return _left(*own, "leak", grown, Sentence(f"{said}.", rows), tool=_tool(process))


def _left(
    pid: int | None, name: str, verdict: str, grown: Growth, reason: Sentence, *, more: int | None = None,
    tool: str | None = None,
) -> Left:  # fmt: skip
    return Left(pid, name, verdict, grown.rate, int(grown.rise), grown.resolution, more, reason, tool)


def _used(process: ProcessSeries, cycles: int) -> Growth | None:
    """Return how what is in use of malloc's grows; None where it was not read after most cycles."""
    if len(process.heap) < max(0.7 * cycles, LEAST_CYCLES):
        return None
    series = Series()
    for look in process.heap:
        series.add(look.at_s, look.used_bytes)
    return _growth(series, _LEAST_USED_BYTES)


def _free_rose(process: ProcessSeries) -> int:
    return process.heap[-1].free_bytes - process.heap[0].free_bytes


def _goes_on(grown: Growth) -> bool:
    return grown.is_growing and not grown.has_stopped


def _growth(series: Series, least: float) -> Growth | None:
    """Return how a series grows by cycle; the first ones are left out, so that each tenth has as many."""
    kept = len(series.values) // BINS * BINS
    try:
        return growth(series.times_s[-kept:], series.values[-kept:], least) if kept else None
    except ValueError:
        return None


def _tool(process: ProcessSeries) -> str:
    return NEXT.get(runtime_of(process), NEXT[""]).replace("PID", str(process.pid))


def _each(grown: Growth) -> str:
    return f"each cycle leaves {_bytes(grown.rate)} behind, {_bytes(grown.rise)} in all"


def _bytes(amount: float) -> str:
    return f"{amount:,.0f} bytes" if abs(amount) < 10_240 else size(int(amount) >> 10)


_CYCLE: Final = Style(lambda amount: f"{amount:,.0f}", "right")
_COLUMNS: Final = (
    Column("pid", "PID", NUMBER), Column("name", "NAME"), Column("verdict", "VERDICT"),
    Column("bytes_per_cycle", "BYTES/CYCLE", _CYCLE), Column("rise_bytes", "RISE", COLUMN),
    Column("resolution_bytes_per_cycle", "SEEN FROM", _CYCLE), Column("cycles_more", "CYCLES MORE", NUMBER),
    Column("next_tool"),
)  # fmt: skip


def view(watched: Watched) -> View:
    """Return the view of what the cycles left behind; of many processes, those that are steady are counted."""
    found = sorted(judge(watched), key=lambda one: (one.verdict == "steady", -one.bytes_per_cycle))
    shown = [one for one in found if one.verdict != "steady" or len(found) <= 5]
    sentences = [Sentence(f"{watched.cycles} cycles in {watched.seconds:.0f} s.", ())]
    for one in shown:
        who = one.name if one.pid is None else f"{one.name} ({one.pid})"
        sentences.append(Sentence(f"{who}: {one.evidence.text}", one.evidence.rests_on))
        if one.cycles_more:
            sentences.append(Sentence(f"{who}: not known yet: {one.cycles_more} more cycles will show.", ()))
        if one.next_tool:
            sentences.append(Sentence(f"{who}: next: {one.next_tool}", ()))
    if len(shown) < len(found):
        sentences.append(Sentence(f"{len(found) - len(shown)} processes are steady.", ()))
    return View("leak", (
        Grid(_COLUMNS, tuple(map(_row, shown)), form=Form.TERMINAL if shown else Form.NONE),
        Grid(_COLUMNS, tuple(map(_row, found)), "findings", form=Form.DATA),
    ), tuple(sentences))  # fmt: skip


def _row(one: Left) -> tuple[object, ...]:
    return (
        one.pid, one.name, one.verdict, round(one.bytes_per_cycle, 1), one.rise_bytes,
        round(one.resolution_bytes_per_cycle, 1), one.cycles_more, one.next_tool,
    )  # fmt: skip
