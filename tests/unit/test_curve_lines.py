"""Is the curve of a sweep in a terminal what its points hold, and short on any terminal?"""

from __future__ import annotations

from typing import Any

from memtwin.render.terminal import Look
from memtwin.sweep.curve_lines import lines


def document(*stalls: float, **changes: Any) -> dict[str, Any]:
    """Return a sweep over RAM with these stalls; *changes* are of the second point."""
    points = [
        {"values": {"machine.ram": f"{n + 1}G", "swap": "no\x1bne"}, "state": "done", "victims": [],
         "figures": {"stall_s": stall, "failures": 0, "finish_s": 9.0}}
        for n, stall in enumerate(stalls)
    ]  # fmt: skip
    points[1].update(changes)
    values = [{"text": f"{n + 1}G", "number": (n + 1) << 30} for n in range(len(stalls))]
    return {"axes": [{"key": "machine.ram", "unit": "bytes", "values": values}], "points": points}


def texts(whole: dict[str, Any], look: Look) -> list[str]:
    return [line.text for line in lines(whole, look)]


def test_a_row_is_the_figures_of_a_choice() -> None:
    head, row, legend, end = texts(document(8.0, 4.0, 1.0, 0.0), Look(80, unicode=False))
    assert head.split() == ["RAM", "1G", "4G"]
    assert row == "STALLED  swap=no\\x1bne " + "#" * 8 + "*" * 8 + "-" * 8 + "." * 8 + "  8 s"
    assert "the most" in legend
    assert end == ""


def test_what_went_wrong_is_a_letter() -> None:
    killed = texts(document(8.0, 4.0, victims=["A"]), Look(80))
    assert "X" * 8 in killed[1]
    assert "X a process is killed" in killed[2]
    failed = texts(document(8.0, 4.0, figures={"stall_s": 0, "failures": 1, "finish_s": 9.0}), Look(80))
    assert "E" * 8 in failed[1]
    assert "E an operation fails" in failed[2]


def test_nothing_differs_nothing_is_drawn() -> None:
    assert lines(document(1.0, 1.0, 1.0), Look(80)) == ()
    assert lines(document(1.0, 2.0) | {"axes": []}, Look(80)) == ()


def test_it_fits_any_terminal() -> None:
    for columns in (20, 40, 60, 100, 300):
        shown = texts(document(*map(float, range(30))), Look(columns))
        assert all(len(text) <= max(columns, 60) for text in shown)
