"""The page of ``htop``: what the keys have chosen, and the picture that follows from it and a look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.errors import MemtwinError
from memtwin.sources.looks import Wants
from memtwin.tui.htop import head, map_tab, memory_tab, rows, table
from memtwin.tui.htop.keys import BY_KEY
from memtwin.tui.htop.spans import BLANK, Line, Span, filled, fitted, line, safe, text, width
from memtwin.tui.htop.table import TREE_SUM
from memtwin.tui.htop.time_actions import TimeActions
from memtwin.views.top_fields import FIELDS, Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.sources.looks import Look
    from memtwin.tui.htop.rows import TaskRow

_FOOT: Final = (
    ("F1", "Help"), ("F2", "Setup"), ("F3", "Search"), ("F4", "Filter"), ("F5", "Tree"), ("F6", "SortBy"),
    ("F7", "Nice -"), ("F8", "Nice +"), ("F9", "Kill"), ("F10", "Quit"),
)  # fmt: skip
_LOWEST_WITH_TABS: Final = 14


class Page(TimeActions):
    """One screen: :meth:`show` gives it a look, :meth:`press` and :meth:`click` change it, :meth:`picture` draws it."""

    def show(self, look: Look) -> None:
        """Take a look at the machine."""
        self.look = look
        self._arranged = None
        self.reselect()

    def wants(self) -> Wants:
        """Return what the next look is to have."""
        needed = {file for name in self.shown_fields() if name != TREE_SUM for file in FIELDS[name].needs}
        if self.arguments:
            needed.add("cmdline")
        shown = tuple(row.task.process.root for row in self.rows()[self.first : self.first + self.room])
        is_detail = self.tab == "Memory" or self.needs_detail
        return Wants(self.choice.files, frozenset(needed), shown, self.threads, is_detail, self._map_order())

    def _map_order(self) -> int | None:
        """Return which blocks a pixel of the map has."""
        memory = self.look.sample.memory if self.look is not None else None
        if self.tab != "Map" or memory is None:
            return None
        return map_tab.order_for(memory.get("MemTotal", 0) >> 2, self.size[0], self.room, halves=self.halves)

    @property
    def halves(self) -> bool:
        """Whether a cell can show two pixels."""
        return self.colour and self.unicode

    def rows(self) -> list[TaskRow]:
        """Return the tasks in their order."""
        if self._arranged is None:
            self._arranged = [] if self.look is None else rows.arrange(self.frame(), self.choice, unicode=self.unicode)
        return self._arranged

    def frame(self) -> Frame:
        """Return what cells are computed from."""
        assert self.look is not None
        return Frame(self.look.sample, self.users, self.arguments, self.threads)

    # --- the picture

    def picture(self, columns: int, height: int) -> list[Line]:
        """Return the screen as *height* lines."""
        self.size = (columns, height)
        if self.look is None:
            return self._fill([line("looking at the machine ...")], height)
        if self.pager is not None:
            return self._fill(self.pager.lines(height, columns), height)
        self.head_rows = 0
        above: list[Line] = []
        if not self.is_head_hidden:
            above = head.lines(self.look, self.formula, columns, height, unicode=self.unicode, hidden=self.hidden)
        above += self.time_lines(columns)
        if height >= _LOWEST_WITH_TABS:
            above.append(self._tabs(columns))
        self.head_rows = len(above)
        below = self._below(columns, height)
        self.room = max(height - len(above) - len(below) - (self.tab == "Main"), 0)
        body = self._body(columns)
        whole = [*above, *self._covered(body, columns), *below]
        return [fitted(one, columns) if width(one) > columns else one for one in self._fill(whole, height)]

    def _fill(self, lines: Sequence[Line], height: int) -> list[Line]:
        return [*lines[:height], *([BLANK] * (height - len(lines)))]

    def _tabs(self, columns: int) -> Line:
        spans = [Span(f"[{name}]", "tab-chosen" if name == self.tab else "tab") for name in self.tabs()]
        gaps = [part for span in spans for part in (span, Span(" "))]
        return fitted((*gaps, Span(self.status())), columns)

    def _body(self, columns: int) -> list[Line]:
        if self.tab == "Map":
            return self._map(columns)
        if self.tab != "Main":
            return self._memory(columns)
        found = self.rows()
        self.keep_in_view(len(found))
        names = self.shown_fields()
        at = table.places(names, columns)
        self.places = at
        on_screen = [place.name for place in at]
        if self.column not in on_screen:
            self.column = self.choice.key if self.choice.key in on_screen else on_screen[0]
        frame = self.frame()
        lines = [
            table.head_line(at, self.choice.key, self.column, columns, rising=self.choice.rising, unicode=self.unicode)
        ]
        for number, row in enumerate(found[self.first : self.first + self.room], self.first):
            is_chosen = number == self.at
            style = self._style(row, chosen=is_chosen)
            lines.append(table.row_line(row, at, frame, columns, style=style, chosen=self.column if is_chosen else ""))
        return lines + [BLANK] * (self.room + 1 - len(lines))

    def _style(self, row: TaskRow, *, chosen: bool) -> str:
        task = row.task
        if chosen:
            return "selected-tagged" if task.pid in self.tagged else "selected"
        if task.pid in self.tagged:
            return "tagged"
        if task.stat.state == "Z":
            return "zombie"
        if task.stat.state == "R":
            return "running"
        return "kernel" if rows.is_kernel(task) else ""

    def _memory(self, columns: int) -> list[Line]:
        assert self.look is not None
        self.items = memory_tab.items(self.look, columns, unicode=self.unicode)
        self.item_at = min(max(self.item_at, 0), max(len(self.items) - 1, 0))
        self.item_first = min(max(self.item_first, self.item_at - self.room + 1, 0), self.item_at)
        shown = self.items[self.item_first : self.item_first + self.room]
        lines: list[Line] = []
        for at, item in enumerate(shown, self.item_first):
            if at == self.item_at:
                lines.append(filled(tuple(Span(span.text, "selected") for span in item.line), columns, "selected"))
            else:
                lines.append(item.line)
        return lines + [BLANK] * (self.room - len(lines))

    def _map(self, columns: int) -> list[Line]:
        assert self.look is not None
        picture = map_tab.PICTURES[self.picture_at]
        self.items = []
        shown = map_tab.lines(self.look.frames, picture, columns, self.room, halves=self.halves)
        return [*shown[: self.room], *([BLANK] * (self.room - len(shown)))]

    def _covered(self, body: list[Line], columns: int) -> list[Line]:
        """Return the body with what is open over it."""
        if self.menu is not None:
            over = self.menu.lines(len(body), columns)
            left = width(over[0])
            spare = [BLANK] * (len(body) - len(over))
            return [
                (*filled(shown, left), *_right_of(under, left))
                for shown, under in zip([*over, *spare], body, strict=False)
            ]
        if self.explained is not None:
            shown = self.explanation(columns)[: max(len(body) - 2, 1)]
            return [*body[: len(body) - len(shown)], *shown]
        return body

    def _below(self, columns: int, height: int) -> list[Line]:
        if self.prompt is not None:
            return [filled(self.prompt.line(), columns)]
        if self.message:
            return [filled(line(Span(safe(self.message), "message")), columns)]
        if height < _LOWEST_WITH_TABS:
            return [filled(line(Span(self.status(), "foot")), columns, "foot")]
        spans: list[Span] = []
        for key, words in _FOOT:
            spans += [Span(key, "key"), Span(f"{words:6}" if columns >= 80 else words, "foot")]
        return [filled(tuple(spans), columns, "foot")]

    # --- keys and the mouse

    def press(self, key: str) -> bool:
        """Do what *key* means now; return False to end."""
        self.message = ""
        try:
            return self._press(key)
        except (MemtwinError, OSError) as problem:
            self.message = getattr(problem, "strerror", None) or str(problem)
            return True

    def _press(self, key: str) -> bool:
        if self._press_over(key):
            return True
        if key in {"f10", "q"}:
            return False
        if key.isdecimal() and len(key) == 1:
            self.to_pid(key)
            return True
        self.digits = ""
        if not self.move(key):
            action = self.action_of(key)
            if action is not None:
                getattr(self, action)()
            elif key != "escape":
                self.message = f"{key}: no such key; F1 lists them"
        return True

    def _press_over(self, key: str) -> bool:
        """Give the key to what is open over the table; return whether anything is."""
        if self.pager is not None:
            self.pager = self.pager if self.pager.press(key) else None
        elif self.prompt is not None:
            asked = self.prompt
            if not asked.press(key) and self.prompt is asked:
                self.prompt = None
        elif self.menu is not None:
            opened = self.menu
            if not opened.press(key) and self.menu is opened:
                self.menu = None
        elif self.explained is not None:
            self.press_in_explanation(key)
        else:
            return False
        return True

    def action_of(self, key: str) -> str | None:
        """Return the action that *key* begins."""
        return BY_KEY.get(key) or self.action_of_time(key)

    def click(self, column: int, row: int) -> bool:
        """Do what a click means; return False to end."""
        height = self.size[1]
        if self.pager is not None:
            return self.press("escape")
        if row >= height - 1 and self.prompt is None and not self.message:
            return self._click_foot(column) if height >= _LOWEST_WITH_TABS else True
        at = row - self.head_rows
        if self.menu is not None:
            opened = self.menu
            if at < 1 or column >= 34 or not opened.click(opened.first(self.room + 1) + at - 1):
                self.menu = self.menu if self.menu is not opened else None
            return True
        if at == -1 and height >= _LOWEST_WITH_TABS:
            return self._click_tab(column)
        if self.tab == "Main" and at == 0:
            self._click_heading(column)
        elif self.tab == "Main" and at > 0:
            self.select(self.first + at - 1)
        elif self.tab != "Main" and at >= 0:
            self.item_at = self.item_first + at
        return True

    def _click_foot(self, column: int) -> bool:
        start = 0
        for key, words in _FOOT:
            start += len(key) + (max(len(words), 6) if self.size[0] >= 80 else len(words))
            if column < start:
                return self.press(key.lower())
        return True

    def _click_tab(self, column: int) -> bool:
        start = 0
        for name in self.tabs():
            start += len(name) + 3
            if column < start:
                self.tab = name
                break
        return True

    def _click_heading(self, column: int) -> None:
        place = next((one for one in reversed(self.places) if one.start <= column), None)
        if place is not None and place.name != TREE_SUM:
            if place.name == self.choice.key:
                self.invert()
            else:
                self.sort_by(place.name)
            self.column = place.name

    def text(self, columns: int, height: int) -> str:
        """Return the picture as plain text."""
        return "".join(f"{text(one).rstrip()}\n" for one in self.picture(columns, height))


def _right_of(under: Line, left: int) -> Line:
    """Return the part of a line from column *left* on."""
    spans: list[Span] = []
    skipped = 0
    for span in under:
        cut = max(min(left - skipped, len(span.text)), 0)
        skipped += cut
        if span.text[cut:]:
            spans.append(Span(span.text[cut:], span.style))
    return tuple(spans)
