"""Reports of other people's machines: is every one read, and is the kernel's choice understood?

They are third-party text and not part of this project: they lie beside it, or where MEMTWIN_OOM_REPORTS says.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import NamedTuple

import pytest

from memtwin import oom

PLACE = Path(os.environ.get("MEMTWIN_OOM_REPORTS", Path(__file__).parents[3] / "shared" / "oom-reports"))
HIDDEN_SWAP = {"007", "009"}
"""2.6.32: the table has no column of swap, and swap was full."""


class Indexed(NamedTuple):
    """What the collection's index says of a report."""

    id: str
    kernel: str
    constraint: str
    complete: str
    victim: str
    adj: str
    tasks: int
    swap_total: str


def index() -> list[Indexed]:
    """Return the rows of the index; [] where there is none."""
    path = PLACE / "index.tsv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [
        Indexed(
            row["id"], row["kernel"], row["constraint"], row["complete"], row["victim"].split(" ")[0],
            row["oom_score_adj"], int(row["tasks"]), row["swap_total"],
        )
        for row in rows
    ]  # fmt: skip


INDEX = index()
WHOLE = [row for row in INDEX if row.complete == "yes"]
needs_reports = pytest.mark.skipif(not INDEX, reason=f"no reports in {PLACE} (MEMTWIN_OOM_REPORTS names another place)")


def events(row: Indexed) -> list[oom.OomEvent]:
    """Return the events of a report."""
    return oom.parse((PLACE / f"{row.id}.txt").read_text(errors="surrogateescape"))


def event(row: Indexed) -> oom.OomEvent:
    """Return the event that the index means: the one with its victim, else the last."""
    found = events(row)
    return next((event for event in found if event.victim and str(event.victim.pid) == row.victim), found[-1])


@needs_reports
@pytest.mark.parametrize("row", INDEX, ids=lambda row: row.id)
def test_every_report_has_an_event(row: Indexed) -> None:
    """The kernel, the constraint and the swap are those of the index, as far as the text has them."""
    found = event(row)
    assert row.kernel in {found.kernel, "?"}
    assert found.swap.total_kib == (None if row.swap_total == "?" else int(row.swap_total.split()[0]))
    if row.id != "023":  # the index has the word that this kernel printed, which was wrong: it was a cgroup's limit
        assert found.constraint == row.constraint


@needs_reports
@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.id)
def test_a_whole_report_is_read_whole(row: Indexed) -> None:
    """Header, victim and each row of the table."""
    found = event(row)
    assert found.complete, found.missing
    assert found.victim is not None
    assert str(found.victim.pid) == row.victim
    assert len(found.tasks) == row.tasks
    assert found.trigger.name
    assert found.trigger.pid
    assert found.trigger.order is not None
    by_pid = {task.pid: task for task in found.tasks}
    assert str(by_pid[found.victim.pid].oom_score_adj) == row.adj
    assert all(task.rss is not None and task.name for task in found.tasks)


@needs_reports
@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.id)
def test_the_choice_follows_from_the_table(row: Indexed) -> None:
    """The recomputed victim is the real one, and the printed score the computed one, wherever it can be known."""
    found = event(row)
    ranking = oom.rank(found)
    if row.id in HIDDEN_SWAP:
        assert ranking.follows is None
        assert "swap" in ranking.why
    else:
        assert ranking.follows is True, ranking.why
        assert str(ranking.pid) == row.victim
    if ranking.score_check is not None and row.id != "007":
        assert ranking.score_check.equal is True, ranking.score_check
