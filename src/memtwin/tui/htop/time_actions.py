"""The keys of time: pause and play, samples, events, jumps, until a figure changes, other futures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.errors import UsageError
from memtwin.tui.htop import time_lines
from memtwin.tui.htop.actions import Actions
from memtwin.tui.htop.figures import named
from memtwin.tui.htop.keys import KEYS, TIME_KEYS, Key
from memtwin.tui.htop.menus import Menu, Pager, Prompt

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.sources.films import Film
    from memtwin.tui.htop.spans import Line

_STRIP_ROWS: Final = 20
_OF_TASKS: Final = ("VIRT:", "RES:", "PSS:", "SWAP:")
"""Figures of tasks that can be waited for."""
_BY_KEY: Final = {key: one.action for one in TIME_KEYS for key in one.keys}


class TimeActions(Actions):
    """What the keys of time do; *film* is read in the reader's thread alone, so every action is a job for it."""

    film: Film | None = None

    @property
    def is_timed(self) -> bool:
        """Whether other moments than this can be gone to."""
        return self.look is not None and self.look.time is not None

    def all_keys(self) -> tuple[Key, ...]:
        """Return all keys."""
        return (*KEYS, *TIME_KEYS)

    def action_of_time(self, key: str) -> str | None:
        """Return the action of time that *key* begins."""
        return _BY_KEY.get(key)

    def time_lines(self, columns: int) -> list[Line]:
        """Return the lines of the time strip; none of a machine that runs."""
        time = self.look.time if self.look is not None else None
        if time is None or not time.times_s:
            return []
        assert self.look is not None
        is_size = bool(time.figure) and named(time.figure, self.look, self.frame()).is_size
        shown = time_lines.lines(time, columns, unicode=self.unicode, paused=self.paused, is_size=is_size)
        return shown if self.size[1] >= _STRIP_ROWS else shown[:1]

    def _let(self, job: Callable[[Film], object]) -> None:
        film = self.film
        if film is None:
            raise UsageError("there is one moment only")
        self.do(lambda: job(film))

    def pause(self) -> None:
        """Stand still, or go on."""
        paused = not self.paused
        self._let(lambda film: film.pause(paused=paused))
        self.paused = paused

    def sample_before(self) -> None:
        """Go one sample back."""
        self._let(lambda film: film.step(-1))

    def sample_after(self) -> None:
        """Go one sample on."""
        self._let(lambda film: film.step(1))

    def event_before(self) -> None:
        """Go to the event before."""
        self._let(lambda film: film.to_event(-1))

    def event_after(self) -> None:
        """Go to the next event."""
        self._let(lambda film: film.to_event(1))

    def ask_jump(self) -> None:
        """Ask for a moment."""
        self.prompt = Prompt("Go to (41.8, +30s, -5m, an event, peak, first, last)", self._jump)

    def _jump(self, words: str) -> None:
        if words:
            self._let(lambda film: film.seek(words))

    def ask_until(self) -> None:
        """Ask for a condition; the pinned figure, or the one under the cursor, stands there already."""
        known = [name for name in (self.pinned, *self.figures_here()) if ":" not in name or name.startswith(_OF_TASKS)]
        here = next(filter(None, known), "")
        self.prompt = Prompt("Until (FIGURE changes, FIGURE<200M; - in front: back)", self._until, here)

    def _until(self, words: str) -> None:
        if words:
            self._let(lambda film: film.until(words))

    def ask_change(self) -> None:
        """Ask what another future begins with."""
        self.prompt = Prompt("Another future: sysctl vm.NAME=VALUE, NAME kill, swapon NAME 512M", self._change)

    def _change(self, words: str) -> None:
        if words:
            self._let(lambda film: film.change(words))

    def switch(self) -> None:
        """Show the other future."""
        self._let(lambda film: film.switch())

    def compare(self) -> None:
        """Show both futures side by side."""

        def open_page(film: Film) -> None:
            self.pager = Pager("both futures at this time", film.compare())

        self._let(open_page)

    def pin(self) -> None:
        """Ask which figure stays on the screen, over all of time where there is any."""
        super().pin()
        menu = self.menu
        assert menu is not None

        def choose(name: str) -> None:
            self.pinned = name
            if self.film is not None:
                self._let(lambda film: film.pin(name))

        self.menu = Menu(menu.title, menu.items, choose)
