"""Does ``top`` show what it is asked for, of any source, and say what it cannot know?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from memtwin import cli
from memtwin.sources.opening import open_source
from memtwin.sources.sampler import Sampler
from memtwin.views import top
from memtwin.views.top_fields import FIELDS, Frame, count, hundredths, memory, percent, text, whole_seconds
from processes import wait_until_it_sleeps

RUN = Path(__file__).parents[1] / "recordings" / "35-zram-then-disk-small" / "run1.tar.xz"
ROOT = f"{RUN}@f350"


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = cli.main(["top", "-b", *args])
    return code, *capsys.readouterr()


def machine(root: Path, *pids: int, ticks: int = 100) -> Path:
    """Write processes that have used *ticks* each."""
    for pid in pids:
        home = root / "proc" / str(pid)
        home.mkdir(parents=True, exist_ok=True)
        fields = f"1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 5 4096000 10"
        (home / "stat").write_text(f"{pid} (p{pid}) S {fields}\n")
        (home / "statm").write_text("1000 10 5 1 0 9 0\n")
        (home / "status").write_text(f"Name:\tp{pid}\nUid:\t{pid}\t{pid}\t{pid}\t{pid}\nVmSwap:\t      40 kB\n")
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/passwd").write_text("seven:x:7:7::/:/bin/sh\n")
    return root


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_recording_is_one_moment(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = run(capsys, "--root", ROOT)
    assert code == 0
    lines = shown.splitlines()
    assert lines[0] == "top - --:--:-- up 0 min,  ? users,  load average: 0.23, 0.05, 0.02"
    assert lines[2].startswith("%Cpu(s):    - us,    - sy")
    assert lines[6].split() == [
        "PID",
        "USER",
        "PR",
        "NI",
        "VIRT",
        "RES",
        "SHR",
        "S",
        "%CPU",
        "%MEM",
        "TIME+",
        "COMMAND",
    ]
    assert lines[7].split()[4:] == ["472760", "127280", "708", "S", "-", "56.9", "0:03.18", "A"]
    _, shown, _ = run(capsys, "--root", ROOT, "--json")
    data = json.loads(shown)["data"]
    assert (data["interval_s"], data["cpu_user_percent"], data["users"]) == (None, None, None)
    assert data["tasks"][0]["cpu_percent"] is None
    assert data["tasks"][0]["res_bytes"] == 127280 << 10


def test_pss_uss_swap_foot_and_points_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    _, shown, _ = run(capsys, "--root", ROOT, "--fields", "pid,PSS,USS,SWAP,FOOT,OOMs,OOMa,command", "--json")
    (task,) = json.loads(shown)["data"]["tasks"]
    assert list(task) == [
        "pid", "pss_bytes", "uss_bytes", "swap_bytes", "foot_bytes", "oom_score", "oom_score_adj", "command",
    ]  # fmt: skip
    assert task["pss_bytes"] < task["foot_bytes"] <= task["pss_bytes"] + task["swap_bytes"]


def test_processes_are_chosen_and_ordered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(machine(tmp_path, 7, 8, 30))
    assert [line.split()[0] for line in run(capsys, "--root", root)[1].splitlines()[-3:]] == ["7", "8", "30"]
    assert run(capsys, "--root", root, "-u", "seven")[1].splitlines()[-1].split()[:2] == ["7", "seven"]
    assert run(capsys, "--root", root, "-U", "8")[1].splitlines()[-1].split()[0] == "8"
    ordered = run(capsys, "--root", root, "-o", "-PID", "-p", "30,8")[1].splitlines()[-2:]
    assert [line.split()[0] for line in ordered] == ["8", "30"]
    given = run(capsys, "--root", root, "-p", "30", "-p", "8,99")[1].splitlines()
    assert [line.split()[0] for line in given[-2:]] == ["30", "8"]
    assert given[1].startswith("Tasks:   2 total")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "RSS9"], "unknown field: RSS9"),
        (["--fields", "PID,what"], "unknown field: what"),
        (["-p", "x"], "-p x: not a process id"),
        (["-p", "1", "-u", "root"], "conflicting process selections"),
        (["-u", "no-such-user"], "no user no-such-user"),
        (["-w", "2"], "not between 3 and 512"),
        (["-n", "0"], "0 is not in the range"),
        (["-d", "-1"], "-1.0 is not in the range"),
        (["-E", "x"], "is not one of"),
        (["-H", "--root", ROOT], "has no threads"),
        (["--openmetrics", "-n", "2"], "is one sample"),
    ],
)
def test_a_wrong_word_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, err = run(capsys, *words)
    assert (code, shown) == (2, "")
    assert said in err


def test_an_absent_root_and_one_that_may_not_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--root", str(tmp_path / "none"))[0] == 1
    (tmp_path / "proc").mkdir()
    code, shown, _ = run(capsys, "--root", str(tmp_path))
    assert (code, shown.splitlines()[1]) == (
        0, "Tasks:   0 total,   0 running,   0 sleeping,   0 stopped,   0 zombie"
    )  # fmt: skip


def test_this_host_prints_samples_of_its_own_process(capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/proc/stat").exists():
        pytest.skip("no /proc on this machine")
    code, shown, _ = run(capsys, "-n", "2", "-d", "0.1", "-p", f"0,{2**22}", "-c", "-w", "300")
    assert code == 0
    samples = shown.split("\n\ntop - ")
    assert len(samples) == 2
    row = samples[1].splitlines()[-1].split()
    assert row[0] == str(os.getpid())
    assert sys.executable.split("/")[-1] in shown


def test_threads_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/proc/self/task").exists():
        pytest.skip("no /proc on this machine")
    code = "import threading as t\nfor _ in range(3): t.Timer(60, print).start()\nprint(flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as program:
        assert program.stdout
        program.stdout.readline()
        wait_until_it_sleeps(program.pid)
        _, shown, _ = run(capsys, "-n", "1", "-H", "-p", str(program.pid), "--fields", "PID,PSS,RES,COMMAND")
        program.kill()
    rows = [line.split() for line in shown.splitlines()[7:]]
    assert shown.splitlines()[1].startswith("Threads:   4 total")
    assert len({row[0] for row in rows}) == 4
    assert len({row[2] for row in rows}) == 1


def test_what_was_used_between_two_samples(tmp_path: Path) -> None:
    """The growth of utime and stime over the interval; a process that took an old number has all of its time."""
    root = machine(tmp_path, 7, 8)
    sampler = Sampler(open_source(root))
    first = sampler.sample()
    assert Frame(first, {}).scale is None
    machine(tmp_path, 7, 9, ticks=150)
    (tmp_path / "proc/8/stat").write_text("8 (new) R 1 1 1 0 -1 0 0 0 0 0 3 0 0 0 20 0 1 0 99 4096000 10\n")
    now = sampler.sample()
    assert {task.pid: task.grown("utime", "stime") for task in now.tasks} == {7: 50, 8: 3, 9: 150}
    frame = Frame(now._replace(passed_s=2.0), {})
    assert FIELDS["%CPU"].of(now.tasks[0], frame) == 25.0
    assert FIELDS["%CPU"].of(now.tasks[2], frame) == 75.0


def test_a_process_that_sleeps_keeps_its_record_and_its_descriptor() -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc on this machine")
    with subprocess.Popen(["sleep", "60"]) as program:
        sampler = Sampler(open_source("live"), pids=(program.pid,))
        time.sleep(0.1)
        first, second = sampler.sample(), sampler.sample()
        assert second.tasks[0].stat is first.tasks[0].stat
        assert second.tasks[0].grown("utime") == 0
        program.kill()
    fds = descriptors()
    assert sampler.sample().tasks == ()
    assert descriptors() == fds - 1
    sampler.close()


def test_without_descriptors_it_reads_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc on this machine")
    sampler = Sampler(open_source("live"))
    assert sampler._files is not None
    monkeypatch.setattr(sampler._files, "_most", 2)
    fds = descriptors()
    assert len(sampler.sample().tasks) > 2
    assert descriptors() == fds + 2
    sampler.close()
    assert descriptors() == fds


def test_columns_that_do_not_fit_are_left_out_on_the_screen_alone(capsys: pytest.CaptureFixture[str]) -> None:
    _, shown, _ = run(capsys, "--root", ROOT, "-w", "31")
    assert shown.splitlines()[6].split() == ["PID", "USER", "PR", "NI", "VIRT"]
    assert all(len(line) <= 31 for line in shown.splitlines())
    _, shown, _ = run(capsys, "--root", ROOT, "-w", "31", "--json")
    assert json.loads(shown)["data"]["tasks"][0]["command"] == "A"


def test_hostile_names_stay_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = machine(tmp_path, 7)
    (root / "proc/7/stat").write_text("7 (a\x1b[2J) b\n) Z 1 1 1 0 -1 0 0 0 0 0 1 0 0 0 -100 0 1 0 5 0 0\n")
    shown = run(capsys, "--root", str(root), "-c", "-w", "120")[1]
    assert shown.splitlines()[-1].endswith("[a?[2J) b?] <defunct>"), shown
    assert shown.splitlines()[-1].split()[2] == "rt"


def test_what_does_not_fit_is_written_shorter() -> None:
    assert [memory(kib << 10, 6) for kib in (0, 999_999, 1_000_000, 1 << 40)] == ["0", "999999", "976.6m", "1.0p"]
    assert [count(number, 3) for number in (999, 1023, 20_000_000)] == ["999", "1k", "19m"]
    assert [percent(share, 5) for share in (0.05, 999.96, 1e7)] == ["0.1", "1000", "?"]
    assert [hundredths(s, 9) for s in (0.5, 21659.99, 21661, 345601, 1209600)] == [
        "0:00.50", "360:59.99", "6,01", "96,00", "14d+0h"
    ]  # fmt: skip
    assert whole_seconds(90, 4) == "1:30"
    assert [text(name, 6) for name in ("abcdef", "abcdefg", "交換交換")] == ["abcdef", "abcde+", "交換+"]


def test_the_cpus_shares_add_up_and_guests_count_beside() -> None:
    assert top.shares((10, 10), None) is None
    of = top.shares((150, 0, 50, 200, 0, 0, 0, 0, 50, 0), (100, 0, 0, 100, 0, 0, 0, 0, 0, 0))
    assert of is not None
    assert [round(of[name], 1) for name in ("user", "system", "idle")] == [20.0, 20.0, 40.0]
    assert top.shares((5, 5), (5, 5))["idle"] == 100.0  # type: ignore[index]
