"""Are the watermarks drawn where they are, and are zones of other kernels read?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from old_zone import ZONE

from memtwin import cli
from memtwin.procfs.zoneinfo import parse, render
from memtwin.render import terminal
from memtwin.sources.recording import Recording
from memtwin.views import zoneinfo as view

if TYPE_CHECKING:
    import pytest

RUN = Path(__file__).parents[1] / "recordings" / "03-anon-swap-disk" / "run1.tar.xz"
OLD = ZONE.format(free=39760, pages=397700)


def zone(free: int, boost: int | None = None) -> str:
    boosted = "" if boost is None else f"        boost    {boost}\n"
    return (
        f"Node 0, zone   Normal\n  pages free     {free}\n{boosted}        min      100\n        low      200\n"
        "        high     300\n        spanned  9000\n        present  9000\n        managed  9000\n"
        "        protection: (0, 0, 100)\n"
    )


def test_a_kernel_of_310_is_read_and_printed_back() -> None:
    record = parse(OLD)
    assert render(record) == OLD
    assert record.zones[0].managed == 397700
    assert record.zones[0].pagesets[0].count == 10
    assert "  scanned  0" in record.unknown[0][1]


def test_the_state_follows_the_marks() -> None:
    states = {free: view.state(parse(zone(free)).zones[0]) for free in (300, 299, 200, 199, 100, 99)}
    assert states == {
        300: "plenty", 299: "below high", 200: "below high", 199: "below low", 100: "below low", 99: "below min",
    }  # fmt: skip


def test_bar_and_marks_are_to_scale() -> None:
    head, bar, marks, sizes, sentence = terminal.show(
        view.view(parse(zone(400, boost=40)), 4), look=terminal.Look(unicode=False)
    ).splitlines()
    assert bar == "  " + "#" * 30 + "." * 30
    assert [marks.index(letter) - 2 for letter in "mlhr"] == [7, 15, 22, 30]
    assert "1,600 KiB free of 35 MiB" in head
    assert (
        sizes.strip()
        == "min 400 KiB, low 800 KiB, high 1,200 KiB, of it boost 160 KiB, reserve against higher zones 400 KiB"
    )
    assert sentence.strip() == "kswapd has nothing to do here; it wakes when 800 KiB more are taken."
    assert (
        terminal.show(view.view(parse(zone(4000)), 4), look=terminal.Look(unicode=False)).splitlines()[1].endswith("#>")
    )


def test_below_min_programs_must_reclaim() -> None:
    assert "200 KiB below min: every program that asks here must reclaim" in terminal.show(
        view.view(parse(zone(50)), 4)
    )


def test_a_recording_is_drawn_and_its_json_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["zoneinfo", "--root", f"{RUN}@f400", "--json"]) == 0
    zones = json.loads(capsys.readouterr().out)["data"]
    total = (Recording(RUN).at("f400").read("proc/meminfo") or "").split()[1]
    assert sum(one["managed_bytes"] for one in zones) == int(total) << 10
    assert cli.main(["zoneinfo", "--root", f"{RUN}@f400", "--ascii"]) == 0
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.count("zone") >= 2
    assert cli.main(["zoneinfo", "--root", f"{RUN}@f400", "--openmetrics"]) == 0
    assert 'node_zoneinfo_low_pages{node="0",zone="DMA32"}' in capsys.readouterr().out
