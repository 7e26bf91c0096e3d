"""The lessons as pages for a browser: self-contained, light and dark, with scales that work by keyboard alone.

Every result of a page is computed when it is written: of the lesson with its first sizes, and of each change that a
reader may choose. A page loads nothing and sends nothing; every text in it is escaped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.files import output
from memtwin.learn import figures, listing, plan
from memtwin.learn.act import perform, scenario_text, sizes_of, turned
from memtwin.learn.lesson import amount, lines
from memtwin.learn.lessons import all_lessons
from memtwin.learn.page_assets import SCRIPT, STYLE
from memtwin.learn.pages import word
from memtwin.learn.question import Choice, Number
from memtwin.render import html, svg
from memtwin.render.html import text, text_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from memtwin.learn.act import Act
    from memtwin.learn.lesson import Lesson, Sizes, Turn

_STEPS: Final = 64
"""Steps of a scale."""
_MIDDLE: Final = 380
_FILLS: Final = {"machine": "outside", "swap": "swap", "file": "cache", "asked": "free"}
"""The parts of a scene by their colour."""
_RIGHT: Final = "You are on it."


def write(where: Path, shell: Callable[[Sequence[str], Path], str]) -> list[str]:
    """Write the new directory *where*; return the names of its pages. *shell* runs a command for a figure."""
    lessons = all_lessons()
    names = [name_of(number, lesson) for number, lesson in enumerate(lessons, 1)]
    with output.directory(where) as made:
        for number, lesson in enumerate(lessons, 1):
            made.write(names[number - 1], page(number, lesson, names).encode())
        made.write("index.html", _index(lessons, names).encode())
        shown, scenario = figures.page(shell)
        made.write("figures.html", document("The chapter's figures, from a run", shown).encode())
        made.write(figures.SCENARIO, scenario.encode())
    return [*names, "index.html", "figures.html"]


def name_of(number: int, lesson: Lesson) -> str:
    """Return the name of a lesson's page."""
    return f"{number:02}-{lesson.key}.html"


def page(number: int, lesson: Lesson, names: Sequence[str]) -> str:
    """Return the page of a lesson."""
    sizes = sizes_of(lesson, 0)
    turns = lesson.turns(sizes)
    acts = [perform(lesson, sizes), *(perform(lesson, turned(sizes, turn)) for turn in turns)]
    body = "".join((
        _links(number, names), _scene(lesson, sizes), *_case(0, acts[0], acts[0]), *_turns(lesson, turns, acts),
        _end(number, lesson, sizes),
    ))  # fmt: skip
    data = {"cases": [_data(act) for act in acts], "middle": _MIDDLE, "right": _RIGHT}
    return document(f"Lesson {number}: {lesson.title}", body, data)


def document(title: str, body: str, data: object = None) -> str:
    """Return a whole page; *data* comes with the script that works with it."""
    return html.document(title, body, STYLE, None if data is None else html.Script(SCRIPT, "lesson", data))


def _links(number: int, names: Sequence[str]) -> str:
    before = f'<a href="{names[number - 2]}">lesson {number - 1}</a>' if number > 1 else ""
    after = f'<a href="{names[number]}">lesson {number + 1}</a>' if number < len(names) else ""
    return f'<nav><a href="index.html">all lessons</a>{before}{after}</nav>\n'


def _scene(lesson: Lesson, sizes: Sizes) -> str:
    bars = [(bar.name, bar.kib, _FILLS[bar.kind], amount(bar.kib)) for bar in plan.bars(lesson, sizes)]
    picture = svg.sizes(bars, f"The machine and what is asked of it: {lesson.title}")
    return (
        f'<p class="hook">{text(lesson.hook)}</p>\n<p>{text(lesson.story(sizes))}</p>\n{picture}'
        f"<pre>{text_lines(lines(lesson.scene(sizes)))}</pre>\n"
    )


def _case(number: int, act: Act, before: Act) -> Iterator[str]:
    """Yield the question and, hidden, what came."""
    ask = act.lesson.asks(act.sizes)
    yield f'<form data-case="{number}"><p><strong>{text(ask.text)}</strong></p>'
    if isinstance(ask, Number):
        yield (
            f'<input type="range" min="0" max="{_STEPS}" value="{_STEPS // 2}" aria-label="{text(ask.text)}">'
            f'<p class="ends"><span>{ask.write(ask.low)}</span><output></output><span>{ask.write(ask.high)}</span></p>'
        )
    else:
        for place, option in enumerate(ask.options, 1):
            yield f'<label><input type="radio" name="guess-{number}" value="{place}"> {text(option)}</label>'
    yield '<button type="submit">This is my guess</button><button type="button" class="show">Show me</button></form>\n'
    yield f'<div class="result" id="result-{number}" tabindex="-1" hidden><h2>What Linux did</h2>'
    yield svg.film(act.film, f"hatch-{number}", f"RAM and swap in the course of the run: {act.lesson.title}")
    yield from _compared(ask, act)
    yield '<p class="word" aria-live="polite"></p>'
    yield from _reason(act, before)
    yield "</div>\n"


def _compared(ask: Number | Choice, act: Act) -> Iterator[str]:
    result, usual = act.reading.result, act.reading.usual
    if isinstance(ask, Choice):
        yield "<ol>"
        for place, option in enumerate(ask.options, 1):
            mark = ' class="linux"' if place == result else ""
            what = " \u2190 Linux" if place == result else ""
            yield f'<li{mark} data-option="{place}">{text(option)}{what}<span class="mine"></span></li>'
        yield "</ol>"
        return
    marks = [(ask.low, "you", "you"), (result, f"Linux: {ask.write(result)}", "linux")]
    if usual is not None:
        marks.append((usual, f"a common guess: {ask.write(usual)}", "usual"))
    yield svg.scale(ask.ticks(), marks, f"{ask.text} Linux: {ask.write(result)}")


def _reason(act: Act, before: Act) -> Iterator[str]:
    lesson = act.lesson
    known = lesson.reason(before.reading, before.sizes) if act is not before else ()
    for sentence in lesson.reason(act.reading, act.sizes):
        if sentence not in known:
            yield f"<p>{text(sentence)}</p>"
    if act is before:
        yield f"<p><strong>The chapter says:</strong> {text(lesson.chapter)}</p>"
        yield f"<p><strong>On Linux:</strong> {text(lesson.so)}</p>"


def _turns(lesson: Lesson, turns: Sequence[Turn], acts: Sequence[Act]) -> Iterator[str]:
    yield '<section id="after-0" hidden><h2>Your turn</h2>'
    yield "<fieldset><legend>Change one thing, and predict again</legend>"
    for number, turn in enumerate(turns, 1):
        yield f'<label><input type="radio" name="turn" value="{number}"> {text(turn.text)}</label>'
    yield "</fieldset>"
    for number, act in enumerate(acts[1:], 1):
        yield f'<div class="turn" id="turn-{number}" hidden><p>{text(lesson.story(act.sizes))}</p>'
        yield from _case(number, act, acts[0])
        yield "</div>"
    yield "</section>\n"


def _end(number: int, lesson: Lesson, sizes: Sizes) -> str:
    return (
        f"<h2>On a machine of your own</h2><pre>{text(lesson.own)}</pre>"
        f"<details><summary>The scenario for memtwin run (memtwin learn {number} --scenario)</summary>"
        f"<pre>{text_lines(scenario_text(lesson, sizes))}</pre></details>"
        "<noscript><p>Without scripts nothing is asked: all results are shown.</p>"
        "<style>[hidden] { display: block !important; }</style></noscript>\n"
    )


def _data(act: Act) -> dict[str, object]:
    """Return what the script needs of a run: the result, and each step of the scale."""
    ask = act.lesson.asks(act.sizes)
    result = act.reading.result
    if isinstance(ask, Choice):
        return {"result": result}
    values = [ask.low + (ask.high - ask.low) * step // _STEPS for step in range(_STEPS + 1)]
    steps = [
        {
            "text": ask.write(value), "x": round(svg.place(value, ask.low, ask.high), 1),
            "word": word(ask, value, result, act.reading.usual),
        }
        for value in values
    ]  # fmt: skip
    return {"result": result, "steps": steps}


def _index(lessons: Sequence[Lesson], names: Sequence[str]) -> str:
    rows = "".join(
        f'<tr><td class="n">{number}</td><td><a href="{name}">{text(lesson.title)}</a></td>'
        f'<td>{text(", ".join(lesson.sections))}</td><td class="n">{listing.minutes(number, lesson)} min</td></tr>'
        for number, (lesson, name) in enumerate(zip(lessons, names, strict=True), 1)
    )
    return document(
        "Memory management: predict, run, see, know why",
        "<p>Each lesson asks before it shows. Every result is from a run of a model of Linux 6.1.</p>\n"
        f"<table><tr><th></th><th>lesson</th><th>sections of the chapter</th><th></th></tr>{rows}</table>\n"
        '<p><a href="figures.html">The chapter\'s figures, from a run</a></p>\n',
    )
