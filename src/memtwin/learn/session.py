"""A lesson under way: which page is next, what was answered, and what is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.learn import pages
from memtwin.learn.act import perform, sizes_of, turned
from memtwin.learn.store import Guess, Open

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.learn.act import Act
    from memtwin.learn.lesson import Lesson, Sizes
    from memtwin.learn.pages import Page
    from memtwin.learn.store import Store
    from memtwin.render.terminal import Look
    from memtwin.sources.source import Source

LESSON: Final = ("scene", "predict", "reveal", "reason", "change", "predict again", "reveal again", "end")
REVIEW: Final = ("predict", "reveal", "reason")
_BACK: Final = {
    "predict": "scene",
    "reason": "reveal",
    "change": "reason",
    "predict again": "change",
    "end": "reveal again",
}


class Session:
    """One lesson, or its review, from page to page; *store* None: nothing is kept."""

    def __init__(
        self, number: int, lesson: Lesson, seed: int, store: Store | None, *, boot: Source | None = None,
        review: bool = False,
    ) -> None:  # fmt: skip
        self.number, self.lesson, self.seed, self.store, self.boot = number, lesson, seed, store, boot
        self.beats = REVIEW if review else LESSON
        self.beat = self.beats[0]
        self.is_review = review
        self.guess: int | None = None
        self.turn: int | None = None
        self.turn_guess: int | None = None
        self.sizes: Sizes = sizes_of(lesson, seed)
        self._acts: dict[int | None, Act] = {}
        self.ram_kib = None if boot is None else self.act().film.total
        """MemTotal of the machine that it is given on, if that is not its own; it is booted at once, so that one that
        cannot be is refused before the first page."""

    def resume(self, kept: Open) -> None:
        """Go on where *kept* was left."""
        needs_turn = kept.beat in LESSON[LESSON.index("change") + 1 :]
        is_turn = kept.turn is not None and 1 <= kept.turn <= len(self.lesson.turns(self.sizes))
        if kept.beat in self.beats and (is_turn or not needs_turn):
            self.beat, self.guess, self.turn, self.turn_guess = kept.beat, kept.guess, kept.turn, kept.turn_guess

    @property
    def is_over(self) -> bool:
        """Whether the last page has been turned."""
        return self.beat == ""

    @property
    def runs_next(self) -> bool:
        """Whether the page that is next needs a run that was not made yet."""
        if self.beat in {"scene", "predict", "change", "predict again", ""}:
            return False
        return (self.turn if self.beat in {"reveal again", "end"} else None) not in self._acts

    @property
    def may_go_back(self) -> bool:
        """Whether there is a page before this one to which one may return."""
        return _BACK.get(self.beat, "") in self.beats

    def act(self, turn: int | None = None) -> Act:
        """Return the run of the lesson, or of its change number *turn*."""
        if turn not in self._acts:
            self._acts[turn] = perform(self.lesson, self._sizes(turn), self.boot)
        return self._acts[turn]

    def page(self, look: Look) -> Page:
        """Return the page of this beat."""
        number, lesson = self.number, self.lesson
        what = "Review of lesson" if self.is_review else "Lesson"
        make: dict[str, Callable[[], Page]] = {
            "scene": lambda: pages.scene(number, lesson, self.sizes, look, self.ram_kib),
            "predict": lambda: pages.predict(number, lesson, self.sizes, look, what, ram_kib=self.ram_kib),
            "reveal": lambda: pages.reveal(number, self.act(), self.guess, look, what),
            "reason": lambda: pages.reason(number, self.act(), look, what),
            "change": lambda: pages.change(number, lesson, self.sizes, look),
            "predict again": lambda: pages.predict(number, lesson, self._sizes(self.turn), look, ram_kib=self.ram_kib),
            "reveal again": lambda: pages.reveal(number, self.act(self.turn), self.turn_guess, look),
            "end": lambda: pages.end(number, self.act(self.turn), self.act(), look),
        }
        return make[self.beat]()

    def back(self) -> None:
        """Return to the page before."""
        if self.may_go_back:
            self.beat = _BACK[self.beat]

    def answer(self, value: int | None) -> None:
        """Take the answer of the page's question, None for ``?``; then :meth:`go_on`."""
        if self.beat == "predict":
            self.guess = value
        elif self.beat == "change":
            self.turn = value
        elif self.beat == "predict again":
            self.turn_guess = value
        self.go_on()

    def go_on(self) -> None:
        """Turn the page."""
        if self.beat == "predict":
            self._keep(self.guess, None)
        elif self.beat == "predict again":
            self._keep(self.turn_guess, self.turn)
        place = self.beats.index(self.beat) + 1
        is_last = place == len(self.beats) or (self.beat == "change" and self.turn is None)
        self.beat = "" if is_last else self.beats[place]
        if self.is_over:
            self._finish()
        else:
            self.save()

    def save(self) -> None:
        """Keep where the lesson is."""
        if self.store is None or self.is_review or self.boot is not None:
            return
        kept = Open(
            self.lesson.key, self.seed, self.beat, self.beat not in {"scene", "predict"}, self.guess, self.turn,
            self.turn_guess,
        )  # fmt: skip

        self.store.update(lambda state: state.begin(kept))

    def _sizes(self, turn: int | None) -> Sizes:
        return self.sizes if turn is None else turned(self.sizes, self.lesson.turns(self.sizes)[turn - 1])

    def _keep(self, guess: int | None, turn: int | None) -> None:
        if self.store is None or self.boot is not None or turn is not None:
            return
        act = self.act()
        quality = self.lesson.asks(self.sizes).quality(guess, act.reading.result).value
        kept = Guess(self.seed, guess, act.reading.result, quality, self.is_review)
        self.store.update(lambda state: state.note(self.lesson.key, kept))

    def _finish(self) -> None:
        if self.store is not None and not self.is_review and self.boot is None:
            self.store.update(lambda state: state.finish(self.lesson.key))
