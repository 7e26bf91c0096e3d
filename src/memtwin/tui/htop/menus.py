"""What opens over the table: a list to choose from, a question, a page to read."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from memtwin.tui.htop.spans import Span, filled, line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memtwin.tui.htop.spans import Line

MENU_COLUMNS: Final = 34
_FIRST_SIGNALS: Final = (
    "SIGTERM",
    "SIGINT",
    "SIGHUP",
    "SIGKILL",
    "SIGSTOP",
    "SIGCONT",
    "SIGQUIT",
    "SIGUSR1",
    "SIGUSR2",
)


@dataclass
class Menu:
    """Items to choose from; *then* gets the chosen item's value. *toggles*: it stays open, and Space chooses too."""

    title: str
    items: Sequence[tuple[str, str]]
    then: Callable[[str], None]
    at: int = 0
    toggles: bool = False
    again: Callable[[], Sequence[tuple[str, str]]] | None = None
    move: Callable[[str, int], None] | None = None

    def press(self, key: str) -> bool:
        """Move, choose or close; return whether the menu stays open."""
        last = max(len(self.items) - 1, 0)
        moves = {"up": -1, "down": 1, "pageup": -10, "pagedown": 10, "home": -last, "end": last}
        if key in moves:
            self.at = min(max(self.at + moves[key], 0), last)
        elif key in {"escape", "q", "f10"} or not self.items:
            return False
        elif key in {"[", "]"} and self.move is not None:
            self.move(self.items[self.at][1], -1 if key == "[" else 1)
            self._renew()
        elif key == "enter" or (key == "space" and self.toggles):
            self.then(self.items[self.at][1])
            self._renew()
            return self.toggles
        elif len(key) == 1:
            self._find(key)
        return True

    def click(self, row: int) -> bool:
        """Choose the item that stands *row* lines below the first on the screen."""
        self.at = min(max(row, 0), max(len(self.items) - 1, 0))
        return self.press("enter")

    def lines(self, rows: int, columns: int) -> list[Line]:
        """Return the menu as lines of its width."""
        width = min(MENU_COLUMNS, columns)
        room = max(rows - 1, 1)
        first = self.first(rows)
        shown = [filled(line(Span(self.title, "heading")), width, "heading")]
        for at, (label, _) in enumerate(self.items[first : first + room], first):
            style = "cursor" if at == self.at else ""
            shown.append(filled(line(Span(f" {label}", style)), width, style))
        return shown

    def first(self, rows: int) -> int:
        """Return which item stands first on the screen."""
        room = max(rows - 1, 1)
        return min(max(self.at - room + 1, 0), max(len(self.items) - room, 0))

    def _find(self, key: str) -> None:
        """Go to the next item that begins with a letter."""
        order = [*range(self.at + 1, len(self.items)), *range(self.at + 1)]
        self.at = next(
            (at for at in order if self.items[at][0].lstrip("[x] ").lower().startswith(key.lower())), self.at
        )

    def _renew(self) -> None:
        if self.again is not None:
            chosen = self.items[self.at][1]
            self.items = self.again()
            self.at = next((at for at, item in enumerate(self.items) if item[1] == chosen), 0)


@dataclass
class Prompt:
    """A question on the last line; *then* gets what was typed, *each* what is typed so far, *cancel* is escape."""

    question: str
    then: Callable[[str], None]
    typed: str = ""
    each: Callable[[str], None] | None = None
    cancel: Callable[[], None] | None = None
    again: Callable[[str], None] | None = None

    def press(self, key: str) -> bool:
        """Type, answer or give up; return whether the question stays."""
        if key == "escape":
            if self.cancel is not None:
                self.cancel()
            return False
        if key == "enter":
            self.then(self.typed)
            return False
        if key in {"f3", "shift+f3"} and self.again is not None:
            self.again(self.typed)
            return True
        before = self.typed
        if key == "backspace":
            self.typed = self.typed[:-1]
        elif key == "space":
            self.typed += " "
        elif len(key) == 1 and key.isprintable():
            self.typed += key
        if self.each is not None and self.typed != before:
            self.each(self.typed)
        return True

    def line(self) -> Line:
        """Return the question and what is typed so far."""
        return line(Span(f"{self.question}: ", "title"), self.typed, Span(" ", "cursor"))


@dataclass
class Pager:
    """Lines to read."""

    title: str
    text: Sequence[str]
    at: int = 0

    def press(self, key: str) -> bool:
        """Scroll or close; return whether the page stays."""
        moves = {"up": -1, "down": 1, "pageup": -10, "pagedown": 10, "home": -len(self.text), "end": len(self.text)}
        if key not in moves:
            return False
        self.at = min(max(self.at + moves[key], 0), max(len(self.text) - 1, 0))
        return True

    def lines(self, rows: int, columns: int) -> list[Line]:
        """Return what fits on the screen."""
        head = filled(line(Span(self.title, "heading")), columns, "heading")
        return [head, *(line(text) for text in self.text[self.at : self.at + max(rows - 1, 1)])]


def signals() -> list[tuple[str, str]]:
    """Return the signals by name, those that people send most first."""
    known = [one.name for one in sorted(signal.Signals)]
    ordered = [*_FIRST_SIGNALS, *(name for name in known if name not in _FIRST_SIGNALS)]
    return [(f"{signal.Signals[name].value:>2} {name}", name) for name in ordered]
