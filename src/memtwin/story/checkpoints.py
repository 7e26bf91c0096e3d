"""The checkpoints of a run as a table: every figure is read from the checkpoint's own files, as a view would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.procfs import meminfo, vmstat
from memtwin.render.amount import COLUMN
from memtwin.render.grid import Column, Form, Grid, Style, Value
from memtwin.render.words import seconds
from memtwin.scenario import Checkpoint
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.run.run import Run

MOST: Final = 12
"""Rows that the screen has; of more the first and the last."""
_ROWS: Final = {
    "free_bytes": ("FREE", "MemFree"), "available_bytes": ("AVAIL", "MemAvailable"),
    "buffers_bytes": (None, "Buffers"),
    "cached_bytes": ("CACHED", "Cached"),
    "dirty_bytes": ("DIRTY", "Dirty"), "anon_bytes": ("ANON", "AnonPages"),
    "shared_bytes": ("SHMEM", "Shmem"), "slab_bytes": ("SLAB", "Slab"),
}  # fmt: skip
_OPTIONAL: Final = {"DIRTY", "SHMEM", "SLAB"}
"""Columns that a narrow terminal leaves out."""
_TIME: Final = Style(seconds, "right")
_COUNT: Final = Style(lambda number: f"{number:,}", "right")


def grids(run: Run) -> tuple[Grid, Grid]:
    """Return the table for a terminal, and all checkpoints for JSON."""
    columns = (
        Column("label", "CHECKPOINT"), Column("time_ns", "AT", _TIME),
        *(Column(key, title, COLUMN, optional=title in _OPTIONAL) for key, (title, _) in _ROWS.items()),
        Column("swap_used_bytes", "SWAP", COLUMN), Column("reclaimed_bytes", "RECLAIMED", COLUMN, optional=True),
        Column("page_faults_count", "FAULTS", _COUNT),
    )  # fmt: skip
    rows = tuple(_rows(run))
    half = MOST // 2
    shown = rows if len(rows) <= MOST else (*rows[:half], (f"… {len(rows) - MOST} more",), *rows[-half:])
    return Grid(columns, shown, form=Form.TERMINAL), Grid(columns, rows, "checkpoints", form=Form.DATA)


def _rows(run: Run) -> Iterator[tuple[Value, ...]]:
    first = run.samples[0].time_ns
    ends = [sample.time_ns - first for sample in run.samples if sample.between]
    labels = [("boot", 0)]
    labels += [(done.op.label, number + 1) for number, done in enumerate(run.done) if isinstance(done.op, Checkpoint)]
    boot = _counters(run, "boot")
    for label, end in labels:
        if label not in run.checkpoints:  # the kernel had panicked
            continue
        memory, now = meminfo.parse(run.checkpoints[label]["proc/meminfo"]), _counters(run, label)
        yield (
            label, ends[end], *(bytes_of(memory[row]) for _, row in _ROWS.values()),
            bytes_of(memory["SwapTotal"] - memory["SwapFree"]),
            (now["reclaimed"] - boot["reclaimed"]) * 4096, now["faults"] - boot["faults"],
        )  # fmt: skip


def _counters(run: Run, label: str) -> dict[str, int]:
    counters = vmstat.parse(run.checkpoints[label]["proc/vmstat"])
    taken = sum(value for name, value in counters.items() if name.startswith("pgsteal_") and name.endswith(_TAKERS))
    return {"reclaimed": taken, "faults": counters["pgfault"]}


_TAKERS: Final = ("_kswapd", "_direct")
