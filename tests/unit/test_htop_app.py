"""``htop`` in Textual: every key, the mouse, the palette and the size, by Textual's pilot; real screens in tmux.

``MEMTWIN_SCREENS=write`` writes the texts of ``screens/htop-*.txt``; look at them before they are committed.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import termios
import time
import tty
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from htop_machine import RUN, machine
from terminals import MAIN, Terminal, left_clean
from tmux import Tmux

from memtwin.sources.films import Film, LiveFilm, RecordingFilm
from memtwin.sources.opening import open_source
from memtwin.sources.recording import Recording
from memtwin.sources.sampler import names_of_users
from memtwin.tui.htop.keys import KEYS, TIME_KEYS
from memtwin.tui.htop.page import Page
from memtwin.tui.htop.rows import Choice
from memtwin.tui.htop.spans import text

pytest.importorskip("textual")
from memtwin.tui.htop.app import HtopApp, _leave_by_force, style_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.pilot import Pilot

SCREENS = Path(__file__).parent / "screens"
_NAMES = {"/": "slash", "\\": "backslash", "<": "less_than_sign", ">": "greater_than_sign", "?": "question_mark",
          ":": "colon", "+": "plus", "-": "minus", "*": "asterisk", "#": "number_sign", "[": "left_square_bracket",
          "]": "right_square_bracket", "{": "left_curly_bracket", "}": "right_curly_bracket"}  # fmt: skip


def run(
    root: Path | Film, steps: Callable[[Pilot[int], Page], Awaitable[None]], size: tuple[int, int] = (100, 30)
) -> Any:
    """Run the program over *root* on a screen of *size*, and return its exit code."""

    async def go() -> Any:
        film = root if isinstance(root, Film) else (LiveFilm if root == Path("/") else Film)(open_source(root))
        source = film.looker.source
        page = Page(names_of_users(source), live=source.is_live, choice=Choice(key="PID"))
        page.paused = not source.is_live
        app = HtopApp(page, film, delay_s=0.5)
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: page.look is not None)
            await steps(pilot, page)
        return app.return_value

    return asyncio.run(go())


async def until(pilot: Pilot[int], what: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        await pilot.pause(0.02)


def shown(pilot: Pilot[int]) -> list[str]:
    """The lines that the canvas has painted."""
    return [text(line).rstrip() for line in pilot.app.canvas.lines]  # type: ignore[attr-defined]


def test_every_key_does_what_the_help_says(tmp_path: Path) -> None:
    """Each key of the table begins its action: what it changes is seen on the page or on the screen."""
    seen: dict[str, list[str]] = {}

    async def steps(pilot: Pilot[int], page: Page) -> None:
        for one in (*KEYS, *TIME_KEYS):
            for key in one.keys:
                if one.action in {"quit", "open_palette"}:
                    continue
                calls = seen.setdefault(one.action, [])
                real = getattr(page, one.action)
                setattr(page, one.action, lambda real=real, calls=calls, key=key: (calls.append(key), real()))
                await pilot.press(_NAMES.get(key, key))
                await pilot.pause()
                delattr(page, one.action)
                page.menu = page.prompt = page.pager = page.explained = None
                page.tab = "Main"

    run(machine(tmp_path), steps)
    every = {one.action: list(one.keys) for one in (*KEYS, *TIME_KEYS)}
    assert seen == {action: keys for action, keys in every.items() if action not in {"quit", "open_palette"}}


@pytest.mark.parametrize(("key", "code"), [("q", 0), ("f10", 0), ("ctrl+c", 130)])
def test_keys_that_end_it(tmp_path: Path, key: str, code: int) -> None:
    async def steps(pilot: Pilot[int], page: Page) -> None:
        del page
        await pilot.press(key)

    assert run(machine(tmp_path), steps) == code


def test_moving_searching_and_typing(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[int], page: Page) -> None:
        await pilot.press("down", "down")
        assert page.at == 2
        await pilot.press("end")
        assert page.at == len(page.rows()) - 1
        assert any("job29" in line or "--number 29" in line for line in shown(pilot))
        await pilot.press("pageup", "home", "up")
        assert page.at == 0
        await pilot.press("slash", *"walw", "backspace", "space", "backspace")
        assert page.task().pid == 502  # type: ignore[union-attr]
        await pilot.press("enter", "right", "left", "9", "0", "5")
        assert page.task().pid == 905  # type: ignore[union-attr]
        await pilot.press("space")
        assert page.tagged == {905}

    run(machine(tmp_path), steps)


def test_the_mouse_selects_sorts_scrolls_and_presses(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[int], page: Page) -> None:
        head = page.head_rows
        await pilot.click(offset=(5, head + 3))
        assert page.at == 2
        place = next(one for one in page.places if one.name == "RES")
        await pilot.click(offset=(place.start + 1, head))
        assert page.choice.key == "RES"
        await pilot.click(offset=(place.start + 1, head))
        assert page.choice.rising
        canvas: Any = pilot.app.canvas  # type: ignore[attr-defined]
        at = page.at
        canvas.on_mouse_scroll_down(_Event())
        canvas.on_mouse_scroll_up(_Event())
        canvas.on_mouse_scroll_down(_Event())
        assert page.at == at + 1
        await pilot.click(offset=(35, 29))
        assert page.choice.tree
        await pilot.click(offset=(10, head - 1))
        assert page.tab == "Memory"
        await pilot.click(offset=(3, head + 4))
        assert page.item_at == page.item_first + 4
        await pilot.click(offset=(2, head - 1))
        await pilot.press("f6")
        await pilot.click(offset=(4, head + 2))
        assert page.menu is None
        assert page.choice.key == "USER"

    run(machine(tmp_path), steps)


class _Event:
    def stop(self) -> None: ...

    def prevent_default(self) -> None: ...


def test_the_palette_finds_an_action_by_words(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[int], page: Page) -> None:
        await pilot.press("colon")
        await until(pilot, lambda: len(pilot.app.screen_stack) == 2)
        await pilot.press(*"tree", "space", *"or", "space", *"list")
        await pilot.pause(0.3)
        await pilot.press("enter")
        await until(pilot, lambda: len(pilot.app.screen_stack) == 1)
        await until(pilot, lambda: page.choice.tree)

    run(machine(tmp_path), steps)


def test_another_size_and_back(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[int], page: Page) -> None:
        for columns, rows in ((20, 5), (200, 50), (1, 1), (40, 10), (80, 24)):
            await pilot.resize_terminal(columns, rows)
            await until(pilot, lambda size=(columns, rows): page.size == size)  # type: ignore[misc]
            assert len(shown(pilot)) == rows
        assert any("COMMAND" in line for line in shown(pilot))

    run(machine(tmp_path), steps)


def test_only_lines_that_changed_are_painted(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[int], page: Page) -> None:
        del page
        painted: list[int] = []
        canvas: Any = pilot.app.canvas  # type: ignore[attr-defined]
        real = canvas.refresh
        await pilot.pause(1.0)
        canvas.refresh = lambda *regions, **how: (painted.append(len(regions)), real(*regions, **how))[1]
        await pilot.pause(1.2)
        assert not painted
        await pilot.press("down")
        assert sum(painted) <= 4

    run(machine(tmp_path), steps)


def test_a_machine_that_is_gone_is_said_and_nothing_ends(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[int], page: Page) -> None:
        import shutil

        shutil.rmtree(tmp_path / "proc")
        await pilot.press("f1", "escape", "end", "w", "escape", "tab", "tab")
        assert page.rows()

    run(machine(tmp_path), steps)


def test_the_live_host_moves_pauses_and_is_walked_back() -> None:
    async def steps(pilot: Pilot[int], page: Page) -> None:
        first = page.look
        await until(pilot, lambda: page.look.sample is not first.sample)  # type: ignore[union-attr]
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "one moment only" in page.message)
        await pilot.press("Z")
        await until(pilot, lambda: page.is_timed)
        time = page.look.time  # type: ignore[union-attr]
        assert time is not None
        assert time.at == len(time.times_s) - 1
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: page.look.time.at == time.at - 1)  # type: ignore[union-attr]
        assert any(line.startswith("[live]") for line in shown(pilot))
        assert any("PAUSED" in line for line in shown(pilot))
        await pilot.press("Z")
        await until(pilot, lambda: not page.is_timed)

    run(Path("/"), steps)


def test_a_recording_is_gone_through_by_keys() -> None:
    async def steps(pilot: Pilot[int], page: Page) -> None:
        def at() -> int:
            assert page.look is not None
            assert page.look.time is not None
            return page.look.time.at

        await pilot.press("right_square_bracket", "right_square_bracket")
        await until(pilot, lambda: at() == 2)
        await pilot.press("left_curly_bracket")
        await until(pilot, lambda: at() == 1)
        await pilot.press("right_curly_bracket")
        await until(pilot, lambda: at() == 2)
        await pilot.press("j", *"last", "enter")
        await until(pilot, lambda: at() == 6)
        await pilot.press("j", *"f350", "enter")
        await until(pilot, lambda: "f350" in page.look.time.events[at()].text)  # type: ignore[union-attr]
        await pilot.press("W", *["backspace"] * 20, *"-SwapFree", "less_than_sign", *"390M", "enter")
        await until(pilot, lambda: at() < 5 or bool(page.message))
        assert not page.message
        await pilot.press("B", *"A", "space", *"kill", "enter")
        await until(pilot, lambda: "cannot be changed" in page.message)
        await pilot.press("f", *"M", "enter")
        await until(pilot, lambda: bool(page.look.time.values))  # type: ignore[union-attr]
        assert sum(any(glyph in line for glyph in "▁▂▃▄▅▆▇█") for line in shown(pilot)) > 2
        await pilot.press("Z")
        await until(pilot, lambda: at() == 6)

    run(RecordingFilm(Recording(RUN)), steps)


def test_a_model_is_forked_and_both_futures_are_shown() -> None:
    from memtwin.replay.film import ModelFilm
    from memtwin.run.run import machine_for
    from memtwin.scenario import parse

    text = "machine ram=128M\nswap disk size=96M\nproc A\nA mmap h 120M\nA touch h 0 120M w seq\nproc B\nsleep 2\n"
    scenario = parse(text, "a.mem")

    async def steps(pilot: Pilot[int], page: Page) -> None:
        def badge() -> str:
            assert page.look is not None
            assert page.look.time is not None
            return page.look.time.badge

        await until(pilot, lambda: page.look.time.is_whole)  # type: ignore[union-attr]
        await pilot.press("W", *["backspace"] * 20, *"pswpout", "greater_than_sign", *"0", "enter")
        await until(pilot, lambda: "op 3/5" in page.look.time.operation)  # type: ignore[union-attr]
        await pilot.press("B", *"nonsense", "enter")
        await until(pilot, lambda: "nonsense" in page.message)
        await pilot.press("B", *"A", "space", *"kill", "enter")
        await until(pilot, lambda: badge() == "future-1: A kill")
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "op 4/6" in page.look.time.operation)  # type: ignore[union-attr]
        await pilot.press("D")
        await until(pilot, lambda: page.pager is not None)
        assert any("MemFree" in line for line in page.pager.text)  # type: ignore[union-attr]
        await pilot.press("escape", "V")
        await until(pilot, lambda: badge() == "main")
        assert any(line.startswith("[main]") for line in shown(pilot))

    run(ModelFilm(scenario, lambda: machine_for(scenario, None)), steps)


def test_without_colours_only_weight_and_reverse_are_left() -> None:
    for name in ("used", "cache", "running", "selected", "heading"):
        assert style_of(name, colour=False).color is None
    assert style_of("used", colour=True).color is not None


# --- in a real terminal


def screen_of(where: Path, columns: int, rows: int, key: str, text: str) -> list[str]:
    """What htop shows in tmux after *key*, when it shows *text* and nothing moves any more."""
    where.mkdir()
    with Tmux(where, "htop", "--root", "../m", "-s", "PSS", columns=columns, rows=rows, TZ="UTC") as terminal:
        terminal.until("29.3M")
        terminal.press(key)
        shown, before = terminal.until(text), []
        while shown != before:
            time.sleep(0.5)
            shown, before = terminal.picture(), shown
        return shown


@pytest.mark.parametrize(("columns", "rows"), [(40, 10), (80, 24), (132, 43), (200, 50)])
def test_the_screen_is_as_it_was_looked_at(tmp_path: Path, columns: int, rows: int) -> None:
    machine(tmp_path / "m")
    tabs = (
        screen_of(tmp_path / "1", columns, rows, "t", "├─"),
        screen_of(tmp_path / "2", columns, rows, "Tab", "DMA32"),
    )
    found = "".join(f"{line}\n" for picture in tabs for line in ["=" * columns, *picture])
    path = SCREENS / f"htop-{columns}x{rows}.txt"
    if os.environ.get("MEMTWIN_SCREENS") == "write":
        path.write_text(found)
    assert found == path.read_text()


def test_no_colours_and_ascii_where_they_are_not_wanted(tmp_path: Path) -> None:
    root = machine(tmp_path / "m")
    with Tmux(tmp_path, "htop", "--root", str(root), NO_COLOR="1", LC_ALL="C") as terminal:
        picture = terminal.until("29.3M")
        assert terminal.colours() <= {"4"}  # underlined
        assert all(line.isascii() for line in picture), picture
        terminal.press("q")
        assert terminal.ended() == 0


@pytest.mark.parametrize(("how", "code"), [("\x03", 130), ("q", 0), (signal.SIGTERM, 1), (signal.SIGHUP, 1)])
def test_it_leaves_the_terminal_clean(tmp_path: Path, how: str | signal.Signals, code: int) -> None:
    with Terminal("htop", "--root", str(machine(tmp_path))) as terminal:
        terminal.until("COMMAND")
        if isinstance(how, str):
            terminal.press(how)
        else:
            os.kill(terminal.pid, how)
        assert terminal.ended() == code
        assert left_clean(terminal)


def test_it_ends_when_its_terminal_is_closed(tmp_path: Path) -> None:
    """No signal tells it: it is no session of the terminal's, as after the death of a shell between the two."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, "htop", "-d", "0.2", "--root", str(machine(tmp_path))],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env={**os.environ, "TERM": "xterm"},
    ) as program:  # fmt: skip
        try:
            os.close(theirs)
            shown, end = b"", time.monotonic() + 60
            while b"COMMAND" not in shown:
                assert time.monotonic() < end, shown
                shown += os.read(ours, 1 << 16)
            os.close(ours)
            assert program.wait(10) == 1
        finally:
            program.kill()


@pytest.mark.parametrize("seen", ["COMMAND", "\x1b[?1049h"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_while_it_begins_and_while_it_draws(seen: str, number: signal.Signals) -> None:
    with Terminal("htop", "-t", "-d", "0.1") as terminal:
        end = time.monotonic() + 60
        while seen not in terminal.sent:
            assert time.monotonic() < end, terminal.sent
            terminal.read(0.01)
        os.kill(terminal.pid, number)
        began = time.monotonic()
        assert terminal.ended() == 1
        assert time.monotonic() - began < 10
        assert left_clean(terminal)


def test_signals_end_it_on_a_terminal_that_takes_nothing(tmp_path: Path) -> None:
    """What it writes is never read: it cannot leave the terminal clean, and ends all the same."""
    with Terminal("htop", "-d", "0.1", "--root", str(machine(tmp_path))) as terminal:
        terminal.until("COMMAND")
        for columns in range(40, 120):
            terminal.resize(columns, 60)
            time.sleep(0.03)
        os.kill(terminal.pid, signal.SIGTERM)
        end = time.monotonic() + 10
        while not (pid := os.waitpid(terminal.pid, os.WNOHANG)[0]) and time.monotonic() < end:
            time.sleep(0.05)
        terminal.code = 1 if pid else None
        assert pid


@pytest.mark.parametrize("takes", [True, False])
def test_an_end_by_force_leaves_the_terminal_clean_or_at_least_does_not_wait(takes: bool) -> None:
    """As after five seconds in which Textual did not end: the mode is set back, and what the terminal takes is sent."""
    ours, theirs = os.openpty()
    try:
        before = termios.tcgetattr(theirs)
        tty.setraw(theirs)
        if not takes:
            os.set_blocking(theirs, False)
            with suppress(BlockingIOError):
                while True:
                    os.write(theirs, b"x" * 4096)
        _leave_by_force({theirs: before})
        assert termios.tcgetattr(theirs) == before
        if takes:
            assert {b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1003l"} <= set(
                re.findall(rb"\x1b[^\x1b]*", os.read(ours, 4096))
            )
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_resize_to_almost_nothing_and_a_suspend(tmp_path: Path) -> None:
    with Terminal("htop", "--root", str(machine(tmp_path))) as terminal:
        terminal.until("COMMAND")
        terminal.resize(20, 5)
        time.sleep(0.3)
        terminal.resize(90, 24)
        terminal.sent = ""
        terminal.until("COMMAND")
        os.kill(terminal.pid, signal.SIGTSTP)
        assert os.WIFSTOPPED(os.waitpid(terminal.pid, os.WUNTRACED)[1])
        assert left_clean(terminal)
        terminal.sent = ""
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.until("COMMAND")
        terminal.press("q")
        assert terminal.ended() == 0


def test_a_terminal_that_shows_no_screens_gets_one_picture(tmp_path: Path) -> None:
    with Terminal("htop", "--root", str(machine(tmp_path)), TERM="dumb") as terminal:
        assert terminal.ended() == 0
        assert "\x1b" not in terminal.sent
        assert "postgres" in terminal.sent


def test_a_pid_that_goes_away_is_no_row() -> None:
    with (
        subprocess.Popen(["sleep", "600"]) as program,
        Terminal("htop", "-p", str(program.pid), "-d", "0.2") as terminal,
    ):
        terminal.until("sleep 600")
        program.kill()
        program.wait()
        time.sleep(0.6)
        terminal.press("k")
        terminal.press("q")
        assert terminal.ended() == 0
