"""The beats of a lesson as pages of text: scene, prediction, what came, why, and a change to try."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.learn import plan
from memtwin.learn.lesson import AND, elsewhere
from memtwin.learn.question import Choice, Number, Quality
from memtwin.render import film as films
from memtwin.render import scale
from memtwin.render.scale import Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memtwin.learn.act import Act
    from memtwin.learn.lesson import Lesson, Sizes
    from memtwin.learn.question import Question
    from memtwin.render.terminal import Look

WIDEST: Final = 78
"""Columns that a page uses at most."""
WORDS_PER_MINUTE: Final = 200
_THINKING_S: Final = 20
"""Seconds that an answer takes, for the length of a lesson."""
ENOUGH: Final = "? enough"


class Page(NamedTuple):
    """One page: a title, lines, and what is asked below them, if anything."""

    title: str
    lines: tuple[str, ...]
    question: Question | None = None
    asked: str = "Your guess"
    without: str = "? show me"
    """What the answer ``?`` does."""
    is_listed: bool = False
    """Whether the lines have the options of the question already."""
    frames: tuple[int, int] = (0, 0)
    """Which of the lines are frames of a film, from and to."""


def columns(look: Look) -> int:
    """Return the columns of a page on what *look* describes."""
    return max(min((look.columns or WIDEST + 2) - 2, WIDEST), 20)


def title(number: int, lesson: Lesson, what: str = "Lesson") -> str:
    """Return the head of a page."""
    return f"{what} {number}: {lesson.title}"


def scene(number: int, lesson: Lesson, sizes: Sizes, look: Look, ram_kib: int | None = None) -> Page:
    """The hook, what the programs do, the scenario, and the machine to scale; *ram_kib*: another than its own."""
    picture = plan.drawn(plan.bars(lesson, sizes, ram_kib), columns(look) - 2, unicode=look.unicode)
    body = (
        *_wrapped(lesson.hook, look), "", *_wrapped(lesson.story(sizes), look), "",
        *(f"  {line}" for line in picture), "", *_scenario(lesson, sizes, ram_kib),
    )  # fmt: skip
    return Page(title(number, lesson), body)


def predict(
    number: int, lesson: Lesson, sizes: Sizes, look: Look, what: str = "Lesson", *, ram_kib: int | None = None
) -> Page:
    """The story in short, and the question."""
    ask = lesson.asks(sizes)
    body = (
        *_wrapped(lesson.story(sizes), look),
        "",
        *_scenario(lesson, sizes, ram_kib),
        "",
        *_wrapped(ask.text, look),
        "",
    )
    return Page(title(number, lesson, what), body, ask)


def reveal(number: int, act: Act, guess: int | None, look: Look, what: str = "Lesson") -> Page:
    """The run as a film, and the guess beside the result."""
    ask = act.lesson.asks(act.sizes)
    moving = films.lines(act.film, columns(look), unicode=look.unicode)
    before, after = moving[:2], moving[2:]
    body = [*_wrapped(ask.text, look), "", *before, *after, "", *compared(ask, act, guess, look)]
    start = len(body) - len(after) - 1 - len(compared(ask, act, guess, look))
    return Page(title(number, act.lesson, what), tuple(body), frames=(start, start + len(after)))


def compared(ask: Question, act: Act, guess: int | None, look: Look) -> list[str]:
    """Return the guess and the result in one picture, and a word about how far they are apart."""
    result, usual = act.reading.result, act.reading.usual
    if isinstance(ask, Choice):
        drawn = []
        for number, option in enumerate(ask.options, 1):
            who = [name for name, at in (("you", guess), ("Linux", result)) if at == number]
            drawn.append(f"  {number}  {option}" + (f"   <- {' and '.join(who)}" if who else ""))
    else:
        marks = [Mark(result, f"Linux: {ask.write(result)}")]
        if guess is not None:
            marks.insert(0, Mark(guess, f"you: {ask.write(guess)}"))
        if usual is not None and _is_apart(ask, usual, (result, guess)):
            marks.append(Mark(usual, f"a common guess: {ask.write(usual)}"))
        drawn = scale.lines(ask.ticks(), marks, columns(look), unicode=look.unicode)
    said = word(ask, guess, result, usual)
    return [*drawn, *(["", said] if said else [])]


def reason(number: int, act: Act, look: Look, what: str = "Lesson") -> Page:
    """Why: the kernel's rule with the figures of the run; what the chapter says, and what is so."""
    lesson = act.lesson
    body: list[str] = []
    if not act.holds:
        body += [
            *_wrapped("On this machine the figures do not show the rule alone; more happened at the same time.", look),
            "",
        ]
    for sentence in lesson.reason(act.reading, act.sizes):
        body += [*_wrapped(sentence, look), ""]
    body += _wrapped(f"The chapter says: {lesson.chapter}", look, "  ")
    body += _wrapped(f"On Linux: {lesson.so}", look, "  ")
    return Page(title(number, lesson, what), tuple(body))


def change(number: int, lesson: Lesson, sizes: Sizes, look: Look) -> Page:
    """Your turn: which of the changes."""
    body = (*_wrapped("Your turn. Change one thing, and predict again:", look), "")
    ask = Choice("What do you change?", tuple(turn.text for turn in lesson.turns(sizes)))
    return Page(title(number, lesson), body, ask, "Change", ENOUGH)


def end(number: int, act: Act, before: Act, look: Look) -> Page:
    """What the change has changed, beside the run *before*, and where to look on a machine of one's own."""
    body: list[str] = []
    known = before.lesson.reason(before.reading, before.sizes)
    for sentence in (one for one in act.lesson.reason(act.reading, act.sizes) if one not in known):
        body += [*_wrapped(sentence, look), ""]
    body += ["On a machine of your own:", "", f"    {act.lesson.own}", ""]
    body += _wrapped(f"As a scenario for memtwin run: memtwin learn {number} --scenario", look)
    return Page(title(number, act.lesson), tuple(body))


def options(ask: Choice, chosen: int | None, *, unicode: bool) -> list[str]:
    """Return the options of a choice, one of them pointed at."""
    pointer = "▶" if unicode else ">"
    return [f"{pointer if n == chosen else ' '} {n}  {text}" for n, text in enumerate(ask.options, 1)]


def drawn_question(ask: Question, value: int | None, look: Look) -> list[str]:
    """Return the scale or the options, with the reader's mark at *value*."""
    if isinstance(ask, Choice):
        return options(ask, value, unicode=look.unicode)
    marks = [Mark(value, ask.write(value))] if value is not None else []
    return scale.lines(ask.ticks(), marks, columns(look), unicode=look.unicode)


def words(lines: Iterable[str]) -> int:
    """Count what is to be read."""
    return sum(sum(any(char.isalnum() for char in word) for word in line.split()) for line in lines)


def seconds_of(pages: Sequence[Page]) -> float:
    """Return how long *pages* take to read and to answer; a line that was on a page before is not read again."""
    lines = dict.fromkeys(line for page in pages for line in (*_without_frames(page), *_options(page)))
    return words(lines) / WORDS_PER_MINUTE * 60 + _THINKING_S * sum(page.question is not None for page in pages)


def _without_frames(page: Page) -> tuple[str, ...]:
    first, last = page.frames
    return page.lines[:first] + page.lines[last:]


def _options(page: Page) -> tuple[str, ...]:
    return page.question.options if isinstance(page.question, Choice) else ()


def _scenario(lesson: Lesson, sizes: Sizes, ram_kib: int | None) -> list[str]:
    scene = lesson.scene(sizes)
    return [f"    {line.replace(AND, '; ')}" for line in (scene if ram_kib is None else elsewhere(scene))]


def _is_apart(ask: Number, usual: int, others: Iterable[int | None]) -> bool:
    return all(other is None or ask.quality(usual, other) is not Quality.EXACT for other in others)


def word(ask: Question, guess: int | None, result: int, usual: int | None) -> str:
    """Return a word about a guess; none where there is nothing to praise."""
    quality = ask.quality(guess, result)
    if quality is Quality.EXACT:
        return "You are on it."
    if quality is Quality.NEAR:
        return "You are near."
    if isinstance(ask, Choice) or guess is None or usual is None:
        return ""
    return "" if _is_apart(ask, usual, (guess,)) else "That is a common guess."


def _wrapped(text: str, look: Look, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, columns(look), subsequent_indent=indent, break_on_hyphens=False, break_long_words=True
    ) or [""]
