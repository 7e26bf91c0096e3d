"""Does ``diff`` say what changed between two moments, and nothing that it cannot know?"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from memtwin import cli
from memtwin.procfs.meminfo import Meminfo
from memtwin.procfs.pid import status
from memtwin.procfs.uptime import Uptime
from memtwin.procfs.vmstat import Vmstat
from memtwin.render import terminal
from memtwin.sources.processes import processes
from memtwin.sources.recording import Recording
from memtwin.views.diff import Change, Moment, diff, is_event, view

if TYPE_CHECKING:
    import pytest

RUN = Path(__file__).parents[1] / "recordings" / "35-zram-then-disk-small" / "run1.tar.xz"


def moment(events: dict[str, int], up_cs: int, resident: dict[str, int] | None = None) -> Moment:
    return Moment(Meminfo({"MemTotal": 8, "MemFree": 4}), Vmstat(events), None, None, Uptime(up_cs, 0), resident or {})


def test_two_checkpoints_differ_by_what_the_kernel_counted_between_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diff", f"{RUN}@f220", f"{RUN}@f350", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["data"]
    sides = [Recording(RUN).at(label) for label in ("f220", "f350")]
    for name in ("pswpout", "pgfault", "nr_written"):
        counts = [int(side.read("proc/vmstat").split(f"{name} ")[1].split("\n")[0]) for side in sides]  # type: ignore[union-attr]
        row = next(row for row in found["events"] if row["name"] == name)
        assert row["change_count"] == counts[1] - counts[0] > 0
    swapped = {row["name"]: row["change_bytes"] for row in found["swaps"]}
    free = next(row for row in found["memory"] if row["name"] == "SwapFree")
    assert sum(swapped.values()) == -free["change_bytes"]
    assert found["elapsed_s"] > 0
    assert [row["name"] for row in found["processes"]] == ["83 A"]


def test_csv_is_one_change_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diff", f"{RUN}@f220", f"{RUN}@f350", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {"memory", "events", "swaps", "slabs", "processes"} == {row["section"] for row in rows}
    assert all(row["change_bytes"] or row["change_count"] for row in rows if row["section"] != "processes")


def test_events_of_another_boot_are_not_compared() -> None:
    assert diff(moment({"pgfault": 9}, 100), moment({"pgfault": 5}, 200)).events is None
    assert diff(moment({"pgfault": 5}, 200), moment({"pgfault": 9}, 100)).events is None
    assert "not of one boot" in terminal.show(view(diff(moment({"pgfault": 9}, 100), moment({"pgfault": 5}, 200))))
    assert diff(moment({"pgfault": 5}, 100), moment({"pgfault": 9}, 300)).events == (Change("pgfault", 5, 9),)


def test_what_came_and_went_is_called_so_and_hostile_names_stay_text() -> None:
    found = diff(moment({}, 1, {"1 a": 4096, "2 b\x1b[2J": 8192}), moment({}, 2, {"1 a": 4096, "3 c": 4096}))
    assert [one.name for one in found.processes] == ["2 b\x1b[2J", "3 c"]
    text = terminal.show(view(found))
    assert "gone" in text
    assert "new" in text
    assert "\x1b" not in text


def test_nothing_changed_is_said() -> None:
    assert terminal.show(view(diff(moment({}, 1), moment({}, 1)))) == "no change\n"


def test_amounts_and_events_of_vmstat_are_told_apart() -> None:
    amounts = [name for name in Recording(RUN).at("boot").read("proc/vmstat").split()[::2] if not is_event(name)]  # type: ignore[union-attr]
    assert "nr_free_pages" in amounts
    assert "nr_kernel_stack" in amounts
    assert not {"pgfault", "nr_written", "nr_dirtied", "nr_vmscan_write"} & set(amounts)


def test_the_processes_of_a_run_are_its_living_workers() -> None:
    found = list(processes(Recording(RUN).at("f350")))
    assert [(one.name, one.root) for one in found] == [("A", "workers/A")]
    record = found[0].load(status)
    assert record is not None
    assert record.number("Pid") == found[0].pid


def test_changes_are_metrics_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diff", f"{RUN}@f220", f"{RUN}@f350", "--openmetrics"]) == 0
    out = capsys.readouterr().out
    families = {family.name: family for family in text_string_to_metric_families(out)}
    swapped = [one.value for one in families["memtwin_diff_change_bytes"].samples if one.labels["section"] == "swaps"]
    assert sum(swapped) > 0
    assert any(one.labels["name"] == "pswpout" for one in families["memtwin_diff_events"].samples)
