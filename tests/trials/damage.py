"""Samples as bad sampling would have left them, and with a leak put in: of the series of real programs.

A clock that is set back changes nothing in them: their times are since boot; tests/unit/test_leak.py has such a trace.
"""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING

from memtwin.diagnose.growth import growth

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.diagnose.samples import ProcessSeries, Samples

Times = dict[float, list[float]]
"""The times at which a sample is seen, by the time at which it was taken: none, one or two."""


def dropped(times: list[float], draw: random.Random) -> Times:
    """Lose seven samples of ten."""
    return {at: [at] * (draw.random() >= 0.7) for at in times}


def gap(times: list[float], draw: random.Random) -> Times:
    """Lose ten samples in a row."""
    first = draw.randrange(1, max(len(times) - 11, 2))
    return {at: [at] * (not first <= index < first + 10) for index, at in enumerate(times)}


def twice(times: list[float], draw: random.Random) -> Times:
    """See each sample twice."""
    del draw
    return {at: [at, at] for at in times}


KINDS: dict[str, Callable[[list[float], random.Random], Times]] = {
    "70 % of the samples lost": dropped,
    "a gap of ten samples": gap,
    "each sample twice": twice,
}


def damaged(samples: Samples, how: Callable[[list[float], random.Random], Times], seed: int) -> Samples:
    """Return *samples* after one kind of damage; all files of one sample share its fate."""
    made = copy.deepcopy(samples)
    of_machine = [*made.machine.values(), *made.counts.values()]
    of_processes = [one for process in made.processes.values() for one in (process.anon, *process.others.values())]
    every = sorted({at for series in (*of_machine, *of_processes) for at in series.times_s})
    fate = how(every, random.Random(seed))
    for series in (*of_machine, *of_processes):
        pairs = [
            (seen, value)
            for at, value in zip(series.times_s, series.values, strict=True)
            for seen in fate[at]
        ]  # fmt: skip
        series.times_s, series.values = [at for at, _ in pairs], [value for _, value in pairs]
    for process in made.processes.values():
        process.others = {kind: series for kind, series in process.others.items() if series.times_s}
        process.heap = [look._replace(at_s=seen) for look in process.heap for seen in fate.get(look.at_s, [])]
    return made


def leaking(process: ProcessSeries) -> ProcessSeries | None:
    """Return a steady process with a leak of twice the stated resolution; None where there are too few samples."""
    series = process.anon
    try:
        rate = 2 * growth(series.times_s, series.values).resolution
    except ValueError:
        return None
    made = copy.deepcopy(process)
    begin = series.times_s[0]
    made.anon.values = [value + rate * (at - begin) for at, value in zip(series.times_s, series.values, strict=True)]
    return made
