"""Are reuse distances those of an LRU memory, is a sample of pages enough, and is the error of the curve stated?"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("memtwin.linux.core.state")

from memtwin import cli
from memtwin.scenario import Scenario, parse
from memtwin.sweep import curve as curves
from memtwin.sweep.curve import _Walk, curve

if TYPE_CHECKING:
    from pathlib import Path

SCENARIO = """machine ram=256M
swap disk size=512M rot=0
file data 20M
proc A
A mmap heap 40M
A touch heap 0 40M w seq content=text
A touch heap 0 40M r pow:20000:3:5
A fread data 0 20M 64K seq
A fork B
B touch heap 0 40M r rand:9000:7
A fread data 0 20M 64K rand:200:8
checkpoint end
"""


def lru_misses(scenario: Scenario, memory_pages: int) -> int:
    """Return the misses of an LRU memory that is run: accesses of pages that were used before and are gone."""
    memory: OrderedDict[tuple[int, int], None] = OrderedDict()
    seen, misses = set(), 0
    for access in _Walk(scenario).accesses():
        key = (access.owner, access.page)
        misses += key in seen and key not in memory
        seen.add(key)
        memory[key] = None
        memory.move_to_end(key)
        if len(memory) > memory_pages:
            memory.popitem(last=False)
    return misses


def total(scenario: Scenario, memory_pages: int) -> float:
    found = curve(scenario)
    return sum(found.misses(memory_pages, of_files=kind) for kind in (False, True))


@pytest.mark.parametrize("memory_pages", [50, 1000, 5000, 9000, 14000, 20000])
def test_the_curve_is_that_of_an_lru_memory(memory_pages: int) -> None:
    """Miss by miss, where every page is followed."""
    scenario = parse(SCENARIO)
    assert curve(scenario).rate == 1.0
    assert total(scenario, memory_pages) == lru_misses(scenario, memory_pages)


def test_a_sample_of_pages_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """One page in eight, 2,000 in all: the miss ratio is within 0.04."""
    monkeypatch.setattr(curves, "MOST_FOLLOWED", 2000)
    scenario = parse(SCENARIO)
    found = curve(scenario)
    assert 0.1 < found.rate < 0.15
    for memory_pages in (1000, 5000, 9000, 14000):
        assert abs(total(scenario, memory_pages) - lru_misses(scenario, memory_pages)) / found.accesses < 0.04


def test_the_error_of_the_curve_is_stated(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By runs at four sizes; in every form."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    where = tmp_path / "day.mem"
    where.write_text(SCENARIO.replace("40M", "150M"))
    assert cli.main(["whatif", str(where), "--curve", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["data"]
    points = [size for size in found["sizes"] if size["run_refaults"] is not None]
    assert [size["percent"] for size in points] == [100, 90, 75, 50]
    misses = [size["lru_misses"] for size in found["sizes"]]
    assert misses == sorted(misses)
    off = [abs(size["off"]) for size in points if size["off"] is not None]
    assert found["error_most"] == max(off)
    assert cli.main(["whatif", str(where), "--curve"]) == 0
    assert "The curve is off by" in capsys.readouterr().out
    assert cli.main(["whatif", str(where), "--curve", "--csv"]) == 0
    assert capsys.readouterr().out.startswith("percent,ram_bytes")


def test_what_it_does_not_follow_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The allocator's accesses are not in the scenario."""
    assert curve(parse("proc A\nA malloc x 64K x10\ncheckpoint end\n")).left_out == ("malloc",)
    (tmp_path / "m.mem").write_text("proc A\nA malloc x 64K x10\ncheckpoint end\n")
    assert cli.main(["whatif", str(tmp_path / "m.mem"), "--curve", "--no-cache"]) == 0
    assert "Not in the curve: accesses by malloc" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [((), "give --vary"), (("--curve", "--vary", "swap=none"), "--vary with --curve"),
     (("--curve", "--goal", "no oom"), "--goal with --curve"), (("--curve", "-o", "x"), "--output with --curve")],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "day.mem").write_text(SCENARIO)
    assert cli.main(["whatif", str(tmp_path / "day.mem"), *words]) == 2
    assert said in capsys.readouterr().err
