"""Is who would die now who the kernel would choose, on the machine and in a cgroup?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memtwin import cli
from memtwin.oom.badness import RULE_5_9, Charge
from memtwin.oom.live import Domain, LiveProcess, adjusted, describe, ranking
from memtwin.sources.recording import Recording, runs_in

RECORDINGS = Path(__file__).parents[1] / "recordings"
MACHINE = Domain(None, 100_000, None, None)


def process(pid: int, rss: int, adj: int = 0, cgroups: tuple[str, ...] = ()) -> LiveProcess:
    return LiveProcess(pid, f"p{pid}", Charge(rss, 0, 10, adj), None, cgroups)


def test_the_most_points_die_first_and_the_spared_come_last() -> None:
    found = ranking(
        MACHINE, [process(1, 90_000), process(7, 500), process(8, 900), process(9, 99_999, -1000)], RULE_5_9
    )
    assert [one.process.pid for one in found] == [8, 7, 1, 9]
    assert [one.points for one in found] == [910, 510, None, None]


def test_a_cgroup_counts_by_its_own_limit() -> None:
    inside = [process(7, 500, 0, ("cgroup /a",)), process(8, 400, 500, ("cgroup /a", "cgroup /")), process(9, 9_000)]
    found = ranking(Domain("cgroup /a", 2_000, None, 2_000), inside, RULE_5_9)
    assert [(one.process.pid, one.points) for one in found] == [(8, 410 + 500 * 2), (7, 510)]


def test_an_adjustment_is_computed_and_not_made() -> None:
    processes = [process(7, 500), process(8, 900)]
    assert [one.process.pid for one in ranking(MACHINE, adjusted(processes, {8: -900}), RULE_5_9)] == [7, 8]
    assert processes[1].charge.oom_score_adj == 0
    text = describe([MACHINE], processes, RULE_5_9, 4, {8: -900}).replace("\n", " ")
    assert "p8 (8) would die, with 910 points, 400 (1,600 KiB) before p7 (7)" in text
    assert "With oom_score_adj -900 for 8: p7 (7) would die" in text


def test_nobody_left_is_said() -> None:
    assert "no process could be killed" in describe([MACHINE], [process(7, 5, -1000)], RULE_5_9, 4, {})


@pytest.mark.parametrize("scenario", ["107-oom-four-adj", "118-oom-zram-text"])
def test_of_a_real_machine_about_to_die_the_victim_is_first(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The last checkpoint before the first kill of a recorded kernel: the largest there is who was killed."""
    run = runs_in(RECORDINGS / scenario)[0]
    recording = Recording(run)
    victims = recording.victims()
    before = [words[1] for op in recording.ops if op["i"] < victims[0][0]
              and (words := str(op["op"]).split())[0] == "checkpoint"]  # fmt: skip
    assert cli.main(["oom", "--live", "--root", f"{run}@{before[-1]}", "--json"]) == 0
    (machine,) = json.loads(capsys.readouterr().out)["data"]["domains"]
    assert machine["ranking"][0]["name"] == victims[0][1]


@pytest.mark.parametrize("scenario", ["107-oom-four-adj", "97-swap-fork", "23-shared-map"])
def test_our_score_is_the_kernels(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = runs_in(RECORDINGS / scenario)[0]
    compared = 0
    for label in Recording(run).checkpoints[1:]:
        assert cli.main(["oom", "--live", "--root", f"{run}@{label}"]) == 0
        out = capsys.readouterr().out.replace("\n  ", " ")
        if "whose oom_score the kernel prints" in out:
            words = out.split("Of ")[-1].split()
            assert words[0] == words[words.index("prints,") + 1], (label, out)
            compared += int(words[0])
    assert compared > 3


def test_this_host_has_somebody_to_kill(capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc on this machine")
    assert cli.main(["oom", "--live"]) == 0
    assert "would die, with" in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize("word", ["12", "x=1", "1=2000", "1=", "=5"])
def test_a_bad_adjustment_is_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["oom", "--live", "--adj", word]) == 2
    assert f"--adj {word}" in capsys.readouterr().err
    assert cli.main(["oom", "--adj", "1=5", "--dmesg"]) == 2


def test_kills_so_far_are_those_of_memory_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "proc/meminfo": "MemTotal: 8388608 kB\nSwapTotal: 0 kB\n",
        "proc/vmstat": "oom_kill 5\n",
        "proc/7/status": "Name:\tdb\nPid:\t7\nUid:\t1\t1\t1\t1\nVmSize:\t  409600 kB\nVmRSS:\t   81920 kB\n",
        "proc/7/cgroup": "0::/shop\n",
        "sys/fs/cgroup/shop/memory.max": "314572800\n",
        "sys/fs/cgroup/shop/memory.current": "104857600\n",
        "sys/fs/cgroup/shop/memory.events": "low 0\nhigh 0\nmax 9\noom 2\noom_kill 2\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert cli.main(["oom", "--live", "--root", str(tmp_path)]) == 0
    out = capsys.readouterr().out.replace("\n", " ")
    assert "The OOM killer has killed 5 here since boot." in out
    assert "If cgroup /shop reached its limit (300 MiB, 100 MiB used): db (7) would die" in out
    assert "The OOM killer has killed 2 here since the cgroup was made." in out
