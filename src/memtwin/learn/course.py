"""The lessons as a course: which one is taken, with which sizes, where one left off, and what is to be reviewed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.errors import UsageError
from memtwin.learn import listing, plain, screen
from memtwin.learn.act import scenario_text as text_of
from memtwin.learn.act import sizes_of
from memtwin.learn.lessons import all_lessons
from memtwin.learn.pages import Page
from memtwin.learn.question import Choice
from memtwin.learn.session import Session
from memtwin.learn.store import here
from memtwin.tui.screen import Ended, Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memtwin.learn.lesson import Lesson
    from memtwin.learn.store import Store
    from memtwin.render.terminal import Look
    from memtwin.sources.source import Source

_REVIEW_SEEDS: Final = 1000
"""Seeds of reviews begin here, so that their sizes are not those of a lesson."""


class Face(NamedTuple):
    """Where pages go and answers come from: a screen, or lines that *write* takes and *read* gives.

    *waits*: a line is also read at the end of a page that asks nothing. *note* takes a sentence about the course.
    """

    look: Look
    is_screen: bool
    waits: bool
    write: Callable[[str], None]
    read: Callable[[], str]
    note: Callable[[str], None]


def lesson(number: int) -> Lesson:
    """Return lesson *number*, counted from 1."""
    lessons = all_lessons()
    if not 1 <= number <= len(lessons):
        hint = f"they go from 1 to {len(lessons)}; memtwin learn lists them"
        raise UsageError(f"there is no lesson {number}", hint=hint)
    return lessons[number - 1]


def scenario_text(chosen: Lesson, seed: int) -> str:
    """Return the lesson as a scenario."""
    return text_of(chosen, sizes_of(chosen, seed))


def answered(number: int, answers: Sequence[str], seed: int, boot: Source | None, look: Look) -> Iterator[str]:
    """Yield the pages of a lesson with these *answers*; nothing is kept."""
    return plain.given(Session(number, lesson(number), seed, None, boot=boot), answers, look)


def take(number: int, seed: int | None, boot: Source | None, face: Face) -> None:
    """Take a lesson, and the review that is due after it."""
    store = here()
    session = _session(number, seed, boot, store)
    if face.is_screen:
        _on_screen(lambda shown: _through(shown, session, store, face.look))
    else:
        _typed(session, store, face)
    if not session.is_over and boot is None and store.problem is None:
        face.note(f"memtwin learn {number} goes on where you left")
    _complain(store, face)


def choose(face: Face) -> None:
    """Show the list; on a screen, lessons can be chosen from it until the reader leaves."""
    store = here()
    if face.is_screen:
        _on_screen(lambda shown: _choosing(shown, store, face.look))
    else:
        lessons = all_lessons()
        face.write("".join(f"{line}\n" for line in listing.lines(lessons, store.state)))
        face.write(f"\nmemtwin learn {_next(lessons, store)} is the next.\n")
    _complain(store, face)


def _on_screen(work: Callable[[Screen], None]) -> None:
    """Do *work* on a screen, until it ends or the reader leaves."""
    with Screen() as shown:
        try:
            work(shown)
        except (screen.Left, Ended):
            return


def _choosing(shown: Screen, store: Store, look: Look) -> None:
    while True:
        lessons = all_lessons()
        answer = screen.ask(shown, _list_page(lessons, store), look)
        number = answer if isinstance(answer, int) else _next(lessons, store)
        _through(shown, _session(number, None, None, store), store, look)


def _list_page(lessons: Sequence[Lesson], store: Store) -> Page:
    following = _next(lessons, store)
    numbers = Choice("", tuple(one.title for one in lessons))
    shown = (*listing.lines(lessons, store.state), "")
    without = f"? {'take' if store.state.open is None else 'go on with'} {following}"
    return Page("memtwin learn: predict, run, see, know why", shown, numbers, "Lesson", without, is_listed=True)


def _next(lessons: Sequence[Lesson], store: Store) -> int:
    """Return the lesson that is open, else the first that was never finished, else the first."""
    state = store.state
    keys = [one.key for one in lessons]
    if state.open is not None and state.open.lesson in keys:
        return keys.index(state.open.lesson) + 1
    unfinished = (n for n, key in enumerate(keys, 1) if key not in state.lessons or not state.lessons[key].finished_at)
    return next(unfinished, 1)


def _session(number: int, seed: int | None, boot: Source | None, store: Store) -> Session:
    """Return a lesson where it was left, or at its beginning: with other sizes each time that it is taken."""
    chosen, kept = lesson(number), store.state.open
    if kept is not None and kept.lesson == chosen.key and seed is None and boot is None:
        session = Session(number, chosen, kept.seed, store)
        session.resume(kept)
        return session
    taken = store.state.lessons.get(chosen.key)
    times = sum(not guess.review for guess in taken.guesses) if taken else 0
    session = Session(number, chosen, times if seed is None else seed, store, boot=boot)
    session.save()
    return session


def _review(session: Session, store: Store) -> Session | None:
    """Return the review that is due after *session*."""
    due = store.state.due() if session.boot is None else None
    numbers = {one.key: number for number, one in enumerate(all_lessons(), 1)}
    if due is None or due not in numbers:
        return None
    seed = _REVIEW_SEEDS + store.state.finished
    return Session(numbers[due], lesson(numbers[due]), seed, store, review=True)


def _through(shown: Screen, session: Session, store: Store, look: Look) -> None:
    screen.lesson(shown, session, look)
    review = _review(session, store)
    if review is not None:
        screen.lesson(shown, review, look)


def _typed(session: Session, store: Store, face: Face) -> None:
    if plain.typed(session, face.look, face.write, face.read, waits=face.waits):
        review = _review(session, store)
        if review is not None:
            plain.typed(review, face.look, face.write, face.read, waits=face.waits)


def _complain(store: Store, face: Face) -> None:
    if store.problem:
        face.note(store.problem)
