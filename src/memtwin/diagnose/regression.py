"""What grew that did not grow in an earlier trace: the same program under the same load, then and now.

All processes of a name count together, so that pids need not be the same; of the machine, what lies outside of any.
Both windows are cut to the same length from their beginning. A rate is another one where the difference lies beyond
the scatter of both (:data:`~memtwin.diagnose.growth.LIMIT` standard errors) and makes a rise that counts; a level is
another one where the lower envelopes do not overlap.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.diagnose.growth import LEAST_RISE_BYTES, LIMIT, growth
from memtwin.diagnose.samples import ANON, MACHINE_ROWS, PROCESS_ROWS
from memtwin.render.amount import COLUMN
from memtwin.render.grid import NUMBER, Column, Form, Grid, Sentence, Style, View
from memtwin.render.words import size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memtwin.diagnose.growth import Growth
    from memtwin.diagnose.samples import Samples, Series

PROCESSES: Final = "processes"
"""The kind that counts processes of a name."""
_LEAST: Final = {PROCESSES: 3.0}
_LARGER: Final = 0.1
"""Share of the earlier level that makes a level another one."""
ORDER: Final = (
    "grows now", "grows faster", "larger", "new and grows", "not known", "grows slower", "grew then", "smaller", "new",
    "gone", "as then",
)  # fmt: skip
"""What became of a series, the gravest first."""
_WORSE: Final = frozenset(ORDER[:4])
_RATE: Final = Style(lambda rate: f"{rate / 1024:.1f}K", "right")
_SECONDS: Final = Style(lambda seconds: f"{seconds:.0f}s", "right")


class Change(NamedTuple):
    """One kind of memory of a name's processes, or of the machine (*name* None), then and now; counts for processes."""

    name: str | None
    kind: str
    verdict: str
    then: Growth | None
    now: Growth | None
    seconds: float

    @property
    def is_worse(self) -> bool:
        """Whether it is a regression."""
        return self.verdict in _WORSE


def changes(now: Samples, then: Samples) -> list[Change]:
    """Return what became of each name and kind that counts, the gravest first."""
    before, after = dict(_series(then)), dict(_series(now))
    is_whole = now.is_whole and then.is_whole
    found = []
    for name, kind in dict.fromkeys((*after, *before)):
        if name is None and not is_whole:
            continue
        if (name, kind) not in after and not now.is_whole:
            continue
        change = _change(name, kind, after.get((name, kind)), before.get((name, kind)))
        if change is not None:
            found.append(change)
    return sorted(found, key=lambda one: (ORDER.index(one.verdict), -(one.now.rate if one.now else 0.0)))


def _series(samples: Samples) -> Iterator[tuple[tuple[str | None, str], Series]]:
    for name, kinds in samples.totals.items():
        for kind, series in kinds.items():
            yield (name, kind), series
    for name, series in samples.counts.items():
        yield (name, PROCESSES), series
    for kind, series in samples.machine.items():
        if series.values:
            yield (None, kind), series


def _change(name: str | None, kind: str, after: Series | None, before: Series | None) -> Change | None:
    least = _LEAST.get(kind, LEAST_RISE_BYTES)
    if max((*(after.values if after else ()), *(before.values if before else ()))) < least:
        return None
    seconds = min(one.times_s[-1] - one.times_s[0] for one in (after, before) if one is not None)
    now, then = _growth(after, seconds, least), _growth(before, seconds, least)
    return Change(name, kind, _verdict(after, before, now, then), then, now, seconds)


def _verdict(after: Series | None, before: Series | None, now: Growth | None, then: Growth | None) -> str:
    if after is None:
        return "gone"
    if before is None:
        return "new and grows" if now is not None and _goes_on(now) else "new"
    if now is None or then is None:
        return "not known"
    return _by_rate(now, then) or _by_level(now, then) or "as then"


def _by_rate(now: Growth, then: Growth) -> str | None:
    """Return what became of the rate, where the difference is beyond the scatter of both and counts."""
    difference = now.rate - then.rate
    if abs(difference) < max(LIMIT * math.hypot(now.error, then.error), now.least / now.seconds):
        return None
    if difference > 0 and _goes_on(now):
        return "grows faster" if _goes_on(then) else "grows now"
    if difference < 0 and _goes_on(then):
        return "grows slower" if _goes_on(now) else "grew then"
    return None


def _by_level(now: Growth, then: Growth) -> str | None:
    """Return what became of the level where the lower envelopes lie clearly apart."""
    for one, other, word in ((now, then, "larger"), (then, now, "smaller")):
        if min(one.envelope) - max(other.envelope) >= max(now.least, _LARGER * max(other.envelope)):
            return word
    return None


def _goes_on(grown: Growth) -> bool:
    return grown.is_growing and not grown.has_stopped


def _growth(series: Series | None, seconds: float, least: float) -> Growth | None:
    if series is None:
        return None
    end = series.times_s[0] + seconds
    kept = [(at, value) for at, value in zip(series.times_s, series.values, strict=True) if at <= end]
    try:
        return growth([at for at, _ in kept], [value for _, value in kept], least)
    except ValueError:
        return None


_COLUMNS: Final = (
    Column("name", "NAME"), Column("kind", "KIND"), Column("verdict", "AGAINST THEN"),
    Column("then_bytes", "THEN", COLUMN), Column("now_bytes", "NOW", COLUMN),
    Column("then_rate_bytes_per_s", "RATE THEN/s", _RATE), Column("now_rate_bytes_per_s", "NOW/s", _RATE),
    Column("then_processes", "PROCESSES", NUMBER), Column("now_processes", "NOW", NUMBER),
    Column("seconds", "OVER", _SECONDS),
)  # fmt: skip


def view(found: Iterable[Change], trace: str) -> View:
    """Return the view of what became of each, beside the findings of today; those that are as then are counted."""
    rows = list(found)
    shown = [one for one in rows if one.verdict not in {"as then", "new", "gone"}]
    sentences = [Sentence(_said(one), _rows(one)) for one in shown if one.is_worse or one.verdict == "not known"]
    if not any(one.is_worse for one in rows):
        sentences.append(Sentence(f"Nothing grows that did not grow in {trace}, as far as both can show.", ()))
    rest = len(rows) - len(shown)
    if rest:
        sentences.append(Sentence(f"{rest} series of processes and the machine are as then, new or gone.", ()))
    return View("leak", (
        Grid(_COLUMNS, tuple(map(_row, shown)), form=Form.TERMINAL if shown else Form.NONE),
        Grid(_COLUMNS, tuple(map(_row, rows)), "against", form=Form.DATA),
    ), tuple(sentences))  # fmt: skip


def _who(one: Change) -> str:
    return one.name if one.name is not None else "the machine"


def _said(one: Change) -> str:
    who = f"{_who(one)}: {one.kind}"
    if one.now is None or (one.then is None and one.verdict == "not known"):
        return f"{who}: too few samples in {one.seconds:.0f} s to compare."
    if one.kind == PROCESSES:
        then = one.then.envelope[-1] - one.then.envelope[0] if one.then else 0
        return f"{who}: {one.now.rise:+.0f} in {one.seconds:.0f} s, then {then:+.0f}: {one.verdict}."
    then_said = f"then {_signed(one.then.rise)}" if one.then else "not there then"
    if one.verdict == "larger" and one.then is not None:
        least, most = size(int(min(one.now.envelope)) >> 10), size(int(max(one.then.envelope)) >> 10)
        return f"{who}: the lower envelope is {least} at least, then {most} at most: larger."
    return f"{who} changed by {_signed(one.now.rise)} in {one.seconds:.0f} s, {then_said}: {one.verdict}."


def _signed(rise: float) -> str:
    return f"{'-' if rise < 0 else '+'}{size(int(abs(rise)) >> 10)}"


def _rows(one: Change) -> tuple[str, ...]:
    if one.name is None:
        return (f"proc/meminfo: {MACHINE_ROWS[one.kind]}",)
    if one.kind == PROCESSES:
        return ("proc/PID/comm",)
    return (PROCESS_ROWS[one.kind],) if one.kind != ANON else ("proc/PID/statm", "proc/PID/status: VmSwap")


def _row(one: Change) -> tuple[object, ...]:
    is_count = one.kind == PROCESSES
    levels = tuple(None if grown is None else round(grown.envelope[-1]) for grown in (one.then, one.now))
    rates = tuple(None if grown is None or is_count else round(grown.rate, 1) for grown in (one.then, one.now))
    sizes, counts = ((None, None), levels) if is_count else (levels, (None, None))
    return (_who(one), one.kind, one.verdict, *sizes, *rates, *counts, round(one.seconds, 1))
