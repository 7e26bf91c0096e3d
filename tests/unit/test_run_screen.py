"""A run on one screen: are its sentences, picture and table what the run holds, and is it short whatever ran?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from workloads import SWAPPING

from memtwin import cli
from memtwin.render import terminal
from memtwin.render.course import Axis, axis
from memtwin.run import run
from memtwin.run.timeline import AreaUse, Sample
from memtwin.scenario import parse
from memtwin.sources.recording import Recording
from memtwin.story import screen, story, time_line
from memtwin.story.fold import Fold, folds

if TYPE_CHECKING:
    from pathlib import Path

FIGURES = dict.fromkeys(("MemFree", "SwapFree", "Cached", "Dirty", "AnonPages", "pgscan", "allocstall"), 0)


def shown(text: str, *, with_story: bool = False) -> list[str]:
    done = run.simulate(parse(text), None)
    return terminal.show(screen.view(done, terminal.PLAIN, with_story=with_story)).splitlines()


def told(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = cli.main(args)
    out, err = capsys.readouterr()
    return code, out, err


def scenario(where: Path, text: str) -> str:
    (where / "s.mem").write_text(text)
    return str(where / "s.mem")


def test_thirty_thousand_operations_are_told_in_less_than_a_hundred_lines() -> None:
    touches = "".join(f"A touch h {4 * i}K 4K w seq\nB touch h {4 * i}K 4K w seq\n" for i in range(14_990))
    text = f"machine ram=256M\nproc A\nA mmap h 60M\nproc B\nB mmap h 60M\n{touches}"
    lines = shown(text, with_story=True)
    assert len(lines) < 60
    assert any("operations 7 to 29,984" in " ".join(lines[at : at + 2]) for at in range(len(lines)))


def test_many_checkpoints_are_the_first_and_the_last() -> None:
    text = "machine ram=192M\nproc A\n" + "".join(f"checkpoint c{number}\n" for number in range(40))
    lines = shown(text)
    assert [line.split()[0] for line in lines[-13:]] == [
        "boot", "c0", "c1", "c2", "c3", "c4", "…", "c34", "c35", "c36", "c37", "c38", "c39",
    ]  # fmt: skip


def test_the_table_is_the_checkpoints_own_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table, meminfo and free of a checkpoint say the same of cache, free and swap."""
    path = scenario(tmp_path, SWAPPING)
    assert cli.main(["run", path, "-o", str(tmp_path / "out"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["data"]["checkpoints"]
    assert [row["label"] for row in rows] == ["boot", "before", "after"]
    for row in rows:
        root = f"{tmp_path / 'out'}@{row['label']}"
        memory = json.loads(told(capsys, "meminfo", "--root", root, "--json")[1])["data"]
        free = json.loads(told(capsys, "free", "--root", root, "--json")[1])["data"]
        assert row["cached_bytes"] == memory["Cached_bytes"]
        assert row["buffers_bytes"] == memory["Buffers_bytes"]
        assert row["free_bytes"] == memory["MemFree_bytes"]
        assert row["swap_used_bytes"] == free["swap"]["used_bytes"]
    assert rows[-1]["swap_used_bytes"] > 0
    assert rows[-1]["time_ns"] > 600e9


def test_json_holds_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = told(capsys, "run", scenario(tmp_path, SWAPPING), "--json")
    done = run.simulate(parse(SWAPPING), None)
    data = json.loads(out)["data"]
    assert [op["operation"] for op in data["operations"]] == [one.op.text for one in done.done]
    assert [op["counters"] for op in data["operations"]] == [one.deltas for one in done.done]
    assert [row["MemFree"] for row in data["time_line"]] == [sample.figures["MemFree"] for sample in done.samples]
    assert data["story"] == story.tell(done)
    assert data["meta"] == done.meta() | {"scenario": "s"}
    assert {"reclaim begins", "tasks wait for reclaim"} <= {one["event"] for one in data["events"]}


def test_the_exit_status_says_whether_every_operation_succeeded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = "machine ram=192M\nproc A\nA mmap h 8M\nA mmap far 900G\n"
    code, out, _ = told(capsys, "run", scenario(tmp_path, refused))
    assert code == 3
    assert "1 of 3 operations did not succeed: A maps 900.0 GiB (far) (refused)." in " ".join(out.split())
    code, out, _ = told(capsys, "run", scenario(tmp_path, SWAPPING))
    assert code == 0
    assert "Every operation succeeded, and nothing was killed." in out


def test_quiet_prints_nothing_and_leaves_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "run", "-q", scenario(tmp_path, SWAPPING), "-o", str(tmp_path / "out")) == (0, "", "")
    assert (tmp_path / "out" / "run.json").exists()


@pytest.mark.parametrize("options", [("--quiet", "--json"), ("--story", "--json"), ("--story", "-q")])
def test_one_form_at_a_time(options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, "run", scenario(tmp_path, SWAPPING), *options)
    assert (code, out) == (2, "")
    assert "exclude each other" in err


def test_the_long_story_comes_when_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = scenario(tmp_path, SWAPPING)
    long = "A maps 180 MiB (h)"
    assert long not in told(capsys, "run", path)[1]
    assert long in told(capsys, "run", path, "--story")[1]


def test_days_are_not_told_of_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = told(capsys, "run", scenario(tmp_path, SWAPPING), "--story")[1]
    assert "a day" not in out
    assert "were written to it." in out


def test_copy_on_write_is_called_so() -> None:
    lines = story.tell(run.simulate(parse(
        "machine ram=192M\nproc A\nA mmap h 16M\nA touch h 0 16M w seq\nA fork B\nB touch h 0 4M w seq\n"
        "B mmap own 4M\nB touch own 0 4M w seq\n"
    ), None))  # fmt: skip
    (copied,) = (line for line in lines if "copy on write" in line)
    assert copied.startswith("B writes (mark) 4,096 KiB of h in ")


# --- folding


def folded(text: str) -> list[Fold]:
    return list(folds(run.simulate(parse(text), None).done))


def test_operations_that_are_equal_but_for_numbers_are_one_fold() -> None:
    head = "machine ram=192M\nproc A\nA mmap h 60M\n"
    pairs = "".join(f"A touch h {n}M 1M w seq\nA touch h {n}M 1M r seq\n" for n in range(5))
    assert folded(head + pairs) == [Fold(0, 1, 1), Fold(1, 1, 1), Fold(2, 2, 5)]
    assert folded(head + "A touch h 0 1M w seq\n" * 2) == [Fold(n, 1, 1) for n in range(4)]


def test_a_fold_covers_every_operation_once_and_none_with_a_story_of_its_own() -> None:
    text = "machine ram=192M\nsysctl vm.overcommit_memory=1\nproc A\nA mmap h 400M\n" + "".join(
        f"A touch h {20 * n}M 20M w seq\n" for n in range(14)
    )
    done = run.simulate(parse(text), None).done
    found = list(folds(done))
    assert [number for fold in found for number in range(fold.first, fold.end)] == list(range(len(done)))
    alone = {fold.first for fold in found if fold.times == 1}
    assert {number for number, one in enumerate(done) if one.ooms or one.began or one.deaths} <= alone


# --- the picture


def sample(seconds: float, free: int, *, used: int = 0, size: int = 100) -> Sample:
    figures = {**FIGURES, "MemFree": free}
    return Sample(int(seconds * 1e9), 0, figures, between=True, areas=(AreaUse("swap", used, size),))


def axis_of(samples: list[Sample]) -> Axis | None:
    return axis([one.time_ns for one in samples], time_line.still(samples, 1000), 100)


def test_time_is_even_while_something_happens_and_short_while_nothing_does() -> None:
    moving = [sample(second, 1000 - 10 * second) for second in range(11)]
    scale = axis_of(moving)
    assert scale is not None
    assert [scale.at(int(second * 1e9)) for second in range(11)] == [*range(0, 100, 10), 99]
    assert scale.idle == ()
    asleep = [*moving, *(sample(second, 900) for second in range(11, 1000))]
    scale = axis_of(asleep)
    assert scale is not None
    assert scale.at(int(10e9)) == 96
    assert scale.idle
    assert [scale.at(int(second * 1e9)) for second in range(1000)] == sorted(
        scale.at(int(second * 1e9)) for second in range(1000)
    )


def test_without_time_there_is_no_picture() -> None:
    assert axis_of([sample(0, 1), sample(0, 2)]) is None


def test_a_narrow_terminal_has_all_of_it() -> None:
    done = run.simulate(parse(SWAPPING), None)
    for columns in (60, 80):
        look = terminal.Look(columns)
        lines = terminal.show(screen.view(done, look), look=look).splitlines()
        assert max(map(len, lines)) <= columns
        assert any(line.startswith("after ") for line in lines)


def test_a_terminal_of_ascii_has_a_picture_too() -> None:
    lines = time_line.draw(run.simulate(parse(SWAPPING), None), 80, unicode=False)
    assert all(line.isascii() for line in lines)
    assert max(map(len, lines)) <= 80
    assert "~ nothing happens: drawn short" in lines[-1]


def test_a_panic_is_named_first_and_the_run_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What comes after it is skipped, checkpoints too: the run lacks none."""
    scenario, out = tmp_path / "panic.mem", tmp_path / "out"
    scenario.write_text(
        "machine ram=192M\nsysctl vm.overcommit_memory=1\nproc A adj=-1000\nA mmap h 300M\nA touch h 0 300M w seq\n"
        "checkpoint after\n"
    )
    assert cli.main(["run", str(scenario), "-o", str(out)]) == 3
    assert "No process could be killed, and the kernel panicked" in " ".join(capsys.readouterr().out.split())
    assert Recording(out).checkpoints == ("boot",)
    assert cli.main(["free", "--root", f"{out}@after"]) != 0
    assert "has no checkpoint 'after'" in capsys.readouterr().err
