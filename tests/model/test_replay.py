"""A model that is gone through: any moment is the one of a whole run, and a future is a run of the edited scenario."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from memtwin.errors import MemtwinError, UsageError
from memtwin.replay.branch import MOST_KEYFRAMES, Branch
from memtwin.replay.edit import inserted
from memtwin.replay.film import ModelFilm
from memtwin.replay.worker import RunMachine, _noted
from memtwin.run.run import Run, machine_for, simulate
from memtwin.scenario import parse
from memtwin.sources.figures import condition
from memtwin.sources.looks import Wants

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memtwin.scenario import Scenario
    from memtwin.sources.source import Source

TEXT = """\
# a machine that swaps, kills and reads
machine ram=128M
swap zram size=32M prio=100
swap disk size=160M
sysctl vm.swappiness=60
file data 48M

proc A
A mmap heap 90M
A touch heap 0 90M w seq content=half
checkpoint filled
A fread data 0 48M 128K
sleep 3
proc B
B mmap more 60M
B touch more 0 60M w seq content=text
A touch heap 0 90M r hot:20000:25%:95%:1
checkpoint hot
B exit
sleep 2
proc C
C mmap leak 240M
C touch leak 0 240M w seq content=random
checkpoint end
"""
SEEN = Wants(frozenset({"statm", "status", "smaps_rollup"}), detail=True, map_order=9)


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return parse(TEXT, "replay.mem")


@pytest.fixture(scope="module")
def whole(scenario: Scenario) -> Run:
    return simulate(scenario, None)


@pytest.fixture
def film(scenario: Scenario) -> Iterator[ModelFilm]:
    found = ModelFilm(scenario, lambda: machine_for(scenario, None))
    yield found
    found.close()


def run_out(film: ModelFilm) -> Branch:
    while film.idle():
        pass
    return film.branch


def saved(film: ModelFilm, where: Path) -> dict[str, bytes]:
    film.save(where)
    return {str(path.relative_to(where)): path.read_bytes() for path in where.rglob("*") if path.is_file()}


def run_of(scenario: Scenario, where: Path) -> dict[str, bytes]:
    simulate(scenario, None).write(where)
    return {str(path.relative_to(where)): path.read_bytes() for path in where.rglob("*") if path.is_file()}


def test_its_time_line_is_that_of_a_run(film: ModelFilm, whole: Run) -> None:
    branch = run_out(film)
    assert branch.is_whole
    assert branch.times_s == [sample.time_ns / 1e9 for sample in whole.samples]
    assert branch.values("MemFree") == [sample.figures["MemFree"] << 10 for sample in whole.samples]
    assert len(branch.operations) == len(whole.done)
    assert branch.operations[0].begin_s == branch.times_s[0]
    assert branch.operations[-1].end_s == branch.times_s[-1]
    texts = [event.text for event in branch.events]
    assert "reclaim began" in texts
    assert "memory ran out: C killed" in texts
    assert [text for text in texts if text.startswith("checkpoint")] == [
        "checkpoint filled", "checkpoint hot", "checkpoint end",
    ]  # fmt: skip


def test_any_jump_shows_the_machine_of_that_moment(film: ModelFilm, scenario: Scenario) -> None:
    """Forwards and back at random, the files are those of a run that never stopped."""
    found: dict[int, str] = {}

    class Seen(Run):
        def sample(self, *, between: bool = False) -> None:
            super().sample(between=between)
            machine = RunMachine(self)
            found[len(self.samples) - 1] = "".join(machine.read(path) or "" for path in paths(machine))

    Seen(scenario, machine_for(scenario, None)).execute()
    branch = run_out(film)
    assert len(branch.keyframes) <= MOST_KEYFRAMES + 1
    draw = random.Random(1)
    for _ in range(25):
        index = draw.randrange(len(branch.times_s))
        film._go(index)
        source = film.looker.source
        assert branch.at == index
        assert "".join(source.read(path) or "" for path in paths(source)) == found[index]
        film.look(SEEN)


def paths(source: Source) -> list[str]:
    own = [f"workers/{name}/{file}" for name in source.names("workers") for file in ("status", "smaps_rollup")]
    return ["proc/meminfo", "proc/vmstat", "proc/zoneinfo", "proc/buddyinfo", "proc/swaps", "workers.txt", *own]


def test_a_future_is_a_run_of_the_edited_scenario(film: ModelFilm, scenario: Scenario, tmp_path: Path) -> None:
    """Byte for byte, whatever was shown meanwhile; and the first future is the run as it was."""
    for number, (at, words) in enumerate(((3, "sysctl vm.swappiness=0"), (12, "A kill"), (8, "swapon more 64M"))):
        film.current = 0
        film.seek("first")
        while film.branch.cursor.state.ops_done < at or not film.branch.cursor.state.between:
            film.step(1)
            film.look(SEEN)
        film.change(words)
        film.step(2)
        film.look(SEEN)
        edited = inserted(scenario, at, words)
        assert saved(film, tmp_path / f"{number}") == run_of(edited, tmp_path / f"separate {number}"), words
    film.current = 0
    assert saved(film, tmp_path / "main") == run_of(scenario, tmp_path / "separate")


def test_a_future_of_a_future_has_the_checkpoints_of_both(film: ModelFilm, scenario: Scenario, tmp_path: Path) -> None:
    """What was passed before it began is asked of the futures that it comes from."""
    edited = scenario
    for at, words in ((3, "sysctl vm.swappiness=0"), (12, "A kill")):
        while film.branch.cursor.state.ops_done < at or not film.branch.cursor.state.between:
            film.step(1)
        film.change(words)
        edited = inserted(edited, at, words)
    assert [one.parent for one in film.branches] == [None, *film.branches[:-1]]
    assert saved(film, tmp_path / "second") == run_of(edited, tmp_path / "separate")


def test_futures_are_switched_at_the_same_time_and_compared(film: ModelFilm) -> None:
    run_out(film)
    film.seek("hot")
    film.change("A kill")
    film.step(1)
    while film.idle():
        pass
    time_line = film.time_line()
    assert time_line.badge == "future-1: A kill"
    assert time_line.operations[time_line.operations.index(next(o for o in time_line.operations if o.text == "A kill"))]
    killed = film.look(SEEN)
    film.switch()
    assert film.time_line().badge == "main"
    main = film.look(SEEN)
    assert main.sample.memory is not None
    assert killed.sample.memory is not None
    assert killed.sample.memory["MemFree"] > main.sample.memory["MemFree"]
    shown = film.compare()
    assert any(line.startswith("MemFree") for line in shown)
    film.switch()
    with pytest.raises(UsageError, match="this future begins here"):
        film.seek("first")


def crossings(whole: Run) -> list[tuple[str, int]]:
    """Twenty conditions that come true, and the samples at which they first do."""
    found = []
    names = ("MemFree", "AnonPages", "Cached", "SwapFree", "pgscan", "pswpout", "pgfault", "Slab")
    for name in names:
        values = [_noted(sample.figures, name) for sample in whole.samples]
        known = [value for value in values if value is not None]
        low, high = min(known), max(known)
        for share in (0.2, 0.5, 0.8):
            bound = int(low + (high - low) * share)
            for sign in "<>":
                words = f"{name}{sign}{bound}"
                asked = condition(words)
                first = next((i for i in range(1, len(known)) if asked.is_met(values[i - 1], values[i])), None)
                if first is not None:
                    found.append((words, first))
    return found[:: max(len(found) // 20, 1)][:20]


def test_until_finds_the_sample_at_which_a_figure_first_crosses(film: ModelFilm, whole: Run) -> None:
    asked = crossings(whole)
    assert len(asked) == 20
    run_out(film)
    for words, first in asked:
        film.seek("first")
        film.until(words)
        assert film.branch.at == first, words
        done = film.branch.cursor.state.ops_done
        assert done == whole.samples[first].ops_done, words


def test_until_goes_back_and_says_never(film: ModelFilm, whole: Run) -> None:
    run_out(film)
    values = [sample.figures["MemFree"] for sample in whole.samples]
    film.seek("last")
    film.until("-MemFree")
    assert film.branch.at == max(i for i in range(1, len(values) - 1) if values[i] != values[i - 1])
    bound = sorted(values)[len(values) // 2] << 10
    asked = condition(f"MemFree<{bound}")
    met = [i for i in range(1, len(values)) if asked.is_met(values[i - 1] << 10, values[i] << 10)]
    film.seek("last")
    for index in reversed(met):
        film.until(f"-MemFree<{bound}")
        assert film.branch.at == index
    with pytest.raises(UsageError, match="never"):
        film.until(f"-MemFree<{bound}")
    with pytest.raises(UsageError, match="never"):
        film.until("MemFree<1")
    film.seek("first")
    film.until("RES:A>30M")
    assert film.branch.cursor.state.ops_done == 3


NO_OPERATIONS = ("", "nonsense", "sysctl vm.swappiness=abc", "A kill\nB kill", "Z kill", "file x 4M", "proc A A")


@pytest.mark.parametrize("words", NO_OPERATIONS)
def test_what_is_no_operation_begins_no_future(film: ModelFilm, words: str) -> None:
    with pytest.raises(MemtwinError):
        film.change(words)
    assert len(film.branches) == 1
    film.step(1)
    assert film.look(SEEN).sample.memory is not None


def test_what_cannot_be_built_is_said_at_once() -> None:
    broken = parse("machine ram=64M\nswap disk size=64M\nproc A\n", "x.mem")
    with pytest.raises(MemtwinError):
        ModelFilm(broken, lambda: machine_for(broken, None, settings=("swap.nothing.size=4M",)))


def test_moments_that_are_none(film: ModelFilm) -> None:
    for words in ("", "yesterday", "+x", "peak"):
        with pytest.raises(UsageError):
            film.seek(words)
    for words in ("MemFree <", "<5", "MemFree ~ 3"):
        with pytest.raises(UsageError):
            film.until(words)
    with pytest.raises(UsageError):
        film.switch()
    with pytest.raises(UsageError):
        film.compare()
