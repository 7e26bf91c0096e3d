"""Lessons on a terminal, page by page, by keys and by what is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.errors import MemtwinError, UsageError
from memtwin.learn import pages
from memtwin.learn.question import SHOW_ME
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


def ask(screen: Screen, page: Page, look: Look, *, may_go_back: bool = False, leave: str = "q leave") -> int | str:
    """Return the answer to the page's question as a number, ``?``, or ``b`` for the page before."""
    assert page.question is not None
    typed, value, problem = "", None, ""
    keys = "   ".join(
        ("Type it or use arrow keys, then Enter", page.without, *(["b back"] if may_go_back else []), leave)
    )
    while True:
        drawn = [] if page.is_listed else pages.drawn_question(page.question, value, look)
        foot = [Line(problem, "bold") if problem else Line(keys)]
        prompt = Line(f"{page.asked}: {typed}_")
        _draw(screen, page.title, [*page.lines, *drawn, ""], [prompt, *foot], follow_end=True)
        key = screen.key(None)
        problem = "" if key else problem
        if key == "enter":
            done, problem = _entered(page.question, typed.strip(), may_go_back=may_go_back)
            if done is not None:
                return done
            continue
        if key in {"escape", "\x04"}:
            raise Left
        if key in _STEPS:
            value = page.question.moved(value, _step(page.question, key))
            typed = page.question.write(value) if not hasattr(page.question, "options") else str(value)
        elif key == "backspace":
            typed = typed[:-1]
        elif key is not None and len(key) == 1 and key.isprintable() and len(typed) < _LONGEST_ANSWER:
            typed += key
        value = _value(page.question, typed)


def _step(question: Question, key: str) -> int:
    """Return the direction of an arrow key: down is the next option, but less on a scale."""
    is_list = hasattr(question, "options")
    return -_STEPS[key] if is_list and key in {"up", "down"} else _STEPS[key]


def _entered(question: Question, typed: str, *, may_go_back: bool) -> tuple[int | str | None, str]:
    """Return the answer that was typed, or None and what to say of it."""
    if typed.lower() == "q":
        raise Left
    if typed == SHOW_ME or (typed.lower() == "b" and may_go_back):
        return typed.lower(), ""
    try:
        return question.parse(typed), ""
    except UsageError as problem:
        return None, f"{problem}" if typed else "Give a guess first, or ? for none."


def _value(question: Question, typed: str) -> int | None:
    try:
        return question.parse(typed)
    except MemtwinError:
        return None


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
