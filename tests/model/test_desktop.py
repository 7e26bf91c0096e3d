"""The day on a desktop with 16 GB that `make run` shows: page cache, then zram, then the partition, then nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from memtwin import cli
from memtwin.linux.check import invariants
from memtwin.procfs import meminfo, swaps
from memtwin.render import terminal
from memtwin.run import run
from memtwin.scenario import parse
from memtwin.story import screen, story

SCENARIO = Path(__file__).parents[2] / "scenarios" / "desktop-16g.mem"
MIB = 1024


@pytest.fixture(scope="module")
def day() -> run.Run:
    """The whole run: 9 million page faults, some seconds."""
    return run.simulate(parse(SCENARIO.read_text(), str(SCENARIO)), None)


def memory(day: run.Run, when: str) -> meminfo.Meminfo:
    return meminfo.parse(day.checkpoints[when]["proc/meminfo"])


def used_mib(day: run.Run, when: str) -> tuple[int, ...]:
    """MiB in use of zram and of the partition, in this order."""
    return tuple(area.used_kib // MIB for area in swaps.parse(day.checkpoints[when]["proc/swaps"]).areas)


def test_the_cache_goes_first_then_zram_then_the_disk(day: run.Run) -> None:
    """Available is the cache in the morning; zram (8 GiB, priority 100) is full before the disk (-2) has a page."""
    morning = memory(day, "morning")
    assert morning["MemAvailable"] > 10 * morning["MemFree"]
    assert used_mib(day, "morning") == (0, 0)
    assert used_mib(day, "noon")[0] > 1000
    assert used_mib(day, "noon")[1] == 0
    assert used_mib(day, "evening")[0] > 8100
    assert 1000 < used_mib(day, "evening")[1] < 8091
    assert sum(used_mib(day, "night")) > 8100 + 8000


def test_the_leak_is_killed_and_the_reason_told(day: run.Run) -> None:
    """The applet has the most points; the story names them, what was free, and who was next."""
    assert [event.victim.name for event in day.ooms] == ["applet"]
    told = next(line for line in story.tell(day) if "did not end, for applet was killed" in line)
    assert "swap is full" in told
    assert "Next was firefox " in told


def test_every_invariant_holds_at_the_end_of_the_day(day: run.Run) -> None:
    """After 9 million faults, 17 GiB swapped out and a kill: no frame without an owner, no slot without an entry."""
    invariants.validate(day.machine.state, day.story())


def test_its_story_fits_one_screen(day: run.Run) -> None:
    """Forty lines of a hundred columns: five sentences, the picture, the table; all areas fill and the kill is last."""
    lines = terminal.show(screen.view(day, terminal.PLAIN)).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert sum(line.startswith("- ") for line in lines) == 5
    (events,) = (line for line in lines if line.startswith("events"))
    assert events.index("R") < events.index("W") < events.index("F") < events.index("X") == len(events) - 1
    assert next(line for line in lines if line.startswith("zram0")).endswith("████")


def test_the_picture_of_the_readme_is_of_its_evening(
    day: run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/evening.svg is what `memtwin account --root run/desktop-16g@evening --svg` draws."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    day.write(Path("run/desktop-16g"))
    assert cli.main(["account", "--root", "run/desktop-16g@evening", "--svg"]) == 0
    assert capsys.readouterr().out == (SCENARIO.parents[1] / "docs" / "evening.svg").read_text()
