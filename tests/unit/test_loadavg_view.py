"""Does ``loadavg`` say what is in the load, and which way it goes?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from memtwin import cli
from memtwin.procfs.loadavg import Loadavg
from memtwin.procfs.pressure import Pressure, Stall
from memtwin.render import terminal
from memtwin.render.grid import texts
from memtwin.views.loadavg import Load, Task, sentences, view

if TYPE_CHECKING:
    import pytest

RUN = Path(__file__).parents[1] / "recordings" / "03-anon-swap-disk" / "run1.tar.xz"


def load(one: int, five: int, fifteen: int, **known: object) -> Load:
    given = {"cpus": 2, "running": None, "blocked": None, "tasks": None} | known
    return Load(Loadavg(one, five, fifteen, 1, 99, 1000), **given)  # type: ignore[arg-type]


def test_more_than_the_cpus_had_to_wait() -> None:
    assert "5.00 tasks ran or waited on 2 CPUs: 3.00 had to wait" in " ".join(texts(sentences(load(500, 500, 500))))
    assert "room for 1.50 more" in " ".join(texts(sentences(load(50, 50, 50))))


def test_the_trend_needs_a_difference_that_matters() -> None:
    assert "It rises" in " ".join(texts(sentences(load(300, 200, 100))))
    assert "It falls" in " ".join(texts(sentences(load(100, 200, 300))))
    assert not any(word in " ".join(texts(sentences(load(9, 5, 2)))) for word in ("rises", "falls"))


def test_tasks_that_wait_for_a_disk_are_named_and_hostile_names_stay_text() -> None:
    tasks = (Task(7, "cp\x1b[2J", "D"), Task(8, "gcc", "R"))
    text = terminal.show(view(load(100, 100, 100, tasks=tasks, running=2, blocked=1)))
    assert "In uninterruptible sleep (D): cp\\x1b[2J (7)." in text
    assert "gcc" not in text
    assert "\x1b" not in text


def test_pressure_says_whether_it_is_about_cpu_or_disk() -> None:
    busy, calm = Pressure(Stall(0, 4000, 0, 0)), Pressure(Stall(0, 100, 0, 0))
    assert "it is about disk" in " ".join(texts(sentences(load(300, 300, 300, cpu=calm, io=busy))))
    assert "it is about CPU" in " ".join(texts(sentences(load(300, 300, 300, cpu=busy, io=calm))))


def test_a_recording_and_this_host_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["loadavg", "--root", f"{RUN}@f400", "--json"]) == 0
    told_of = json.loads(capsys.readouterr().out)["data"]
    assert told_of["cpus_count"] == 1
    assert cli.main(["loadavg", "--openmetrics"]) == 0
    assert "node_load15 " in capsys.readouterr().out
