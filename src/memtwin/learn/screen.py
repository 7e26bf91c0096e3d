"""Lessons on a terminal, page by page, by keys and by what is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.errors import UsageError
from memtwin.learn import pages
from memtwin.learn.question import SHOW_ME, Choice
from memtwin.tui.screen import Line

if TYPE_CHECKING:
    from memtwin.learn.pages import Page
    from memtwin.learn.question import Question
    from memtwin.learn.session import Session
    from memtwin.render.terminal import Look
    from memtwin.tui.screen import Screen

FRAME_S: Final = 0.08
"""Between two frames of a film."""
_LONGEST_ANSWER: Final = 20
_ON: Final = {"enter", " ", "right", "down", "pagedown"}
_BACK: Final = {"b", "left", "up", "pageup", "backspace"}
_LEAVE: Final = {"q", "escape", "\x04"}
"""The last is ^D."""
_STEPS: Final = {"left": -1, "down": -1, "right": 1, "up": 1}


class Left(Exception):  # noqa: N818 - a request, no error
    """The reader wants to leave."""


def lesson(screen: Screen, session: Session, look: Look) -> None:
    """Show *session* to its end; raise :class:`Left` if the reader leaves before."""
    seen: set[str] = set()
    while not session.is_over:
        if session.runs_next:
            screen.draw([Line(session.lesson.title, "bold"), Line(""), Line("Linux runs it ...")])
        page = session.page(look)
        if page.frames != (0, 0) and session.beat not in seen:
            _play(screen, page)
        seen.add(session.beat)
        if page.question is None:
            if _read(screen, page, may_go_back=session.may_go_back):
                session.go_on()
            else:
                session.back()
        else:
            answer = ask(screen, page, look, may_go_back=session.may_go_back)
            if answer == "b":
                session.back()
            else:
                session.answer(answer if isinstance(answer, int) else None)


def ask(screen: Screen, page: Page, look: Look, *, may_go_back: bool = False) -> int | str:
    """Return the answer to the page's question as a number, ``?``, or ``b`` for the page before."""
    assert page.question is not None
    answer, problem = _Answer(page.question), ""
    back = ("b back",) if may_go_back else ()
    keys = "   ".join(("Type it or use arrow keys, then Enter", page.without, *back, "q leave"))
    while True:
        drawn = [] if page.is_listed else pages.drawn_question(page.question, answer.value, look)
        foot = [Line(f"{page.asked}: {answer.typed}_"), Line(problem, "bold") if problem else Line(keys)]
        _draw(screen, page.title, [*page.lines, *drawn, ""], foot, follow_end=True)
        key = screen.key(None)
        if key is None:
            continue
        if key in {"escape", "\x04"} or (key == "enter" and answer.typed.lower() == "q"):
            raise Left
        if key != "enter":
            answer.take(key)
            problem = ""
        elif answer.typed == SHOW_ME or (answer.typed.lower() == "b" and may_go_back):
            return answer.typed.lower()
        elif answer.value is not None:
            return answer.value
        else:
            problem = answer.problem


class _Answer:
    """What has been typed, or where the arrow keys have placed the mark; the next character then replaces it."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._placed: int | None = None
        self.typed = ""

    @property
    def value(self) -> int | None:
        """The answer, if it is one."""
        if self._placed is not None:
            return self._placed
        try:
            return self._question.parse(self.typed)
        except UsageError:
            return None

    @property
    def problem(self) -> str:
        """What to say of an answer that is none."""
        try:
            self._question.parse(self.typed)
        except UsageError as problem:
            return f"{problem}" if self.typed else "Give a guess first, or ? for none."
        return ""

    def take(self, key: str) -> None:
        """Take a key: an arrow, backspace, or a character."""
        if key in _STEPS:
            is_list = isinstance(self._question, Choice)
            steps = -_STEPS[key] if is_list and key in {"up", "down"} else _STEPS[key]
            self._placed = self._question.moved(self.value, steps)
            self.typed = f"{self._placed}" if is_list else self._question.write(self._placed)
            return
        was_placed, self._placed = self._placed is not None, None
        if key == "backspace":
            self.typed = "" if was_placed else self.typed[:-1]
        elif len(key) == 1 and key.isprintable() and len(self.typed) < _LONGEST_ANSWER:
            self.typed = key if was_placed or key == SHOW_ME else self.typed + key


def _read(screen: Screen, page: Page, *, may_go_back: bool) -> bool:
    """Show a page until it is turned; return False for the page before."""
    offset = 0
    back = "   b back" if may_go_back else ""
    while True:
        shown = _draw(
            screen, page.title, page.lines, [Line(f"Enter goes on{back}   q leaves, and keeps the place")], offset
        )
        key = screen.key(None)
        if key in _LEAVE:
            raise Left
        if key in _ON:
            if offset + shown >= len(page.lines):
                return True
            offset += shown
        elif key in _BACK:
            if offset:
                offset = max(offset - shown, 0)
            elif may_go_back and key not in {"up", "pageup"}:
                return False


def _play(screen: Screen, page: Page) -> None:
    """Show the frames of a film one after another; a key ends it."""
    first, last = page.frames
    for shown in range(first + 1, last + 1):
        _draw(screen, page.title, page.lines[:shown], [])
        if screen.key(FRAME_S) is not None:
            return


def _draw(
    screen: Screen, title: str, body: list[str] | tuple[str, ...], foot: list[Line], offset: int = 0, *,
    follow_end: bool = False,
) -> int:  # fmt: skip
    """Draw a page from line *offset* of its body; return how many lines of that were shown."""
    rows = screen.size[1]
    room = max(rows - 2 - len(foot), 1)
    if follow_end:
        offset = max(len(body) - room, 0)
    shown = list(body[offset : offset + room])
    more = [Line("...", "bold")] if not follow_end and offset + room < len(body) else []
    if more:
        shown = shown[:-1]
    blank = [Line("")] * max(room - len(shown) - len(more), 0)
    screen.draw([Line(title, "bold"), Line(""), *map(Line, shown), *more, *blank, *foot])
    return max(len(shown), 1)
