"""Is a lesson a pleasure in a real terminal of 80 by 24: by keys, with wrong input, left and gone on with?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from terminals import Terminal, left_clean
from tmux import Tmux

from memtwin.learn.lessons import all_lessons
from memtwin.learn.store import Store

if TYPE_CHECKING:
    from pathlib import Path

LESSONS = all_lessons()
GOES_ON = "Enter goes on"


@pytest.fixture
def state(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


def kept(tmp_path: Path) -> Store:
    return Store(tmp_path / "state" / "memtwin" / "learn.json")


def test_a_whole_lesson_by_keys(tmp_path: Path, state: dict[str, str]) -> None:
    with Tmux(tmp_path, "learn", "1", LC_ALL="C.UTF-8", **state) as terminal:
        shown = terminal.until(GOES_ON)
        assert shown[0] == "Lesson 1: What is VIRT?"
        assert any("████" in line for line in shown)
        terminal.press("Enter")
        shown = terminal.until("Your guess: _")
        assert "├─" in "".join(shown)
        terminal.press("Right", "Left", "Left")
        shown = terminal.until("▲ ")
        marked = next(line for line in shown if line.startswith("Your guess:"))
        assert marked != "Your guess: _"
        terminal.press("300")
        terminal.until("Your guess: 300_")  # what is typed replaces what was placed
        terminal.press(*["Right"] * 40)
        terminal.until("512M ▲")
        terminal.press("Enter")
        shown = terminal.until("Linux: 780K")
        assert any(line.strip() == "you: 512M ▲" for line in shown)
        terminal.press("Enter")
        terminal.until("The chapter says")
        terminal.press("b")
        terminal.until("Linux: 780K")
        terminal.press("Enter", "Enter")
        terminal.until("Change: _")
        terminal.press("Down", "Down")
        assert "▶ 2" in "".join(terminal.until("Change: 2_"))
        terminal.press("Enter")
        terminal.until("Your guess: _")
        terminal.press("64M", "Enter")
        assert any("You are on it." in line for line in terminal.until("Linux: 64.6M"))
        terminal.press("Enter")
        terminal.until("On a machine of your own")
        terminal.press("Enter")
        assert terminal.ended() == 0
    store = kept(tmp_path)
    assert (store.problem, store.state.finished) == (None, 1)


def test_wrong_input_is_answered_and_asked_again(tmp_path: Path, state: dict[str, str]) -> None:
    with Tmux(tmp_path, "learn", "7", LC_ALL="C.UTF-8", **state) as terminal:
        terminal.until(GOES_ON)
        terminal.press("Enter")
        terminal.until("Your guess: _")
        terminal.press("Enter")
        terminal.until("Give a guess first")
        terminal.press("99", "Enter")
        terminal.until("'99' is not a number from 1 to 4")
        terminal.press("?")
        terminal.until("Your guess: ?_")
        terminal.press("BSpace")
        terminal.until("Your guess: _")
        terminal.press("-l", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz")
        assert all(len(line) < 80 for line in terminal.until("zzzz"))
        terminal.press("Enter")
        terminal.until("is not a number")
        terminal.press(*["BSpace"] * 40, "2", "Enter")
        terminal.until("<- you and Linux")


def test_interrupted_it_leaves_the_terminal_and_goes_on_later(tmp_path: Path, state: dict[str, str]) -> None:
    with Terminal("learn", "3", **state) as terminal:
        terminal.until(GOES_ON)
        terminal.press("\r")
        terminal.until("Your guess: _")
        terminal.press("100M\r")
        terminal.until("you: 100M")
        terminal.press("\x03")
        assert terminal.ended() == 130
        assert left_clean(terminal)
    open_now = kept(tmp_path).state.open
    assert open_now is not None
    assert (open_now.lesson, open_now.beat, open_now.guess) == ("room", "reveal", 100 << 10)
    with Tmux(tmp_path, "learn", LC_ALL="C.UTF-8", **state) as terminal2:
        shown = terminal2.until("? go on with 3")
        assert any("*" in line for line in shown if "what gives way" in line)
        terminal2.press("?", "Enter")
        assert any("you: 100M" in line for line in terminal2.until(GOES_ON))
        terminal2.press("q")
        assert terminal2.ended() == 0


def test_the_list_leads_to_lessons_and_reviews(tmp_path: Path, state: dict[str, str]) -> None:
    with Tmux(tmp_path, "learn", LC_ALL="C.UTF-8", **state) as terminal:
        shown = terminal.until("Lesson: _")
        assert all(any(lesson.title in line for line in shown) for lesson in LESSONS)
        for number in ("4", "2"):
            terminal.press(number, "Enter")
            terminal.until(GOES_ON)
            terminal.press("Enter")
            terminal.until("Your guess: _")
            terminal.press("?", "Enter")
            terminal.until(GOES_ON)
            terminal.press("Enter")
            terminal.until("The chapter says")
            terminal.press("Enter")
            terminal.until("Change: _")
            terminal.press("?", "Enter")
            if number == "4":
                assert any("shown" in line for line in terminal.until("Lesson: _"))
        terminal.until("Review of lesson 4")
        terminal.press("160M", "Enter")
        terminal.until("Linux:")
        terminal.press("Enter")
        terminal.until("On Linux:")
        terminal.press("Enter")
        assert any("1 of 1" in line for line in terminal.until("Lesson: _"))
        terminal.press("q", "Enter")
        assert terminal.ended() == 0


@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1"])
def test_a_locale_without_utf8_is_ascii(locale: str, tmp_path: Path, state: dict[str, str]) -> None:
    with Tmux(tmp_path, "learn", "1", LANG=locale, LC_ALL="", **state) as terminal:
        pictures = [terminal.until(GOES_ON)]
        terminal.press("Enter")
        terminal.until("Your guess: _")
        terminal.press("Right")
        pictures.append(terminal.until("^ "))
        terminal.press("Enter")
        pictures.append(terminal.until("Linux: 780K"))
    assert all(line.isascii() for shown in pictures for line in shown)
    assert any("|----" in line for line in pictures[1])


def test_no_colour_is_needed(tmp_path: Path, state: dict[str, str]) -> None:
    """Nothing is said by colour, with NO_COLOR or without."""
    for number, settings in enumerate(({"NO_COLOR": "1"}, {})):
        where = tmp_path / str(number)
        where.mkdir()
        with Tmux(where, "learn", "6", "--seed", "0", LC_ALL="C.UTF-8", **state, **settings) as terminal:
            terminal.until(GOES_ON)
            terminal.press("Enter")
            terminal.until("Your guess: _")
            terminal.press("1", "Enter")
            terminal.until("<- Linux")
            assert terminal.colours() == set()


@pytest.mark.parametrize(("columns", "rows"), [(40, 12), (20, 6), (100, 50)])
def test_other_sizes_of_a_terminal(columns: int, rows: int, tmp_path: Path, state: dict[str, str]) -> None:
    with Tmux(tmp_path, "learn", "8", columns=columns, rows=rows, LC_ALL="C.UTF-8", **state) as terminal:
        shown = terminal.until("Enter goes")
        for _ in range(20):
            if any(line.startswith("Your guess") for line in shown):
                break
            terminal.press("Enter")
            shown = terminal.changed(shown)
        terminal.until("Your guess: _")
        terminal.press("?", "Enter")
        terminal.until("Enter goes")
        terminal.press("q")
        assert terminal.ended() == 0


def test_a_dumb_terminal_is_read_line_by_line(tmp_path: Path, state: dict[str, str]) -> None:
    with Terminal("learn", "2", TERM="dumb", **state) as terminal:
        terminal.until("[Enter]")
        terminal.press("\n")
        terminal.until("Your guess (")
        terminal.press("soon\n")
        terminal.until("is not a whole number")
        terminal.press("7\n")
        terminal.until("You are on it.")
        terminal.press("q\n")
        assert terminal.ended() == 0
        assert "\x1b" not in terminal.sent
    assert kept(tmp_path).state.open is not None
