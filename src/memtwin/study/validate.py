"""How close a run is to the real kernel: every figure against all real runs of the same scenario.

A figure inside the range of the real runs is the kernel's own noise and has error 0. Outside it::

    error = |twin - nearest real| / max(|nearest real|, floor)

The floor is 1 % of MemTotal for sizes, 256 for counters of events, 10 for oom_score; a figure below
its floor in all runs says nothing and is left out. Counters count since the checkpoint ``boot``, which is
the twin's input and is not scored itself. kswapd's and direct reclaim's shares differ between two real runs,
so that their sums are scored here (pgscan, pgsteal) and the shares in ``stalls.py``. A figure that the twin
lacks is missing. OOM victims are compared by name and order where the real runs agree on them.

Judge each scenario by its own mean and p90: pooled over many, quiet figures hide bad ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from memtwin.procfs.counters import figures_with
from memtwin.units import PAGE_KIB, kib_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memtwin.sources.recording import Recording
    from memtwin.sources.source import Source

Kind = Literal["size", "count", "score"]

VMSTAT_SUMS: Final = {
    "pgscan": ("pgscan_kswapd", "pgscan_direct"),
    "pgsteal": ("pgsteal_kswapd", "pgsteal_direct"),
}
FREE_ORDERS: Final = (4, 9)
"""Free memory in blocks of at least these orders, from /proc/buddyinfo."""
ZRAM: Final = ("zram_orig", "zram_compr", "zram_used")
"""The first columns of zram's mm_stat."""
ZSWAP: Final = ("written_back_pages", "pool_limit_hit")
"""Events from /sys/kernel/debug/zswap."""
STATUS: Final = ("VmRSS", "RssAnon", "RssFile", "VmSwap", "VmPTE")
SMAPS_ROLLUP: Final = ("Pss", "Rss", "Swap")
"""Sizes in kB of each worker; smaps_rollup is exact where status lags by a batch."""

COUNT_FLOOR: Final = 256.0
OOM_SCORE_FLOOR: Final = 10.0


class Figure(NamedTuple):
    """One number of a checkpoint: a size in kB, a count of events, or an oom_score."""

    kind: Kind
    value: int


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A figure of one checkpoint: the real runs' range, the twin's, and the error (None: below the floor)."""

    checkpoint: str
    figure: str
    kind: Kind
    low: int
    high: int
    twin: int
    error: float | None


@dataclass(frozen=True, slots=True)
class Score:
    """The verdict on one run. Shares and errors are fractions; *mean* caps each error at 1."""

    scenario: str
    rows: tuple[ScoreRow, ...]
    exact: float
    median: float
    p90: float
    mean: float
    compared: int
    below_floor: int
    missing: int
    victims_matched: int
    victims_asked: int
    victims: tuple[tuple[str, str], ...]
    """(real, twin) by order of death; empty when the real runs disagree."""
    outcomes_same: int
    outcomes_asked: int

    def meets(self, *, mean: float, p90: float) -> bool:
        """Return whether the run is within the bars, lacks no figure and kills whom the kernel killed."""
        whole = self.compared > 0 and not self.missing and self.victims_matched == self.victims_asked
        return whole and self.mean <= mean and self.p90 <= p90


# ------------------------------------------------------------------------------------------------ figures


def figures(recording: Recording, checkpoint: str) -> dict[str, Figure]:
    """Return every figure of *checkpoint* by name; counters count since the machine came up."""
    source = recording.at(checkpoint)
    found: dict[str, Figure] = {}
    events = _events(source.read("proc/vmstat"))
    meminfo = _fields(source.read("proc/meminfo"))
    if "Dirty" not in meminfo and "nr_dirty" in events:
        meminfo["Dirty"] = events["nr_dirty"] * PAGE_KIB
    scored = figures_with("scored")
    found.update((name, Figure("size", meminfo[name])) for name in scored if name in meminfo)
    found.update((name, Figure("count", events[name])) for name in scored if name in events)
    for name, parts in VMSTAT_SUMS.items():
        there = [events[part] for part in parts if part in events]
        if len(there) == len(parts):
            found[name] = Figure("count", sum(there))
    found.update(_free_blocks(source.read("proc/buddyinfo")))
    mm_stat = (source.read("sys/block/zram0/mm_stat") or "").split()
    found.update((name, Figure("size", kib_of(int(size)))) for name, size in zip(ZRAM, mm_stat, strict=False))
    for name in ZSWAP:
        text = (source.read(f"sys/kernel/debug/zswap/{name}") or "").strip()
        if text.isdigit():
            found[f"zswap_{name}"] = Figure("count", int(text))
    for worker in source.names("workers"):
        found.update(_worker(source, worker))
    return found


def _free_blocks(buddyinfo: str | None) -> dict[str, Figure]:
    if not buddyinfo:
        return {}
    totals = dict.fromkeys(FREE_ORDERS, 0)
    for line in buddyinfo.splitlines():
        for order, blocks in enumerate(line.partition("zone")[2].split()[1:]):
            for least in FREE_ORDERS:
                if order >= least:
                    totals[least] += int(blocks) * (PAGE_KIB << order)
    return {f"free>=order{order}": Figure("size", total) for order, total in totals.items()}


def _worker(source: Source, worker: str) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    for file, names in (("status", STATUS), ("smaps_rollup", SMAPS_ROLLUP)):
        fields = _fields(source.read(f"workers/{worker}/{file}"))
        found.update((f"{worker}.{name}", Figure("size", fields[name])) for name in names if name in fields)
    oom_score = (source.read(f"workers/{worker}/oom_score") or "").strip()
    if oom_score.isdigit():
        found[f"{worker}.oom_score"] = Figure("score", int(oom_score))
    return found


def _fields(text: str | None) -> dict[str, int]:
    """Return the numbers of ``Name:  number ...`` lines."""
    found = {}
    for line in (text or "").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split(maxsplit=1)
        if words and words[0].removeprefix("-").isdigit():
            found[name.strip()] = int(words[0])
    return found


def _events(vmstat: str | None) -> dict[str, int]:
    pairs = (line.split() for line in (vmstat or "").splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].removeprefix("-").isdigit()}


def _since(boot: dict[str, Figure], now: dict[str, Figure]) -> dict[str, Figure]:
    """Return *now* with each counter counted since *boot*."""
    start = {name: figure.value for name, figure in boot.items()}
    return {
        name: Figure(kind, value - start.get(name, 0) if kind == "count" else value)
        for name, (kind, value) in now.items()
    }


def since_boot(recording: Recording, checkpoint: str) -> dict[str, Figure]:
    """Return every figure of *checkpoint*, counters since the recording's ``boot``."""
    boot = figures(recording, "boot") if "boot" in recording.checkpoints else {}
    return _since(boot, figures(recording, checkpoint))


# -------------------------------------------------------------------------------------------------- scores


def score(reals: Sequence[Recording], twin: Recording, scenario: str | None = None, *, since: str = "boot") -> Score:
    """Hold *twin* against every run in *reals*, the first of which says which checkpoints there are.

    *since*: the real runs' checkpoint that the twin booted from; only what came later is compared, counted since then.
    """
    floors = floors_of(reals[0])
    runs = [*reals, twin]
    starts = [*[since] * len(reals), "boot"]
    boots = [figures(run, start) if start in run.checkpoints else {} for run, start in zip(runs, starts, strict=True)]
    rows: list[ScoreRow] = []
    missing = 0
    labels = reals[0].checkpoints
    for checkpoint in labels if since == "boot" else labels[labels.index(since) + 1 :]:
        seen = [
            _since(boot, figures(run, checkpoint)) if checkpoint in run.checkpoints else None
            for run, boot in zip(runs, boots, strict=True)
        ]
        there = [figure for figure in seen[:-1] if figure is not None]
        found, lacking = _compare(checkpoint, there, seen[-1] or {}, floors)
        rows += found
        missing += lacking
    pairs = _victims(reals, twin, since)
    real, own = reals[0].outcomes(), twin.outcomes()
    both = real.keys() & own.keys()
    return _summed(
        scenario or str(reals[0].meta.get("scenario", reals[0].path)),
        [row for row in rows if row.checkpoint != "boot"],
        missing=missing,
        victims=pairs,
        outcomes=(sum(real[i][0] == own[i][0] for i in both), len(both)),
    )


def control(reals: Sequence[Recording]) -> tuple[Score, ...]:
    """Hold each of several real runs against the others, as :func:`score` does a twin; nothing of one alone."""
    if len(reals) < 2:
        return ()
    return tuple(score([other for other in reals if other is not run], run) for run in reals)


def pool(scores: Iterable[Score]) -> Score:
    """Return all figures of several scenarios as one score; its quiet figures hide bad ones."""
    every = list(scores)
    return _summed(
        "pooled",
        [row for one in every for row in one.rows],
        missing=sum(one.missing for one in every),
        victims=tuple(pair for one in every for pair in one.victims),
        outcomes=(sum(one.outcomes_same for one in every), sum(one.outcomes_asked for one in every)),
    )


def quantile(values: Iterable[float], q: float) -> float:
    """Return the *q* quantile with linear interpolation, 0 of nothing.

    >>> quantile([4.0, 1.0, 2.0], 0.25)
    1.5
    """
    ordered = sorted(values)
    if not ordered:
        return 0.0
    place = q * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _compare(
    checkpoint: str, reals: list[dict[str, Figure]], twin: dict[str, Figure], floors: dict[Kind, float]
) -> tuple[list[ScoreRow], int]:
    """Return a row for each figure that all of *reals* have, and how many of those *twin* lacks."""
    rows: list[ScoreRow] = []
    missing = 0
    for name in sorted(set.intersection(*(set(real) for real in reals))):
        kind = reals[0][name].kind
        if checkpoint == "boot" and kind == "count":
            continue
        values = [real[name].value for real in reals]
        low, high, floor = min(values), max(values), floors[kind]
        if name in twin:
            value = twin[name].value
            error = _error(low, high, value, floor)
            rows.append(ScoreRow(checkpoint, name, kind, low, high, value, error))
        elif max(abs(low), abs(high)) >= floor:
            missing += 1
    return rows, missing


def _error(low: int, high: int, value: int, floor: float) -> float | None:
    if max(abs(low), abs(high), abs(value)) < floor:
        return None
    nearest = min(max(value, low), high)
    return abs(value - nearest) / max(abs(nearest), floor)


def floors_of(recording: Recording) -> dict[Kind, float]:
    """Return below how much a figure of each kind says nothing."""
    totals = (_fields(recording.at(label).read("proc/meminfo")).get("MemTotal") for label in recording.checkpoints)
    total_kib = next((total for total in totals if total), 256 << 10)
    return {"size": total_kib / 100, "count": COUNT_FLOOR, "score": OOM_SCORE_FLOOR}


def _victims(reals: Sequence[Recording], twin: Recording, since: str) -> tuple[tuple[str, str], ...]:
    """Return (who the kernel killed, who the twin killed) after checkpoint *since*; nothing if the real runs differ."""
    taken = [[name for number, name in real.victims() if number >= _number(real, since)] for real in reals]
    if any(names != taken[0] for names in taken):
        return ()
    return tuple(zip_longest(taken[0], (name for _, name in twin.victims()), fillvalue="none"))


def _number(recording: Recording, label: str) -> int:
    """Return the number of the operation that took a checkpoint; 0 of boot."""
    return next((op["i"] for op in recording.ops if str(op.get("op", "")).split() == ["checkpoint", label]), 0)


def _summed(
    scenario: str,
    rows: list[ScoreRow],
    *,
    missing: int,
    victims: tuple[tuple[str, str], ...],
    outcomes: tuple[int, int],
) -> Score:
    errors = [row.error for row in rows if row.error is not None]
    compared = len(errors)
    return Score(
        scenario=scenario,
        rows=tuple(rows),
        exact=sum(error == 0 for error in errors) / compared if compared else 0.0,
        median=quantile(errors, 0.5),
        p90=quantile(errors, 0.9),
        mean=sum(min(error, 1.0) for error in errors) / compared if compared else 0.0,
        compared=compared,
        below_floor=len(rows) - compared,
        missing=missing,
        victims_matched=sum(real == twin for real, twin in victims),
        victims_asked=len(victims),
        victims=victims,
        outcomes_same=outcomes[0],
        outcomes_asked=outcomes[1],
    )
