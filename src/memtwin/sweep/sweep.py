"""A sweep: points, what became of each, and how they compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from memtwin.sweep.axes import points
from memtwin.sweep.figures import Figures, median_of
from memtwin.sweep.subject import job, packed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from memtwin.sweep.axes import Axis
    from memtwin.sweep.cache import Cache
    from memtwin.sweep.goal import Goal
    from memtwin.sweep.job import Row
    from memtwin.sweep.subject import Job, Subject

    Runner = Callable[[Sequence[Job], Callable[[int, Row], None]], None]
    """Runs jobs and hands on each row with the number of its job: ``local.run``, or a cluster's."""

DONE, REFUSED, NOT_RUN = "done", "refused", "not run"


class Asked(NamedTuple):
    """What a sweep is to compare."""

    subject: Subject
    axes: tuple[Axis, ...]
    goal: Goal
    settings: tuple[str, ...] = ()
    """Of all points, as ``--set``."""
    seeds: int = 1
    """Runs a point."""
    endurance_bytes: int | None = None


class Point(NamedTuple):
    """One machine, and what its runs did; *figures* is their median, *low* and *high* their range."""

    number: int
    values: Mapping[str, str]
    state: str
    reason: str | None = None
    victims: tuple[str, ...] = ()
    figures: Figures = {}  # noqa: RUF012 - never written to
    low: Figures = {}  # noqa: RUF012 - never written to
    high: Figures = {}  # noqa: RUF012 - never written to
    misses: tuple[str, ...] = ()
    """The clauses of the goal that it misses."""

    @property
    def is_done(self) -> bool:
        """Whether it was run."""
        return self.state == DONE

    @property
    def is_good(self) -> bool:
        """Whether it was run and meets the goal."""
        return self.is_done and not self.misses


class Least(NamedTuple):
    """What a search found: the least value that meets the goal with the other axes at *where*, or None."""

    where: Mapping[str, str]
    at: str | None
    below: str | None
    """The next smaller value, which does not meet the goal; None: there is none."""
    runs: int


class Sweep(NamedTuple):
    """All of it. *is_whole*: nothing was interrupted."""

    asked: Asked
    points: tuple[Point, ...]
    is_whole: bool = True
    minimised: str | None = None
    found: tuple[Least, ...] = ()


class Bench:
    """Where points are run: rows that are known are not computed again, and an interruption keeps what is done."""

    def __init__(self, asked: Asked, runner: Runner, cache: Cache, progress: Callable[[int, int], None]) -> None:
        self.asked, self._runner, self._cache, self._progress = asked, runner, cache, progress
        self._boot = packed(asked.subject)
        self.is_interrupted = False

    def jobs(self, values: Mapping[str, str]) -> list[Job]:
        """Return the jobs of a point, one a seed; raise UsageError for a value that is none."""
        asked = self.asked
        return [
            job(
                asked.subject, values, asked.settings, seed=seed, endurance_bytes=asked.endurance_bytes, boot=self._boot
            )
            for seed in range(asked.seeds)
        ]

    def run(self, chosen: Sequence[Mapping[str, str]]) -> list[Point]:
        """Run points, and return each, numbered from 0."""
        of_points = [self.jobs(values) for values in chosen]
        jobs = [one for some in of_points for one in some]
        rows = {number: row for number, one in enumerate(jobs) if (row := self._cache.find(one))}
        left = [number for number in range(len(jobs)) if number not in rows]
        self._progress(len(rows), len(jobs))

        def keep(at: int, row: Row) -> None:
            rows[left[at]] = row
            self._cache.keep(jobs[left[at]], row)
            self._progress(len(rows), len(jobs))

        try:
            if left and not self.is_interrupted:
                self._runner([jobs[number] for number in left], keep)
        except KeyboardInterrupt:
            self.is_interrupted = True
        found, first = [], 0
        for number, (values, some) in enumerate(zip(chosen, of_points, strict=True)):
            found.append(point(number, values, [rows.get(first + at) for at in range(len(some))], self.asked.goal))
            first += len(some)
        return found


def point(number: int, values: Mapping[str, str], rows: Sequence[Row | None], goal: Goal) -> Point:
    """Return what the runs of a point come to; a row None was not run."""
    refused = next((row for row in rows if row is not None and row.state == REFUSED), None)
    if refused is not None:
        return Point(number, values, REFUSED, refused.reason)
    done = [row for row in rows if row is not None and row.figures is not None]
    if len(done) < len(rows):
        return Point(number, values, NOT_RUN, "interrupted")
    middle, low, high = median_of([row.figures for row in done if row.figures is not None])
    return Point(number, values, DONE, None, done[0].victims, middle, low, high, goal.misses(low, high))


def grid(bench: Bench) -> Sweep:
    """Run every point of the grid."""
    found = bench.run(list(points(bench.asked.axes)))
    return Sweep(bench.asked, tuple(found), not bench.is_interrupted)


def least(bench: Bench, key: str) -> Sweep:
    """Search the least value of the axis *key* that meets the goal, by bisection, for each point of the other axes.

    It assumes that a larger value never meets the goal less; what was run is in the sweep, and nothing else.
    """
    axis = next(axis for axis in bench.asked.axes if axis.key == key)
    texts = axis.rising
    others = [one for one in bench.asked.axes if one.key != key]
    searches = [_Search(where, texts) for where in points(others)]
    while not bench.is_interrupted and (open_ones := [one for one in searches if one.due is not None]):
        for one, found in zip(open_ones, bench.run([one.values(key) for one in open_ones]), strict=True):
            one.take(found)
    ran = [one for search in searches for _, one in sorted(search.ran.items())]
    numbered = tuple(one._replace(number=number) for number, one in enumerate(ran))
    return Sweep(bench.asked, numbered, not bench.is_interrupted, key, tuple(one.least for one in searches))


class _Search:
    """One bisection: values below *low* are known to miss the goal, *high* is known to meet it."""

    def __init__(self, where: Mapping[str, str], texts: Sequence[str]) -> None:
        self.where, self._texts = dict(where), texts
        self.ran: dict[int, Point] = {}
        self._low, self._high = 0, len(texts)
        self.due: int | None = len(texts) - 1
        """Which value is run next; None: it is over. The largest comes first: if that misses, none is searched."""

    def values(self, key: str) -> dict[str, str]:
        """Return the point that is run next."""
        assert self.due is not None
        return {**self.where, key: self._texts[self.due]}

    def take(self, found: Point) -> None:
        """Take the point that was run."""
        assert self.due is not None
        if found.state == NOT_RUN:
            return
        self.ran[self.due] = found
        if found.is_good:
            self._high = self.due
        else:
            self._low = self.due + 1
        self.due = (self._low + self._high) // 2 if self._low < self._high else None

    @property
    def least(self) -> Least:
        """Return what is found."""
        is_over = self.due is None and self._high < len(self._texts)
        below = self._texts[self._high - 1] if is_over and self._high else None
        return Least(self.where, self._texts[self._high] if is_over else None, below, len(self.ran))
