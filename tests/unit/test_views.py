"""Do tables stay tables whatever their cells hold, and are a view's figures what their names say?"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memtwin.errors import UsageError
from memtwin.procfs.meminfo import Meminfo
from memtwin.procfs.meminfo import parse as parse_meminfo
from memtwin.procfs.swaps import SwapArea, Swaps
from memtwin.render import amount, terminal
from memtwin.render.json import envelope
from memtwin.render.table import Column, Table, clean, display_width, raw, text
from memtwin.units import Kib
from memtwin.views import free, meminfo, swaps

if TYPE_CHECKING:
    from memtwin.render.grid import View

HOSTILE = "a\x1b[31m\x07\r\n\t\u202e\u2066\u200b\x9b\x7f\ud800 \udcff"


def test_columns_are_as_wide_as_their_widest_cell_and_the_last_is_not_padded() -> None:
    table = Table((Column("NAME"), Column("SIZE", "right"), Column("NOTE")), (("a", "1", "x"), ("bcdef", "12345", "")))
    assert text(table) == "NAME   SIZE NOTE\na         1 x\nbcdef 12345 \n"
    assert text(table, headings=False) == "a         1 x\nbcdef 12345 \n"
    assert raw(table) == "NAME SIZE NOTE\na 1 x\nbcdef 12345 \n"


def test_a_column_that_may_not_grow_pushes_its_row_on() -> None:
    table = Table((Column("", width=4, grow=False), Column("n", "right", 3, grow=False)), (("a", "12345"), ("b", "1")))
    assert text(table) == "       n\na    12345\nb      1\n"


def test_a_wide_character_takes_two_columns_and_a_combining_one_none() -> None:
    table = Table((Column("A"), Column("B")), (("交換", "1"), ("e\u0301", "2"), ("abcd", "3")))
    assert [display_width(line) for line in text(table).splitlines()] == [6, 6, 6, 6]


@pytest.mark.parametrize("layout", [text, raw])
def test_what_could_command_a_terminal_is_written_as_its_escape(layout) -> None:
    told = layout(Table((Column("NAME"), Column("N")), ((HOSTILE, "1"),)))
    assert told.count("\n") == 2
    assert "\\x1b" in told
    assert all(char.isprintable() or char == "\n" for char in told)


@given(st.text())
def test_clean_text_is_printable_and_printable_text_is_unchanged(cell: str) -> None:
    assert clean(cell).isprintable()
    assert (clean(cell) == cell) == cell.isprintable()


@given(st.lists(st.text(), min_size=1))
def test_raw_cells_are_told_apart_by_blanks_alone(cells: list[str]) -> None:
    printed = raw(Table(tuple(Column(str(i)) for i in range(len(cells))), (tuple(cells),)), headings=False)
    assert len(printed.removesuffix("\n").split(" ")) == len(cells)


def test_the_envelope_says_which_view_and_version_and_keeps_hostile_names_harmless() -> None:
    line = envelope("free", {"x_bytes": 1, "y_bytes": None}, root=HOSTILE)
    assert line.isascii()
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "memtwin": "0.1.0", "view": "free", "version": 1, "root": HOSTILE, "at_unix_ms": None,
        "data": {"x_bytes": 1, "y_bytes": None},
    }  # fmt: skip


MEMINFO = {
    "MemTotal": 1000, "MemFree": 300, "MemAvailable": 500, "Buffers": 10, "Cached": 200, "SReclaimable": 7,
    "Shmem": 5, "SwapTotal": 100, "SwapFree": 60, "CommitLimit": 600, "Committed_AS": 700,
}  # fmt: skip


def json_of(view: View) -> dict[str, Any]:
    data = view.data()
    assert isinstance(data, dict)
    return data


def test_free_counts_as_procps_4_0_2_does() -> None:
    figures = free.compute(Meminfo(MEMINFO))
    assert figures.mem == free.Span(Kib(1000), Kib(500), Kib(300))
    assert figures.cache == 207
    assert figures.swap == free.Span(Kib(100), Kib(40), Kib(60))
    assert figures.commit.free == -100
    assert figures.low == free.Span(Kib(1000), Kib(700), Kib(300))
    data = json_of(free.view(figures))
    assert data["mem"]["used_bytes"] == 512000
    assert data["commit"] == {"limit_bytes": 614400, "committed_bytes": 716800, "free_bytes": -102400}


@pytest.mark.parametrize(("available", "used"), [(None, 700), (0, 700), (2000, 700), (400, 600)])
def test_an_available_that_cannot_be_is_replaced_by_free(available: int | None, used: int) -> None:
    given_ = {**MEMINFO, "MemAvailable": available}
    record = Meminfo({label: value for label, value in given_.items() if value is not None})
    assert free.compute(record).mem.used == used


def test_what_the_kernel_does_not_print_is_a_dash_and_null() -> None:
    record = Meminfo({label: value for label, value in MEMINFO.items() if label not in {"Shmem", "CommitLimit"}})
    figures = free.compute(record)
    rows = terminal.show(free.view(figures, committed=True)).splitlines()
    assert rows[1].split() == ["Mem:", "1000", "500", "300", "-", "217", "500"]
    assert rows[3].split() == ["Comm:", "-", "700", "-"]
    assert json_of(free.view(figures))["mem"]["shared_bytes"] is None


def test_nothing_at_all_is_dashes_not_a_crash() -> None:
    figures = free.compute(Meminfo({}))
    assert terminal.show(free.view(figures, total=True, lohi=True)).splitlines()[1].split() == ["Mem:", *"------"]


def test_meminfo_is_printed_as_it_is_and_in_bytes() -> None:
    file = "MemTotal:           1000 kB\nNewRow:                7 kB\nHugePages_Total:       3\nodd \x1b line\n"
    record = parse_meminfo(file)
    assert terminal.show(meminfo.view(record)) == file.replace("\x1b", "\\x1b")
    assert meminfo.view(record).data() == {
        "MemTotal_bytes": 1024000,
        "NewRow_bytes": 7168,
        "HugePages_Total_count": 3,
    }


SWAPS = Swaps(
    (
        SwapArea("/dev/vdb", "partition", Kib(524284), Kib(59144), -2),
        SwapArea("/swap file (deleted)", "file", Kib(98300), Kib(0), 100),
    )
)


def test_swaps_are_shown_as_swapon_shows_them() -> None:
    assert terminal.show(swaps.view(SWAPS)) == (
        "NAME       TYPE      SIZE  USED PRIO\n"
        "/dev/vdb   partition 512M 57.8M   -2\n"
        "/swap file file       96M    0B  100\n"
    )
    assert (
        terminal.show(swaps.view(SWAPS, ("PRIO", "NAME")), headings=False, for_programs=True)
        == "-2 /dev/vdb\n100 /swap\\x20file\n"
    )
    assert json_of(swaps.view(SWAPS))["areas"][0] == {
        "name": "/dev/vdb",
        "type": "partition",
        "size_bytes": 536866816,
        "used_bytes": 60563456,
        "priority": -2,
    }


def test_an_unknown_column_is_wrong_usage() -> None:
    assert swaps.choose_columns("name, Prio") == ("NAME", "PRIO")
    with pytest.raises(UsageError, match="FOO") as caught:
        swaps.choose_columns("NAME,FOO")
    assert "PRIO" in (caught.value.hint or "")


@given(st.integers(0, 2**63))
def test_a_human_size_has_at_most_seven_characters(size_bytes: int) -> None:
    assert len(amount.util_linux(size_bytes)) <= 7  # 1017.1K, as swapon prints it
    assert len(amount.procps(size_bytes >> 4, amount.Scale(human=True))) <= 5


def test_views_and_procfs_import_without_click() -> None:
    code = (
        "import sys; import memtwin.views.free, memtwin.views.swaps, memtwin.views.meminfo; "
        "sys.exit('click' in sys.modules or 'msgspec' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
