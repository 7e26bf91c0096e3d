"""What is read of a run for a sweep: one table of figures, and what each is in a run that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from memtwin.procfs import pressure
from memtwin.twin.twin import Twin
from memtwin.units import PAGE_BYTES

if TYPE_CHECKING:
    from memtwin.run.run import Run

Figures = dict[str, float | None]
"""By the keys of :data:`COLUMNS`; None: not known."""
Unit = Literal["count", "share", "bytes", "bytes_per_day", "per_s", "s"]
_NS_PER_S: Final = 1_000_000_000
_DAYS: Final = 365
_MEMORY: Final = "proc/pressure/memory"


class Figure(NamedTuple):
    """A column: its key, its name in ``--goal`` (empty: none), its heading, unit, what it is, which side is better."""

    key: str
    goal: str
    title: str
    unit: Unit
    meaning: str
    better: Literal["low", "high"] = "low"


COLUMNS: Final = (
    Figure("oom_kills", "oom", "OOM", "count", "processes that the OOM killer took"),
    Figure("failures", "failures", "FAILED", "count", "operations refused, skipped, or ended by a kill"),
    Figure("stall_share", "stall", "STALL", "share", "share of the time in which some task waited for memory (PSI)"),
    Figure("stall_s", "", "STALLED", "s", "time in which some task waited for memory (PSI some)"),
    Figure("full_s", "", "ALL STALLED", "s", "time in which all tasks waited for memory (PSI full)"),
    Figure("major_faults", "", "MAJOR", "count", "faults that waited for a device"),
    Figure("major_faults_per_s", "majfaults", "MAJOR/S", "per_s", "faults that waited for a device, a second"),
    Figure("refaults", "refaults", "REFAULTS", "count", "pages that came back after they were evicted"),
    Figure("swap_in_bytes", "swapin", "SWAP IN", "bytes", "read from swap areas, zram and zswap too"),
    Figure("swap_out_bytes", "swapout", "SWAP OUT", "bytes", "written to swap areas, zram and zswap too"),
    Figure("written_bytes_per_day", "written", "DISK/DAY", "bytes_per_day", "written to swap disks, in a day of it"),
    Figure("wear_share_per_year", "wear", "WEAR/YEAR", "share", "share of the endurance that a year of it writes"),
    Figure("available_least_bytes", "available", "AVAIL MIN", "bytes", "the least MemAvailable", "high"),
    Figure("finish_s", "finish", "FINISH", "s", "simulated time from boot to the end of the workload"),
)  # fmt: skip


def by_goal(name: str) -> Figure:
    """Return the figure that ``--goal`` calls *name*."""
    return next(column for column in COLUMNS if column.goal == name)


def figures_of(run: Run, endurance_bytes: int | None) -> Figures:
    """Return every figure of a run that has come to its end; *endurance_bytes*: what a swap disk may be written to."""
    first, last = run.samples[0], run.samples[-1]
    moved = {name: last.figures[name] - first.figures[name] for name in first.figures}
    elapsed_s = (last.time_ns - first.time_ns) / _NS_PER_S
    some_us, full_us = _stalled_us(run)
    meta = run.meta()
    per_day = sum(int(area["bytes_per_day"]) for area in meta["swap_written"])
    return {
        "oom_kills": len(meta["oom_victims"]),
        "failures": len(meta["not_ok"]),
        "stall_share": some_us / 1e6 / elapsed_s if elapsed_s else 0.0,
        "stall_s": some_us / 1e6,
        "full_s": full_us / 1e6,
        "major_faults": moved["pgmajfault"],
        "major_faults_per_s": moved["pgmajfault"] / elapsed_s if elapsed_s else 0.0,
        "refaults": moved["workingset_refault_anon"] + moved["workingset_refault_file"],
        "swap_in_bytes": moved["pswpin"] * PAGE_BYTES,
        "swap_out_bytes": moved["pswpout"] * PAGE_BYTES,
        "written_bytes_per_day": per_day,
        "wear_share_per_year": per_day * _DAYS / endurance_bytes if endurance_bytes else None,
        "available_least_bytes": min(sample.figures["MemAvailable"] for sample in run.samples) << 10,
        "finish_s": elapsed_s,
    }


def _stalled_us(run: Run) -> tuple[int, int]:
    """Return for how long some, and all, tasks waited for memory since boot, in microseconds."""
    now = Twin(run.machine, run.processes.by_name).read(_MEMORY)
    before, after = (_totals_us(text) for text in (run.checkpoints["boot"].get(_MEMORY), now))
    return after[0] - before[0], after[1] - before[1]


def _totals_us(text: str | None) -> tuple[int, int]:
    found = pressure.parse(text, _MEMORY) if text else pressure.Pressure(None)
    some, full = (0 if stall is None else stall.total_us for stall in (found.some, found.full))
    return some, full


def median_of(runs: list[Figures]) -> tuple[Figures, Figures, Figures]:
    """Return the median (the lower of two), the lowest and the highest of each figure over some runs."""
    sides: tuple[Figures, Figures, Figures] = ({}, {}, {})
    for column in COLUMNS:
        known = sorted(value for run in runs if (value := run[column.key]) is not None)
        chosen = (known[(len(known) - 1) // 2], known[0], known[-1]) if known else (None, None, None)
        for side, value in zip(sides, chosen, strict=True):
            side[column.key] = value
    return sides


def written(unit: Unit, value: float) -> str:
    """Return a value with its unit.

    >>> written("share", 0.0123), written("bytes", 3 << 30), written("s", 12.5), written("per_s", 0.25)
    ('1.23 %', '3.0 GiB', '12.5 s', '0.25/s')
    """
    if unit == "share":
        return f"{value * 100:.3g} %" if value < 0.1 else f"{value * 100:.1f} %"
    if unit in {"bytes", "bytes_per_day"}:
        return _size(value) + (" a day" if unit == "bytes_per_day" else "")
    if unit == "s":
        return f"{value:.3g} s" if value < 100 else f"{value:,.0f} s"
    if unit == "per_s":
        return f"{value:.3g}/s" if value < 1000 else f"{value:,.0f}/s"
    return f"{value:,.0f}"


def _size(size_bytes: float) -> str:
    from memtwin.render.words import size

    return size(round(size_bytes) >> 10) if size_bytes >= 1 << 10 else f"{size_bytes:.0f} bytes"
