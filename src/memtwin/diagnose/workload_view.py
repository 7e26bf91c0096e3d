"""``replay --check``: how the processes of a trace fare on the model, beside the trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.render.amount import COLUMN, PERCENT_1
from memtwin.render.grid import NUMBER, Column, Grid, Sentence, View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.diagnose.workload import Likeness

_COLUMNS: Final = (
    Column("pid", "PID", NUMBER), Column("name", "NAME"), Column("peak_bytes", "PEAK", COLUMN),
    Column("moments", "MOMENTS", NUMBER), Column("rss_off_percent", "RSS OFF", PERCENT_1),
    Column("anon_off_percent", "ANON", PERCENT_1), Column("file_off_percent", "FILE", PERCENT_1),
    Column("faults", "FAULTS", NUMBER), Column("faults_in_model", "IN MODEL", NUMBER),
    Column("working_set_off_percent", "WORKING SET OFF", PERCENT_1),
)  # fmt: skip
_ROWS: Final = ("proc/PID/statm", "proc/PID/stat: minflt")


def view(found: Sequence[Likeness], notes: Sequence[str]) -> View:
    """Return the processes, the largest first; how far off they are is a share of their peak."""
    rows = [
        (
            one.pid, one.name, one.peak_bytes, one.moments, *(100 * off for off in (one.rss, one.anon, one.file)),
            one.faults, one.faults_in_model, None if one.touched is None else 100 * one.touched,
        )
        for one in sorted(found, key=lambda one: (-one.peak_bytes, one.pid))
    ]  # fmt: skip
    said = [
        "What is off is the mean over the moments, as a share of the peak, or of the largest working set.",
        *(f"{_upper(one)}." for one in notes),
    ]
    return View("replay", (Grid(_COLUMNS, rows),), tuple(Sentence(one, _ROWS) for one in said))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
