"""Does a sweep run what is asked for, rank it by its rules, and refuse what cannot be?"""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("memtwin.linux.core.state")

from memtwin import cli
from memtwin.errors import RecordingError, UsageError
from memtwin.run.run import simulate
from memtwin.scenario import parse
from memtwin.sweep import axes, document
from memtwin.sweep.figures import figures_of
from memtwin.sweep.goal import goal
from memtwin.sweep.ranking import bend

RECORDINGS = Path(__file__).parents[1] / "recordings"
SCENARIO = """machine ram=192M
swap disk size=256M
proc A
A mmap heap 150M
A touch heap 0 150M w seq content=half
A touch heap 0 150M r seq
checkpoint end
"""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where rows are kept for all tests: the same point is the same row, bit for bit."""
    return tmp_path_factory.mktemp("rows")


@pytest.fixture(autouse=True)
def of_its_own(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(rows))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "day.mem").write_text(SCENARIO)


def asked(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    assert cli.main(["whatif", *words, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["data"]
    return found


def refused(capsys: pytest.CaptureFixture[str], *words: str, code: int = 2) -> str:
    assert cli.main(["whatif", *words]) == code
    streams = capsys.readouterr()
    assert streams.out == ""
    return streams.err


GRID = ("day.mem", "--vary", "machine.ram=128M..256M/64M", "--vary", "swap=same,none", "--vary", "vm.swappiness=10,100")


def test_a_point_is_the_run_that_run_would_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Figure by figure, with the settings of the point; forks and processes change nothing."""
    points = asked(capsys, *GRID)["points"]
    assert len(points) == 3 * 2 * 2
    for point in points[::2]:
        ram, swap, swappiness = point["values"].values()
        text = SCENARIO if swap == "same" else SCENARIO.replace("swap disk size=256M\n", "")
        run = simulate(parse(text), None, settings=[f"machine.ram={ram}", f"vm.swappiness={swappiness}"])
        assert point["figures"] == figures_of(run, None)


def test_the_same_bytes_whatever_the_number_of_processes(capsys: pytest.CaptureFixture[str]) -> None:
    """And whether or not rows are kept."""
    one = asked(capsys, *GRID, "--jobs", "1", "--no-cache")
    assert one == asked(capsys, *GRID, "--jobs", "3", "--no-cache")
    assert one == asked(capsys, *GRID)


def test_what_was_run_is_not_run_again(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the scenario, a setting or the program differs."""
    whole = asked(capsys, *GRID)
    monkeypatch.setattr(os, "fork", _no_fork)
    assert asked(capsys, *GRID) == whole
    monkeypatch.setattr("memtwin.sweep.cache.program", lambda: b"another")
    with pytest.raises(_Forked):
        cli.main(["whatif", *GRID])


class _Forked(BaseException):
    pass


def _no_fork() -> int:
    raise _Forked


def test_the_best_point_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    """Ranks are by the goal, then kills, failures, stalls; the least RAM that meets the goal is recommended."""
    found = asked(capsys, *GRID)
    ranked = sorted((point for point in found["points"] if point["rank"]), key=lambda point: point["rank"])
    orders = [
        (not point["meets_goal"], point["figures"]["oom_kills"], point["figures"]["failures"]) for point in ranked
    ]
    assert orders == sorted(orders)
    chosen = found["points"][found["recommendation"]["point"]]
    assert (chosen["values"]["machine.ram"], chosen["values"]["swap"]) == ("128M", "same")
    none = [point for point in ranked if point["values"]["swap"] == "none" and point["values"]["machine.ram"] == "128M"]
    assert none
    assert not any(point["meets_goal"] for point in none)


def test_a_recommendation_says_what_was_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Points, axes, goal, figure, what less does, what would make it wrong."""
    found = asked(capsys, "day.mem", "--vary", "machine.ram=128M..256M/32M", "--vary", "swap=none")["recommendation"]
    text = " ".join(found["sentences"])
    assert "5 points compared (machine.ram 128M, 160M, 192M, 224M, 256M x swap none)" in text
    assert "goal: no oom, no failures" in text
    assert "One step less" in text
    assert any("nothing else was run" in words for words in found["wrong_if"])
    assert any("each point was run once" in words for words in found["wrong_if"])


def test_a_goal_that_no_point_meets_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """With the nearest point and by how much it misses; the exit code says so too."""
    words = ("day.mem", "--vary", "machine.ram=128M,160M", "--goal", "no oom, finish<1ms")
    found = asked(capsys, *words, code=3)["recommendation"]
    assert found["point"] is None
    assert "No point meets the goal." in found["sentences"]
    assert "it misses finish<1ms (" in " ".join(found["sentences"])


def test_bisection_finds_what_the_grid_has(capsys: pytest.CaptureFixture[str]) -> None:
    """The least RAM of all values, in far fewer runs, for each swap."""
    words = ("day.mem", "--vary", "machine.ram=128M..256M/8M", "--vary", "swap=none,zram:50%")
    grid = asked(capsys, *words)
    search = asked(capsys, *words, "--minimise", "machine.ram", "--no-cache")
    assert len(search["points"]) <= 2 * 6 < len(grid["points"])
    for least in search["least"]:
        swap = least["where"]["swap"]
        of_swap = [point for point in grid["points"] if point["values"]["swap"] == swap]
        met = [point["values"]["machine.ram"] for point in of_swap if point["meets_goal"]]
        assert least["at"] == met[0]
        assert [point["meets_goal"] for point in of_swap] == [False] * (len(of_swap) - len(met)) + [True] * len(met)


def test_sizes_are_compared_however_they_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Shares and differences are of the machine; the order in which they stand is not that of their sizes."""
    found = asked(capsys, "day.mem", "--vary", "machine.ram=100%,+64M,half,160M", "--vary", "swap=none")
    numbers = {value["text"]: value["number"] >> 20 for value in found["axes"][0]["values"]}
    assert numbers == {"100%": 192, "+64M": 256, "half": 96, "160M": 160}
    chosen = found["points"][found["recommendation"]["point"]]
    assert chosen["values"]["machine.ram"] == "+64M"
    assert any("One step less, machine.ram=100%," in words for words in found["recommendation"]["sentences"])
    search = asked(capsys, "day.mem", "--vary", "machine.ram=+64M,100%,160M", "--minimise", "machine.ram")
    assert search["least"][0]["at"] == "160M"


def test_a_search_without_success_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """One run is enough: the largest value misses."""
    words = ("day.mem", "--vary", "machine.ram=128M..136M/4M", "--vary", "swap=none", "--minimise", "machine.ram")
    found = asked(capsys, *words, code=3)
    assert found["least"] == [{"where": {"swap": "none"}, "at": None, "below": None, "runs": 1}]


def test_a_machine_that_cannot_be_is_a_row_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """The other points are run."""
    found = asked(capsys, "day.mem", "--vary", "machine.ram=16M,256M")
    assert [point["state"] for point in found["points"]] == ["refused", "done"]
    assert "machine" in found["points"][0]["reason"]
    assert any("1 point cannot be" in words for words in found["recommendation"]["sentences"])


def test_an_operation_on_an_area_that_is_gone_refuses_its_point(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A scenario that turns its disk off has none with swap=none."""
    (tmp_path / "off.mem").write_text(SCENARIO.replace("checkpoint", "swapoff disk\ncheckpoint"))
    found = asked(capsys, "off.mem", "--vary", "swap=same,none", "--set", "machine.ram=512M")
    assert [point["state"] for point in found["points"]] == ["done", "refused"]
    assert "has no area disk" in found["points"][1]["reason"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("day.mem", "--vary", "machine.ram=4G..2G/1G"), "is empty"),
        (("day.mem", "--vary", "machine.ram=1G..2G"), "LOW..HIGH/STEP"),
        (("day.mem", "--vary", "machine.ram=1G..2G/0"), "LOW..HIGH/STEP"),
        (("day.mem", "--vary", "machine.ram=1..2G/1%"), "mixes"),
        (("day.mem", "--vary", "machine.ram="), "KEY=VALUES"),
        (("day.mem", "--vary", "machine.ram=1G,,2G"), "empty"),
        (("day.mem", "--vary", "machine.ram=1G,1G"), "twice"),
        (("day.mem", "--vary", "swap=none", "--vary", "swap=zswap"), "given twice"),
        (("day.mem", "--vary", "swap=floppy:1M"), "no such swap"),
        (("day.mem", "--vary", "swap=zram:1G+zram:2G"), "second zram"),
        (("day.mem", "--vary", "swap=zram:1G:brotli"), "algo="),
        (("day.mem", "--vary", "machine.colour=red"), "no such setting"),
        (("day.mem", "--vary", "vm.swappiness=abc"), "swappiness"),
        (("day.mem", "--vary", "vm.swappiness=0..200/1", "--vary", "machine.ram=1M..100M/1M"), "20,100 points"),
        (("day.mem", "--vary", "swap=none,same", "--minimise", "swap"), "have no order"),
        (("day.mem", "--vary", "swap=none", "--minimise", "machine.ram"), "does not vary"),
        (("day.mem", "--vary", "swap=none", "--goal", "fast"), "--goal"),
        (("day.mem", "--vary", "swap=none", "--goal", "colour<3"), "no figure"),
        (("day.mem", "--vary", "swap=none", "--goal", "stall<3G"), "takes %"),
        (("day.mem", "--vary", "swap=none", "--goal", "wear<10%"), "without --endurance"),
        (("day.mem", "--vary", "swap=none", "--endurance", "much"), "--endurance"),
        (("day.mem", "--vary", "swap=none", "--grow", "A=1M"), "has its workload"),
        (("live", "--vary", "swap=none"), "nothing runs on it"),
        (("day.mem", "--vary", "swap=none", "--csv", "--json"), "one form"),
        (("day.mem", "--vary", "machine.ram=16M"), "no point can be run"),
    ],
)
def test_what_cannot_be_is_refused(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str) -> None:
    assert said in refused(capsys, *words)


def test_an_input_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Absent, or no scenario."""
    assert "nothing.mem" in refused(capsys, "nothing.mem", "--vary", "swap=none", code=1)
    (tmp_path / "bad.mem").write_text("machine ram=oops\n")
    assert "bad.mem:1" in refused(capsys, "bad.mem", "--vary", "swap=none", code=1)


def test_an_output_that_is_there_is_refused_before_anything_runs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    assert "out" in refused(capsys, "day.mem", "--vary", "swap=none", "-o", "out", code=1)


def test_a_directory_holds_the_sweep(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What --json prints and --csv prints, and Parquet where it can be written."""
    whole = asked(capsys, *GRID, "-o", "out")
    assert document.is_sweep(tmp_path / "out")
    assert document.load(tmp_path / "out") == whole
    text = (tmp_path / "out" / "points.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["machine.ram"] for row in rows] == [point["values"]["machine.ram"] for point in whole["points"]]
    assert [float(row["stall_s"]) for row in rows] == [point["figures"]["stall_s"] for point in whole["points"]]
    assert cli.main(["whatif", *GRID, "--csv"]) == 0
    assert capsys.readouterr().out == text


def test_parquet_has_the_columns_of_csv(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    whole = asked(capsys, *GRID, "--parquet", "points.parquet")
    read = parquet.read_table(tmp_path / "points.parquet").to_pydict()
    assert read == document.table(whole)


def test_parquet_without_its_library_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memtwin.render.parquet.find_spec", lambda _: None)
    assert "pyarrow" in refused(capsys, *GRID, "--parquet", "points.parquet", code=1)


@pytest.mark.parametrize("text", ["", "[]", '{"format": "other"}', "{" * 10_000])
def test_a_file_that_is_no_sweep_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / document.NAME).write_text(text)
    with pytest.raises(RecordingError):
        document.load(tmp_path)


def test_a_sweep_that_is_not_there_or_may_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="missing"):
        document.load(tmp_path)
    with pytest.raises(RecordingError):
        document.load(tmp_path / "none")


def test_an_interruption_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """^C: rows of points that are done, exit code 130; the same command then runs the others alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "long.mem").write_text(SCENARIO.replace("r seq", "r rand:60000:7"))
    words = ["whatif", "long.mem", "--vary", "machine.ram=128M..158M/1M", "--json", "--jobs", "1"]
    script = "import signal, sys; from memtwin.cli import main\n"
    script += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # whatever the tests were started by
    program = [sys.executable, "-c", f"{script}sys.exit(main())", *words]
    rows = tmp_path / "cache" / "memtwin" / "sweep"
    with subprocess.Popen(program, stdout=subprocess.PIPE, cwd=tmp_path) as child:
        while child.poll() is None and (not rows.exists() or len(list(rows.iterdir())) < 2):
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate()
    assert child.returncode == 130
    found = json.loads(out)["data"]
    states = [point["state"] for point in found["points"]]
    assert not found["is_whole"]
    assert 2 <= states.count("done") < len(states)
    assert states.count("done") + states.count("not run") == len(states)
    assert any("interrupted" in words for words in found["recommendation"]["sentences"])


def test_a_process_that_is_killed_is_replaced(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Once: the point is run again, and the answer is the same."""
    whole = asked(capsys, *GRID, "--no-cache")
    from memtwin.sweep import local

    mark, plain = tmp_path / "killed", local.carry_out

    def carry_out(*arguments: Any) -> Any:
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(*arguments)

    monkeypatch.setattr(local, "carry_out", carry_out)
    assert asked(capsys, *GRID, "--no-cache", "--jobs", "1") == whole
    assert mark.exists()


@pytest.mark.parametrize("which", ["35-zram-then-disk-small", "14-mix-swappiness-60"])
def test_a_recording_runs_on_other_machines(capsys: pytest.CaptureFixture[str], which: str) -> None:
    """From its own boot: less RAM, other swap; `same` is the run itself."""
    recording = str(RECORDINGS / which)
    found = asked(capsys, recording, "--vary", "machine.ram=160M,100%", "--vary", "swap=same,none,zram:25%:lz4")
    assert found["input"]["kind"] == "recording"
    assert {point["state"] for point in found["points"]} == {"done"}
    from memtwin.sources.recording import Recording

    real = Recording(RECORDINGS / which / "run1.tar.xz")
    run = simulate(real.scenario(), real.at("boot"), settings=["machine.ram=100%"])
    assert found["points"][3]["figures"] == figures_of(run, None)


def test_a_snapshot_needs_to_know_what_grows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A checkpoint of a run is a machine: a process of it grows."""
    assert cli.main(["run", "day.mem", "-q", "-o", "out"]) == 0
    assert "--grow" in refused(capsys, "out@end", "--vary", "swap=same")
    found = asked(capsys, "out", "--vary", "machine.ram=160M,256M")
    assert found["input"]["kind"] == "run"


def test_goals_are_read() -> None:
    """Words, units, both directions."""
    found = goal("no swap, majfaults<=5/s, available>=1.5G, finish<2m, oom=0, stall < 0.5 %").clauses
    assert [(clause.figure, clause.op, clause.value) for clause in found] == [
        ("swap_out_bytes", "<=", 0), ("major_faults_per_s", "<=", 5), ("available_least_bytes", ">=", 1.5 * (1 << 30)),
        ("finish_s", "<", 120), ("oom_kills", "=", 0), ("stall_share", "<", 0.005),
    ]  # fmt: skip


def test_a_goal_holds_for_every_run_of_a_point() -> None:
    """By the worst end of the range; a figure that is not known does not meet it."""
    one = goal("stall<1%").clauses[0]
    assert one.is_met({"stall_share": 0.0}, {"stall_share": 0.009})
    assert not one.is_met({"stall_share": 0.0}, {"stall_share": 0.02})
    assert not one.is_met({"stall_share": None}, {"stall_share": None})


def test_ranges_hold_both_ends() -> None:
    """Also where the step does not meet the upper one."""
    assert [value.text for value in axes.axis("machine.ram=1G..4G/2G").values] == ["1G", "3G", "4G"]
    with pytest.raises(UsageError):
        axes.axis("machine.ram=0..9999999999/1")


def test_a_knee_is_where_the_curve_bends() -> None:
    """Not where it is straight."""
    assert bend([1, 2, 3, 4, 5, 6], [60, 50, 40, 4, 2, 0]) == 3
    assert bend([1, 2, 3], [2, 1, 0]) is None


def test_wear_is_a_share_of_what_the_disk_stands(capsys: pytest.CaptureFixture[str]) -> None:
    """A year of the same writes over the endurance; unknown without one, none with zram."""
    words = ("day.mem", "--set", "machine.ram=160M", "--vary", "swap=same,zram:50%")
    points = asked(capsys, *words, "--endurance", "1T")["points"]
    figures = points[0]["figures"]
    assert figures["wear_share_per_year"] == figures["written_bytes_per_day"] * 365 / (1 << 40) > 0
    assert points[1]["figures"]["wear_share_per_year"] == 0
    assert {point["figures"]["wear_share_per_year"] for point in asked(capsys, *words)["points"]} == {None}


def test_progress_says_how_long_the_others_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal alone, by the runs so far; rows that were kept do not count."""
    from memtwin.cli import whatif

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    times = iter([0.0, 10.0, 20.0])
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = whatif._Progress(lambda: next(times))
    progress.show(5, 25)
    progress.show(6, 25)
    progress.show(7, 25)
    progress.close()
    assert "5 of 25 runs\r" in screen.getvalue()
    assert "6 of 25 runs, about 190 s left" not in screen.getvalue()
    assert "6 of 25 runs, about 3 min left" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    silent = whatif._Progress(lambda: 0.0)
    silent.show(1, 2)
    assert sys.stderr.getvalue() == ""
