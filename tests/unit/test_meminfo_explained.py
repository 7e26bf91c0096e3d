"""Is every row of /proc/meminfo explained, and does the explanation find the row that was meant?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from memtwin import cli
from memtwin.procfs.meminfo import MEMINFO
from memtwin.views.meminfo_fields import fields

if TYPE_CHECKING:
    import pytest

ROOT = f"{Path(__file__).parents[1] / 'recordings' / '03-anon-swap-disk' / 'run1.tar.xz'}@f400"


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = cli.main(["meminfo", "--root", ROOT, *args])
    return code, *capsys.readouterr()


def test_every_row_that_a_kernel_prints_is_explained_and_none_else() -> None:
    assert set(fields()) == {row.label for row in MEMINFO}
    for label, field in fields().items():
        assert all(text.strip() == text and text for text in field), label
        assert field.what.endswith("."), label
        assert field.feeds.endswith("."), label


def test_the_rows_of_this_host_are_explained() -> None:
    labels = [line.split(":")[0] for line in Path("/proc/meminfo").read_text().splitlines()]
    assert [label for label in labels if label not in fields()] == []


def test_one_field_is_told_with_this_machines_amount(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--explain", "swapcached")
    assert code == 0
    assert out.startswith("SwapCached: ")
    assert "Overlaps: " in out
    assert "If large: " in out
    _, out, _ = run(capsys, "--explain", "balloon")
    assert out.startswith("Balloon: this kernel does not print it\n")
    _, out, _ = run(capsys, "--explain", "HugePages_Total", "--json")
    assert json.loads(out)["data"][0]["count"] == 0


def test_the_listing_has_every_row_once(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "--explain")
    _, plain, _ = run(capsys)
    assert [line.split()[0] for line in out.splitlines()[1:-1]] == [line.split(":")[0] for line in plain.splitlines()]


def test_a_misspelt_field_is_answered_with_those_that_come_near(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "--explain", "Cashed")
    assert code == 2
    assert "near: Cached" in err
