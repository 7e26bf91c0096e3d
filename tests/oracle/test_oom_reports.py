"""Reports of other people's machines: is every one read, and is the kernel's choice understood?

They are third-party text and not part of this project: they lie beside it, or where MEMTWIN_OOM_REPORTS says.
"""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from memtwin import oom
from memtwin.oom.faces.data import data
from memtwin.oom.faces.report import text
from memtwin.oom.why.analysis import analyses
from memtwin.run import run
from memtwin.sources.recording import Recording

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


NAMES = {"uid": "uid", "tgid": "tgid", "total_vm": "total_vm", "rss": "rss", "rss_anon": "rss_anon",
         "rss_file": "rss_file", "rss_shmem": "rss_shmem", "pgtables_bytes": "pgtables_bytes", "nr_ptes": "page_tables",
         "swapents": "swapents", "oom_adj": "oom_adj", "oom_score_adj": "oom_score_adj"}  # fmt: skip


@needs_reports
@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.id)
def test_each_figure_of_the_table_is_where_its_head_says(row: Indexed) -> None:
    """Cut by blanks, as a person would; rows that a mail broke are left to the count."""
    raw = (PLACE / f"{row.id}.txt").read_text(errors="surrogateescape")
    heads = re.findall(r"\[ *pid *\]( +uid .*) name *$", raw, re.MULTILINE)
    if not heads:
        pytest.skip("the head is wrapped")
    columns = heads[0].split()
    tasks = {task.pid: task for task in event(row).tasks}
    rows = re.findall(r"\[ *(\d+)\]((?: +-?\d+)+) +([^\s\d-].*?)\r?$", raw, re.MULTILINE)
    whole = [(pid, figures.split(), name) for pid, figures, name in rows if len(figures.split()) == len(columns)]
    assert len(whole) > row.tasks * 0.9
    for pid, figures, name in whole:
        task = tasks[int(pid)]
        assert task.name == name.strip()
        for column, figure in zip(columns, figures, strict=True):
            if column in NAMES:
                assert getattr(task, NAMES[column]) == int(figure), (pid, column)


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


@needs_reports
@pytest.mark.parametrize("row", INDEX, ids=lambda row: row.id)
def test_everything_can_be_told_of_every_report(row: Indexed) -> None:
    """Words, tables and JSON, whatever is missing; a sheet adds up; nobody passes a zone and is refused by it."""
    for number, found in enumerate(analyses(events(row)), 1):
        assert "\x1b" not in text(found, number, every=True)
        json.dumps(data(found), allow_nan=False)
        if found.sheet is not None:
            assert sum(item.kib for item in found.sheet.items) == found.sheet.total_kib
        if found.ranking.follows is not True:
            assert found.ranking.why


PASSING = {"071": "some pages came free", "035": "the page fault failed for another reason", "015": "no shortage",
           "073": "an earlier victim had just given up", "061": "enough", "065": "enough"}  # fmt: skip
"""Reports in which a zone had enough when they were printed, and what is said of it."""


@needs_reports
@pytest.mark.parametrize("row", INDEX, ids=lambda row: row.id)
def test_why_the_request_failed_is_found_in_the_zones(row: Indexed) -> None:
    """Every zone that the request could use lay below its mark and reserve, to the page; if one did not, it is said."""
    found = list(analyses(events(row)))[-1]
    if found.event.constraint != "global":
        return
    passing = [view for view in found.zones if view.passes]
    assert bool(passing) == (row.id in PASSING)
    if passing:
        assert PASSING[row.id] in " ".join(text(found, 1).split())


OOM_RECORDINGS = ("26-oom-noswap", "107-oom-four-adj", "108-oom-swap-full", "118-oom-zram-text")


def explained(log: str | None, kills: int) -> None:
    """Check that each kill of a kernel's log is found, whole, and follows from its table."""
    found = list(analyses(oom.parse(log or "")))
    assert len(found) == kills > 0
    for analysis in found:
        assert analysis.event.complete, analysis.event.missing
        assert analysis.ranking.follows is True, analysis.ranking.why
        assert not any(view.passes for view in analysis.zones)
        assert {change.what for change in analysis.changes} & {"RAM", "adj of the victim"}


@pytest.mark.parametrize("name", OOM_RECORDINGS)
def test_recordings_of_a_real_kernel_are_explained(name: str, recordings: Path) -> None:
    """By the rule of 6.1, with every zone below its marks."""
    log = Recording(recordings / name / "run1.tar.xz").dmesg or ""
    explained(log, log.count("Killed process"))


def test_the_twin_is_explained_as_a_real_kernel_is(recordings: Path, tmp_path: Path) -> None:
    """The same command reads what the model writes."""
    real = Recording(recordings / "108-oom-swap-full" / "run1.tar.xz")
    run.run_scenario(real.scenario(), real.at("boot"), tmp_path / "twin")
    log = (tmp_path / "twin" / "dmesg.txt").read_text()
    explained(log, log.count("Killed process"))
