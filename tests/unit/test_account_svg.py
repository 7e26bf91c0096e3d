"""Is the picture of ``account`` the sheet: every byte in one segment, drawn to scale, and no more than a picture?"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from memtwin import cli
from memtwin.render.grid import Segment, Stack
from memtwin.render.svg import draw
from memtwin.sources.recording import Recording

RUN = Path(__file__).parents[1] / "recordings" / "35-zram-then-disk-small" / "run1.tar.xz"
SVG = "{http://www.w3.org/2000/svg}"


def picture(capsys: pytest.CaptureFixture[str], label: str) -> ET.Element:
    assert cli.main(["account", "--svg", "--root", f"{RUN}@{label}"]) == 0
    return ET.fromstring(capsys.readouterr().out)


@pytest.mark.parametrize("label", Recording(RUN).checkpoints)
def test_the_heights_are_the_sizes(label: str, capsys: pytest.CaptureFixture[str]) -> None:
    root = picture(capsys, label)
    boxes = [box for box in root.iter(f"{SVG}rect") if box.get("class") == "s"]
    columns: dict[str, float] = {}
    for box in boxes:
        columns[box.get("x") or ""] = columns.get(box.get("x") or "", 0.0) + float(box.get("height") or 0)
    heads = [text.text or "" for text in root.iter(f"{SVG}text") if text.get("font-weight") == "bold"]
    assert [head.split(":")[0] for head in heads] == ["RAM", "Swap"]
    memory = Recording(RUN).at(label).read("proc/meminfo") or ""
    swap = int(memory.split("SwapTotal:")[1].split()[0])
    total = int(memory.split()[1])
    ram, swapped = columns.values()
    assert total < ram / swapped * swap < total * 1.3  # RAM has what lies outside MemTotal too


def test_the_largest_part_of_a_full_machine_is_named_with_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    labels = [text.text or "" for text in picture(capsys, "f350").iter(f"{SVG}text")]
    anon = int((Recording(RUN).at("f350").read("proc/meminfo") or "").split("AnonPages:")[1].split()[0])
    assert any(label.startswith(f"anonymous memory: {anon / 1024:.0f} MiB") for label in labels)


def test_labels_do_not_overlap_and_names_stay_text() -> None:
    stack = Stack("R<b>", tuple(Segment(f"part {i}", 1 + 10**9 * (i == 3), "kernel") for i in range(12)))
    text = draw((stack,), "a\x1b[31m<script>")
    assert "<script>" not in text
    assert "\x1b" not in text
    places = [float(y) for y in re.findall(r'<text x="172" y="([0-9.]+)"', text)]
    assert len(places) == 12, text[:900]
    assert all(below - above >= 16.9 for below, above in pairwise(places))


def test_a_picture_is_of_one_moment(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["account", "--svg", "--json"]) == 2
    assert cli.main(["account", "--svg", "-s", "1"]) == 2
    assert "one picture of one moment" in capsys.readouterr().err
