"""What do real runs agree on, and what of that is judged? Runs here are a few files that the test writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from memtwin.sources.recording import Recording
from memtwin.study.agreement import Wait, agreed
from memtwin.study.validate import score

if TYPE_CHECKING:
    from pathlib import Path

SCENARIO = "machine ram=128M\ncheckpoint end\n"


def recording(
    path: Path, *, faults: int, scans: int = 1000, load: str = "1.00", stalled_us: int = 500_000
) -> Recording:
    """A run with a checkpoint ``end`` that has so much of each."""
    for label, share in (("boot", 0), ("end", 1)):
        proc = path / label / "proc"
        (proc / "pressure").mkdir(parents=True)
        (proc / "meminfo").write_text("MemTotal:  131072 kB\n")
        (proc / "vmstat").write_text(f"pgfault {faults * share}\npgscan_kswapd {scans * share}\npgscan_direct 0\n")
        (proc / "loadavg").write_text(f"{load if share else '0.00'} 0.00 0.00 1/1 1\n")
        (proc / "pressure" / "memory").write_text(f"some avg10=0.00 total={stalled_us * share}\n")
    (path / "scenario.txt").write_text(SCENARIO)
    (path / "run.json").write_text(json.dumps({"complete": True, "ops": 1, "ops_done": 1}))
    (path / "ops.jsonl").write_text(json.dumps({"i": 0, "op": "checkpoint end", "outcome": "ok", "errno": 0}) + "\n")
    return Recording(path)


def test_a_figure_whose_real_runs_differ_by_more_than_a_third_is_not_judged(tmp_path: Path) -> None:
    """1,000 to 1,600 scans are reported, 1,000 to 1,500 judged; the twin is 100 % off in both."""
    for scans, judged in ((1600, 1), (1500, 2)):
        reals = [recording(tmp_path / f"{scans}-{run}", faults=2000, scans=1000 if run else scans) for run in range(3)]
        twin = recording(tmp_path / f"{scans}-twin", faults=2200, scans=10_000)
        verdict = score(reals, twin)
        found = agreed(reals, twin, verdict)
        assert (found.judged, found.compared) == (judged, 2)
        assert found.mean == pytest.approx(0.1 if judged == 1 else (0.1 + 1) / 2)


def test_the_control_is_a_real_run_that_is_left_out(tmp_path: Path) -> None:
    """Of 1,000, 1,000 and 1,100 faults the last is 10 % off the others, and each of the others within their range."""
    reals = [recording(tmp_path / str(faults + i), faults=faults) for i, faults in enumerate((1000, 1000, 1100))]
    twin = recording(tmp_path / "twin", faults=1050)
    found = agreed(reals, twin, score(reals, twin))
    assert found.mean == 0
    assert found.control_mean == pytest.approx(0.1 / 2 / 3)
    assert agreed(reals[:2], twin, score(reals[:2], twin)).control_mean is None


def test_load_and_pressure_are_judged_where_the_real_runs_agree(tmp_path: Path) -> None:
    """1.00 and 1.20 agree within 20 %, 500 and 700 ms do not; 1.31 is inside 10 % beside the range."""
    reals = [
        recording(tmp_path / "a", faults=1000, load="1.00", stalled_us=500_000),
        recording(tmp_path / "b", faults=1000, load="1.20", stalled_us=700_000),
    ]
    twin = recording(tmp_path / "twin", faults=1000, load="1.31", stalled_us=500_000)
    found = agreed(reals, twin, score(reals, twin))
    assert found.waits == (
        Wait("end", "load 1", 100, 120, 131),
        Wait("end", "pressure memory some", 500_000, 700_000, 500_000),
    )
    assert [wait.figure for wait in found.waits_judged] == ["load 1"]
    assert found.waits[0].is_inside
    assert not found.waits[0]._replace(twin=133).is_inside
