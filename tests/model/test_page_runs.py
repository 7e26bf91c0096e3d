"""Where each page of a process is: from the model's tables to text, and from the text of a snapshot to a machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from memtwin.errors import SnapshotError
from memtwin.linux.check import invariants
from memtwin.machine.build import build
from memtwin.run.run import Run, machine_for
from memtwin.scenario import parse
from memtwin.sources import page_runs
from memtwin.sources.recording import Recording
from memtwin.twin import pages
from memtwin.twin.twin import Twin

if TYPE_CHECKING:
    from pathlib import Path

WORKLOAD = """
machine ram=128M
swap disk size=36M prio=20
swap zram size=256M prio=10
proc A
A mmap heap 130M
A touch heap 0 130M w seq content=text
A mmap gaps 8M
A touch gaps 0 8M w rand:700:3
A touch heap 0 130M r rand:2000:5
A fork B
B touch heap 0 8M w rand:500:7
sleep 1
checkpoint end
"""


def test_a_machine_boots_with_each_page_where_it_was(tmp_path: Path) -> None:
    run = ran(WORKLOAD)
    twin = Twin(run.machine, run.processes.by_name)
    texts = {name: pages.text(run.machine, process.task) for name, process in twin.processes.items()}
    run.checkpoints["end"].update({f"workers/{name}/pages": text for name, text in texts.items()})
    run.write(tmp_path / "run")
    booted = build(Recording(tmp_path / "run", partial=True).at("end"))
    invariants.validate(booted.state, ("booted",))
    again = Twin(booted, {process.name: process for process in booted.processes})
    kinds = set()
    for name, text in texts.items():
        before, after = (places(one) for one in (text, again.read(f"workers/{name}/pages") or ""))
        kinds |= set(before.values())
        same = sum(before[vpn] == after.get(vpn) for vpn in before)
        assert before.keys() == after.keys()
        assert same >= 0.99 * len(before), (name, same, len(before))
    assert {"a", "c", "f", "s0", "s1"} <= kinds


def ran(text: str) -> Run:
    run = Run(parse(text), machine_for(parse(text), None))
    run.execute()
    return run


def places(text: str) -> dict[int, str]:
    """Return where each page is: its kind in lower case, and the area of one in swap."""
    return {
        run.first + at: f"s{run.area}" if run.kind == "s" else run.kind.lower()
        for run in page_runs.parse(text, "pages")
        for at in range(run.pages)
    }


@pytest.mark.parametrize("text", ["", "10000 4a 2. 3A 1c 9C 2f 5s0:1 5s1:77\n", "1000 1.\n"])
def test_text_is_read_as_it_is_written(text: str) -> None:
    runs = page_runs.parse(text, "pages")
    shown = page_runs.render([(0x10, runs)])
    assert page_runs.parse(shown, "pages") == runs
    if "." not in text or runs:
        assert shown == text


@pytest.mark.parametrize("text", ["zz 1a\n", "10000 a\n", "10000 1x\n", "10000 1s3\n", "\n", "10000 1a 1a1\n"])
def test_what_is_no_run_is_named_with_its_line(text: str) -> None:
    with pytest.raises(SnapshotError, match=re.escape("w/pages: line 2: ")):
        page_runs.parse(f"1000 1a\n{text}", "w/pages")
