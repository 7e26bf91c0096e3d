"""Does chance vary what a real machine leaves open, the same each time, and is its range judged?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("memtwin.linux.core.state")

from memtwin import cli
from memtwin.machine import chance, costs
from memtwin.run.run import simulate
from memtwin.scenario import parse
from memtwin.sources.recording import Recording, runs_in
from memtwin.study.coverage import coverage, ranges

RECORDINGS = Path(__file__).parents[1] / "recordings"
SCENARIO = """machine ram=192M
swap disk size=256M
proc A
A mmap heap 170M
A touch heap 0 170M w seq content=half
A touch heap 0 170M r rand:8000:7
checkpoint end
"""


@pytest.fixture(autouse=True)
def of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "day.mem").write_text(SCENARIO)


def test_chance_is_the_same_each_time() -> None:
    """By its seed; 0 leaves all as it is."""
    runs = [simulate(parse(SCENARIO), None, seed=seed).files() for seed in (0, 1, 1, 2)]
    assert runs[1] == runs[2]
    assert runs[0] != runs[1] != runs[3]
    assert runs[0] == simulate(parse(SCENARIO), None).files()
    assert (chance.pause_ns(0, 5), chance.profile(0, costs.X86_64)) == (0, costs.X86_64)


def test_chance_stays_in_its_bounds() -> None:
    """Pauses of 1 to 50 ms, latencies of half to twice the usual."""
    pauses = [chance.pause_ns(seed, op) for seed in range(1, 20) for op in range(20)]
    assert 1_000_000 <= min(pauses) < 5_000_000
    assert 45_000_000 < max(pauses) <= 50_000_000
    shares = [chance.profile(seed, costs.X86_64).disk.latency_ns / 80_000 for seed in range(1, 200)]
    assert 0.5 <= min(shares) < 0.6
    assert 1.7 < max(shares) <= 2


def test_run_prints_the_range_of_each_figure(capsys: pytest.CaptureFixture[str]) -> None:
    """From the lowest to the highest run, with the median."""
    assert cli.main(["run", "day.mem", "--runs", "4", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["data"]
    by_figure = {row["figure"]: row for row in rows}
    for row in rows:
        assert row["low"] is None or row["low"] <= row["median"] <= row["high"]
    assert by_figure["finish_s"]["low"] < by_figure["finish_s"]["high"]
    assert cli.main(["run", "day.mem", "--runs", "4"]) == 0
    assert "4 runs that differ by chance alone" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "day.mem", "--runs", "1"), "1"),
        (("run", "day.mem", "--runs", "3", "--story"), "--story with --runs"),
        (("run", "day.mem", "--runs", "3", "-o", "out"), "--output with --runs"),
        (("run", "day.mem", "--runs", "3", "--boot", "live", "--swap", "disk:1G"), "--swap with --runs"),
        (("run", "--runs", "3"), "give a SCENARIO"),
        (("whatif", "day.mem", "--vary", "swap=same", "--seeds", "0"), "0"),
    ],
)
def test_what_cannot_be_is_refused(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str) -> None:
    assert cli.main(list(words)) == 2
    assert said in capsys.readouterr().err


def test_a_goal_holds_in_every_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Figures are medians between low and high; the recommendation gives ranges and no longer speaks of chance."""
    words = ["whatif", "day.mem", "--vary", "machine.ram=176M..256M/16M", "--seeds", "3", "--json"]
    assert cli.main([*words, "--goal", "no oom, finish<900ms"]) in {0, 3}
    found = json.loads(capsys.readouterr().out)["data"]
    assert found["seeds"] == 3
    for point in found["points"]:
        assert point["low"]["finish_s"] <= point["figures"]["finish_s"] <= point["high"]["finish_s"]
        assert point["meets_goal"] == (point["high"]["finish_s"] < 0.9 and not point["high"]["oom_kills"])
    assert not any("--seeds" in words for words in found["recommendation"]["wrong_if"])
    assert "each run 3 times" in found["recommendation"]["sentences"][0]


def test_validate_judges_the_ranges_of_several_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """How many of the real runs' figures they hold, how wide they are; with -v which lie outside."""
    where = str(RECORDINGS / "14-mix-swappiness-60")
    assert cli.main(["validate", where, "--runs", "5", "--json"]) == 0
    row: dict[str, Any] = json.loads(capsys.readouterr().out)["data"]["scenarios"][0]
    assert row["figures"] > 100
    assert row["inside"] >= 0.7
    assert row["inside_bare"] <= row["inside"]
    assert cli.main(["validate", where, "--runs", "3", "--against", "out"]) == 2
    assert "--against" in capsys.readouterr().err


def test_a_range_that_holds_nothing_is_found() -> None:
    """The control: real runs of another scenario lie outside."""
    reals, others = (
        [Recording(run) for run in runs_in(RECORDINGS / name)] for name in ("14-mix-swappiness-60", "19-file-thrash")
    )
    own = coverage(list(ranges(reals, reals)))
    assert own.inside == own.bare == 1.0
    strange = coverage(list(ranges(reals, others)))
    assert strange.inside is not None
    assert strange.inside < 0.2
