"""Lessons without a screen: pages one after another, answers as lines of stdin or as words of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.errors import UsageError
from memtwin.learn import pages
from memtwin.learn.question import SHOW_ME, Choice
from memtwin.render.table import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memtwin.learn.pages import Page
    from memtwin.learn.session import Session
    from memtwin.render.terminal import Look


def given(session: Session, answers: Sequence[str], look: Look) -> Iterator[str]:
    """Yield the pages of *session* with *answers* to its questions, until they are used up; raise for a bad one."""
    left = list(answers)
    while not session.is_over:
        page = session.page(look)
        if page.question is None:
            yield text(page)
            session.go_on()
            continue
        if not left:
            return
        typed = left.pop(0).strip()
        yield text(page, look)
        value = None if typed == SHOW_ME else page.question.parse(typed)
        yield f"{page.asked}: {SHOW_ME if value is None else clean(typed)}\n\n"
        session.answer(value)
    if left:
        raise UsageError(f"{len(left)} of the answers were not asked for", hint="the guess, the change, and its guess")


def typed(session: Session, look: Look, write: Callable[[str], None], read: Callable[[], str], *, waits: bool) -> bool:
    """Show *session* and read its answers, a line each; return False when the reader leaves or the input ends.

    *waits*: at the end of a page without a question for a line too.
    """
    while not session.is_over:
        page = session.page(look)
        write(text(page, look))
        if page.question is None:
            if waits:
                write("[Enter] ")
                line = read()
                if not line or line.strip().lower() == "q":
                    return False
            session.go_on()
            continue
        while True:
            write(f"{page.asked} ({page.without}, q leaves): ")
            line = read()
            if not line or line.strip().lower() == "q":
                return False
            try:
                value = None if line.strip() == SHOW_ME else page.question.parse(line.strip())
            except UsageError as problem:
                write(f"{problem}\n")
                continue
            break
        write("\n")
        session.answer(value)
    return True


def text(page: Page, look: Look | None = None) -> str:
    """Return a page as text; with *look* its question is drawn too."""
    drawn = [] if page.question is None or look is None else pages.drawn_question(page.question, None, look)
    if isinstance(page.question, Choice) and look is None:
        drawn = list(page.question.options)
    return "".join(
        f"{line}\n".lstrip(" ") if not line.strip() else f"{line}\n"
        for line in (page.title, "", *page.lines, *drawn, "")
    )
