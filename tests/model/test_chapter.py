"""Each scenario of the chapter runs, names the sentence that it shows, and shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from memtwin.linux.check import invariants
from memtwin.run import run
from memtwin.scenario import load
from memtwin.twin.twin import Twin

CHAPTER = Path(__file__).parents[2] / "scenarios" / "chapter"
SCENARIOS = sorted(CHAPTER.glob("*.mem"))
NOT_OK = {
    "sandbox": ["error", "died"],
    "read-only-pages": ["died"],
    "leak": ["died"],
    "tmpfs": ["error"],
    "approval": ["error", "error", "error"],
}
"""What operations are to end with otherwise than ok, in order."""
LONGEST_SCENARIO = 40


def done(name: str) -> run.Run:
    return run.simulate(load(CHAPTER / f"{name}.mem"), None)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_it_says_which_sentence_it_shows_and_runs(path: Path) -> None:
    text = path.read_text()
    assert text.startswith('# The chapter, "')
    assert len(text.splitlines()) <= LONGEST_SCENARIO
    finished = run.simulate(load(path), None)
    assert finished.scenario.checkpoints
    assert [one.outcome for one in finished.done if one.outcome != "ok"] == NOT_OK.get(path.stem, [])
    invariants.validate(finished.machine.state)


def test_the_desktop_has_the_figures_that_the_chapter_prints() -> None:
    """VIRT 5 GB, RES 292 MB, SHR 133 MB."""
    finished = done("virtual-memory")
    twin = Twin(finished.machine, finished.processes.by_name)
    statm = twin.statm(finished.processes.by_name["cinnamon"])
    assert [round(pages / 256) for pages in (statm.resident, statm.shared)] == [292, 133]
    assert round(statm.size / (1 << 18), 1) == 5.0


def test_the_killer_asks_for_size_and_adj_and_not_for_age() -> None:
    """The marked process dies, which is smaller than both of the others and the youngest but one."""
    finished = done("oom-killer")
    assert [death["name"] for one in finished.done for death in one.deaths] == ["marked"]


def test_zram_is_full_before_the_disk_is_used() -> None:
    finished = done("swap-priorities")
    last = {use.name: use.used_kib for use in finished.samples[-1].areas}
    assert last["/dev/zram0"] > 60 << 10
    assert last["/dev/vdb"] > 0
