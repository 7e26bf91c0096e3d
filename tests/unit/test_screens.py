"""What a terminal shows at 60, 80 and 132 columns, with and without colour: held as text in ``screens/``.

``MEMTWIN_SCREENS=write`` writes the texts; look at them before they are committed.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from memtwin.render.table import display_width

HERE = Path(__file__).parent / "screens"
RUN = Path(__file__).parents[1] / "recordings" / "35-zram-then-disk-small" / "run1.tar.xz"
VIEWS = ("account", "free", "zoneinfo", "limits", "pressure", "buddyinfo")
WIDTHS = (60, 80, 132)


WRITTEN_HERE = (
    "account --explain", "doctor", "free --explain", "loadavg --explain", "lru", "meminfo --explain", "oom --live",
    "pressure --explain", "ps", "slabtop --explain", "swaps", "swaps --explain", "swapuse", "zoneinfo --explain",
)  # fmt: skip
"""Views whose columns are no other tool's."""


def screen(view: str, columns: int, **env: str) -> str:
    """Return what *view* prints to a terminal of so many columns."""
    master, slave = pty.openpty()
    subprocess.run(["stty", "cols", str(columns), "rows", "40"], stdin=slave, check=True)
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "LC_ALL": "C.UTF-8"} | env
    command = [sys.executable, "-m", "memtwin", *view.split(), "--root", f"{RUN}@f350"]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment) as program:
        os.close(slave)
        said = b""
        try:
            while part := os.read(master, 65536):
                said += part
        except OSError:  # the terminal is closed at the other end
            pass
        program.wait(30)
    os.close(master)
    return said.decode().replace("\r\n", "\n").replace(str(RUN.parents[3]), "")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("view", VIEWS)
def test_the_screen_is_as_it_was_looked_at(view: str) -> None:
    parts = []
    for columns in WIDTHS:
        coloured, grey = screen(view, columns), screen(view, columns, NO_COLOR="1")
        assert "\x1b" not in grey
        assert plain(coloured) == grey, "colour alone says something"
        wide = [line for line in grey.splitlines() if display_width(line) > columns]
        assert not wide or view in {"free", "buddyinfo"}, wide  # their tools' own columns
        parts.append(f"== {columns} columns\n" + coloured.replace("\x1b", "^["))
    text = "\n".join(parts)
    path = HERE / f"{view}.txt"
    if os.environ.get("MEMTWIN_SCREENS") == "write":
        HERE.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("view", WRITTEN_HERE)
def test_a_view_fits_a_narrow_terminal(view: str) -> None:
    text = screen(view, 60, NO_COLOR="1")
    assert [line for line in text.splitlines() if display_width(line) > 60] == []
    assert text.count("\n") > 1


@pytest.mark.parametrize("view", ["account", "zoneinfo"])
def test_a_terminal_without_utf8_gets_ascii(view: str) -> None:
    assert screen(view, 100, LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0", NO_COLOR="1").isascii()


def test_a_dumb_terminal_gets_no_colour() -> None:
    assert "\x1b" not in screen("zoneinfo", 80, TERM="dumb")
