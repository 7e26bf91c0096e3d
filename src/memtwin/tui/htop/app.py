"""``htop`` in Textual: paints the lines of a page that changed, and passes keys, clicks and sizes on."""

from __future__ import annotations

import gc
import os
import select
import signal
import termios
import threading
import time
from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from memtwin.tui.htop.keys import name_of
from memtwin.tui.htop.reader import Reader
from memtwin.tui.htop.spans import BLANK

if TYPE_CHECKING:
    from textual import events

    from memtwin.sources.films import Film
    from memtwin.sources.looks import Look
    from memtwin.tui.htop.page import Page
    from memtwin.tui.htop.spans import Line

_BLUE, _ORANGE, _VERMILION, _PINK, _GREEN, _YELLOW, _SKY, _GREY = (
    "#0072b2", "#e69f00", "#d55e00", "#cc79a7", "#009e73", "#f0e442", "#56b4e9", "#888888",
)  # fmt: skip
"""The colours of Okabe and Ito, which colour-blind readers tell apart."""
_COLOURS: Final[dict[str, str]] = {
    "used": _SKY, "shared": _PINK, "buffers": _BLUE, "dirty": _VERMILION, "cache": _ORANGE, "free": _GREY,
    "swap": _VERMILION, "cpu-user": _GREEN, "cpu-nice": _BLUE, "cpu-system": _VERMILION, "cpu-other": _GREY,
    "running": _GREEN, "tagged": _YELLOW, "zombie": _VERMILION, "kernel": _GREY, "title": _SKY, "message": _YELLOW,
    "age-old": _BLUE, "event": _VERMILION, "badge": _YELLOW,
}  # fmt: skip
_COLOURS.update({
    "map-free": "#ffffff", "map-per-cpu": "#ffffff", "map-anon": _BLUE, "map-swap cache": _SKY, "map-file": _ORANGE,
    "map-shmem": _GREEN, "map-slab": _VERMILION, "map-tables": _PINK, "map-kernel": _GREY, "map-compressed": _YELLOW,
    "map-isolated": _GREEN, "map-hugetlb": _PINK,
    "map-other": _GREY,
    **{f"map-age-{at}": colour for at, colour in enumerate((_BLUE, _SKY, _ORANGE, _YELLOW), 1)},
    **{f"map-order-{at}": f"#{30 + 20 * at:02x}{30 + 20 * at:02x}{60 + 15 * at:02x}" for at in range(1, 12)},
})  # fmt: skip
_REVERSED: Final = {
    "heading", "heading-chosen", "heading-key", "selected", "selected-tagged", "foot", "tab-chosen", "cursor",
}  # fmt: skip
_BOLD: Final = {"heading-key", "key", "running", "tagged", "cursor", "selected-tagged", "title", "badge"}
_UNDERLINED: Final = {"heading-chosen", "cursor"}
EXIT_INTERRUPTED: Final = 130
_CLOSING_S: Final = 5.0
"""How long a program that got a signal to end may take to leave its terminal clean."""
_GONE_S: Final = 0.5
"""How long it may take to close its files when there is no terminal any more."""
_LEAVE: Final = (
    b"\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?2004l\x1b[?2048l\x1b[?7h\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
"""What takes back all that Textual asks of a terminal: harmless where it did not."""


@lru_cache(256)
def style_of(name: str, *, colour: bool) -> Style:
    """Return how a style by name is painted; without colours bold, reverse and underlined alone tell.

    Two names with a bar between them are the upper and the lower half of a cell.
    """
    if "|" in name:
        upper, _, lower = name.partition("|")
        return Style(color=_COLOURS.get(upper, "black"), bgcolor=_COLOURS.get(lower, "black"))
    return Style(
        color=_COLOURS.get(name) if colour and name not in _REVERSED else None,
        bold=name in _BOLD or None, reverse=name in _REVERSED or None, underline=name in _UNDERLINED or None,
    )  # fmt: skip


class Canvas(ScrollView, can_focus=True, inherit_bindings=False):
    """The whole screen: lines of spans, of which those that changed are painted."""

    def __init__(self, page: Page, *, colour: bool) -> None:
        super().__init__()
        self.page, self.colour = page, colour
        self.lines: list[Line] = []
        self._strips: dict[Line, Strip] = {}
        self._columns = 0

    def draw(self) -> None:
        """Paint what is different from the picture before."""
        columns, rows = self.size
        if not columns or not rows:
            return
        picture = self.page.picture(columns, rows)
        if len(self.lines) != len(picture) or self._columns != columns:
            self._strips.clear()
            self._columns, self.lines = columns, picture
            self.refresh()
            return
        changed = [at for at, (old, new) in enumerate(zip(self.lines, picture, strict=True)) if old != new]
        self.lines = picture
        if changed:
            self.refresh(*(Region(0, at, columns, 1) for at in changed))

    def render_line(self, y: int) -> Strip:
        """Return one line of the screen."""
        line = self.lines[y] if y < len(self.lines) else BLANK
        strip = self._strips.get(line)
        if strip is None:
            if len(self._strips) > 1000:
                self._strips.clear()
            segments = [Segment(span.text, style_of(span.style, colour=self.colour)) for span in line]
            strip = self._strips[line] = Strip(segments).adjust_cell_length(self._columns, Style.null())
        return strip

    def on_resize(self, event: events.Resize) -> None:
        """Draw for another size."""
        self.virtual_size = Size(event.size.width, event.size.height)
        self.draw()

    async def on_key(self, event: events.Key) -> None:
        """Pass a key on: its character, or its name."""
        event.stop()
        event.prevent_default()
        if event.key in _PROGRAM:
            await self.app.run_action(_PROGRAM[event.key])
            return
        is_text = event.character is not None and event.character.isprintable() and event.key != "space"
        self.app.press(event.character if is_text else _NAMES.get(event.key, event.key))  # type: ignore[attr-defined]

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Pass a click on."""
        self.app.click(event.x, event.y)  # type: ignore[attr-defined]

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll down."""
        event.stop()
        event.prevent_default()
        self.app.wheel(1)  # type: ignore[attr-defined]

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll up."""
        event.stop()
        event.prevent_default()
        self.app.wheel(-1)  # type: ignore[attr-defined]


_PROGRAM: Final = {"ctrl+c": "interrupt", "ctrl+z": "suspend_process", "ctrl+p": "command_palette"}
_NAMES: Final = {"ctrl+h": "backspace", "ctrl+m": "enter", "ctrl+j": "enter", "ctrl+i": "tab"}


class Commands(Provider):
    """The keys in words, for the command palette."""

    async def discover(self) -> Hits:
        """Yield every action."""
        for words, press, keys in self._actions():
            yield DiscoveryHit(words, press, help=keys)

    async def search(self, query: str) -> Hits:
        """Yield the actions whose words match."""
        matcher = self.matcher(query)
        for words, press, keys in self._actions():
            if (score := matcher.match(words)) > 0:
                yield Hit(score, matcher.highlight(words), press, help=keys)

    def _actions(self) -> list[tuple[str, Any, str]]:
        app: Any = self.app
        return [
            (one.words, partial(app.press, one.keys[0]), f"key {' or '.join(map(name_of, one.keys))}")
            for one in app.page.all_keys()
        ]


class HtopApp(App[int]):
    """The program: a page, a reader, a canvas."""

    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    Canvas { background: ansi_default; scrollbar-size: 0 0; width: 100%; height: 100%; }
    """
    COMMANDS: ClassVar = {Commands}
    ENABLE_COMMAND_PALETTE = True

    class Seen(Message):
        """A look, or why there is none."""

        def __init__(self, look: Look | str) -> None:
            super().__init__()
            self.look = look

        def can_replace(self, message: Message) -> bool:
            """Return whether *message*, which came after this one, makes it needless: looks do not queue up."""
            is_look = isinstance(message, HtopApp.Seen) and not isinstance(message.look, str)
            return is_look and not isinstance(self.look, str)

    def __init__(self, page: Page, film: Film, *, delay_s: float, colour: bool = True) -> None:
        super().__init__(ansi_color=True)
        self.page = page
        page.colour = colour
        self.canvas = Canvas(page, colour=colour)
        self.reader = Reader(film, self._deliver, delay_s)
        page.do = self.reader.do
        page.film = film

    def compose(self) -> ComposeResult:
        """Put the canvas on the screen."""
        yield self.canvas

    def on_mount(self) -> None:
        """Begin to look."""
        self.canvas.focus()
        self.canvas.draw()
        self.reader.start()
        gc.freeze()

    def on_unmount(self) -> None:
        """End the reader."""
        self.reader.end()

    def _deliver(self, look: Look | str) -> None:
        """Take a look from the reader's thread."""
        self.post_message(self.Seen(look))

    def on_htop_app_seen(self, message: Seen) -> None:
        """Show a look, unless the program ends: nothing is drawn before the end that waits behind it."""
        if self._exit:
            return
        if isinstance(message.look, str):
            self.page.message = message.look
        else:
            self.page.show(message.look)
        self._after()

    def press(self, key: str) -> None:
        """Press a key."""
        threads = self.page.threads
        if not self.page.press(key):
            self.exit(0)
            return
        self._after()
        if self.page.threads != threads:
            self.reader.do(_nothing)
        if self.page.wants_palette:
            self.page.wants_palette = False
            self.action_command_palette()

    def click(self, column: int, row: int) -> None:
        """Click a cell."""
        if self.page.click(column, row):
            self._after()
        else:
            self.exit(0)

    def wheel(self, step: int) -> None:
        """Turn the wheel."""
        self.page.scroll(step)
        self._after()

    def _after(self) -> None:
        self.canvas.draw()
        if self.page.look is None:
            return
        before, wants = self.reader.wants, self.page.wants()
        self.reader.wants = wants
        if not before.has(wants):
            self.reader.fill()

    def action_interrupt(self) -> None:
        """End as an interrupt does."""
        self.exit(EXIT_INTERRUPTED)


def _nothing() -> None:
    """Look at once."""


def _end_with_the_terminal(app: HtopApp) -> None:
    """End *app* at SIGTERM, at SIGHUP, and as soon as its terminal is gone; in the end by force.

    Textual notices none of this: its thread of keys reads the end of a terminal that is gone again and again, and its
    thread of output dies there, after which what draws waits for ever for room in the queue to it. So a thread of ours
    waits for both. A handler only writes to it, which is right at any time: the loop may not run yet, or not any more.
    """
    signalled = os.eventfd(0, os.EFD_CLOEXEC)
    modes = {
        at: termios.tcgetattr(at) for at in (0, 2) if os.isatty(at)
    }  # Textual reads the one and writes to the other
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: os.eventfd_write(signalled, 1))

    def wait() -> None:
        ends = select.poll()
        for number in modes:
            ends.register(number, 0)  # only that it is gone
        ends.register(signalled, select.POLLIN)
        ends.poll()
        app.exit(1)
        ends.unregister(signalled)
        if ends.poll(_CLOSING_S * 1000):
            time.sleep(_GONE_S)
        else:
            _leave_by_force(modes)
        os._exit(1)

    threading.Thread(target=wait, name="terminal", daemon=True).start()


def _leave_by_force(modes: dict[int, list[Any]]) -> None:
    """Leave the terminals as clean as they let us without waiting: *modes* by descriptor, as they were."""
    for number, mode in modes.items():
        with suppress(OSError, termios.error):
            termios.tcsetattr(number, termios.TCSANOW, mode)
            terminal = os.open(os.ttyname(number), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
            os.write(terminal, _LEAVE)
            os.close(terminal)


def _discard_if_gone() -> None:
    """Let what is still to be written go nowhere if the terminal is gone: the exit code is 1, not that of its loss."""
    ends = select.poll()
    ends.register(2, 0)
    if ends.poll(0):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            os.dup2(nowhere, number)


def run(page: Page, film: Film, *, delay_s: float, mouse: bool = True) -> int:
    """Show *page* over *film* until it is left; return the exit code."""
    for name in ("COLUMNS", "LINES"):  # of the shell that began it: a screen is as large as its terminal now is
        os.environ.pop(name, None)
    app = HtopApp(page, film, delay_s=delay_s, colour=not os.environ.get("NO_COLOR"))
    _end_with_the_terminal(app)
    app.run(mouse=mouse)
    _discard_if_gone()
    return 1 if app.return_value is None else app.return_value
