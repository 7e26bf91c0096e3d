"""The report of the OOM killer: is it what the real kernel wrote for the same workload?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from memtwin.run import run
from memtwin.sources.recording import Recording

if TYPE_CHECKING:
    from pathlib import Path

ONLY_THERE = re.compile(r"Hardware name|Call Trace|</?TASK>|^\S+\+0x|^\? |^(RIP|RSP|RAX|RDX|RBP|R10|R13|Code):")
"""The machine's name, the call trace and the registers: no model has these."""


def report(lines: list[str]) -> list[str]:
    """The lines of the reports without time stamps, from who invoked it to who was killed."""
    found, inside = [], False
    for line in lines:
        text = re.sub(r"^\[ *[\d.]+\] ?", "", line).strip()
        inside = inside or "invoked oom-killer" in text
        if inside and not ONLY_THERE.search(text):
            found.append(re.sub(r" #1 .*| PID: \d+", "", text))
        inside = inside and "Killed process" not in text
    return found


def shape(line: str) -> str:
    """A line without its numbers, and without the types of free blocks."""
    return re.sub(r"\d+", "N", re.sub(r" \([UMEHI]+\)", "", line))


@pytest.fixture
def both(recordings: Path, tmp_path: Path) -> tuple[list[str], list[str]]:
    """The reports of the real kernel and of the twin, two kills each."""
    real = Recording(recordings / "26-oom-noswap" / "run1.tar.xz")
    run.run_scenario(real.scenario(), real.at("boot"), tmp_path / "twin")
    texts = (real.dmesg or "", (tmp_path / "twin" / "dmesg.txt").read_text())
    there, here = (report(text.splitlines()) for text in texts)
    return there, here


def test_every_line_has_the_kernels_form(both: tuple[list[str], list[str]]) -> None:
    """Line by line the same words in the same order; only numbers may differ."""
    there, here = both
    assert len(there) > 60
    assert [shape(line) for line in here] == [shape(line) for line in there]


def test_the_same_processes_are_listed_and_killed(both: tuple[list[str], list[str]]) -> None:
    """The first kill to the last digit: pages and page tables of each task, constraint, victim; the second, the victim.

    A task's RSS moves in steps of 66 pages, so the second victim may be one step off.
    """
    there, here = ([line for line in lines if re.match(r"\[ +\d+\]|Out of memory|oom-kill", line)] for lines in both)
    assert len(there) == 10
    assert here[:5] == there[:5]
    assert [re.findall(r"task=\w+,pid=\d+", line) for line in here] == [
        re.findall(r"task=\w+,pid=\d+", line) for line in there
    ]
