"""A report as one page: what happened, the time line, and the machine at each of some moments; every picture with its
table.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from memtwin.render.amount import COLUMN
from memtwin.render.canvas import WIDTH
from memtwin.render.grid import NUMBER, TEXT, Column, Grid, Style, Value
from memtwin.render.html import Script, document, table, text
from memtwin.render.words import seconds
from memtwin.report import answer, blocks, curve, frames, memory, tasks, timeline, zones
from memtwin.report.assets import SCRIPT, STYLE
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.render.course import Course
    from memtwin.report.gathered import Gathered, Moment
    from memtwin.report.picture import Picture
    from memtwin.report.sweep import Sweep

_WHAT: Final = {"run": "A run of the model", "recording": "A recording", "trace": "A trace", "moment": "A machine"}
_MOST_EVENTS: Final = 200
_OF_MOMENT: Final = (memory.picture, zones.picture, blocks.picture, tasks.picture)
PICTURES: Final = (timeline.NAME, memory.NAME, frames.NAME, zones.NAME, blocks.NAME, tasks.NAME)
"""The names of a machine's pictures, for a single one; a sweep has :data:`curve.NAME`."""


def page(found: Gathered) -> str:
    """Return the page."""
    line = timeline.picture(found.course) if found.course else None
    lines = {line.name: steps(line)} if line else {}
    body = "".join((_answer(found), *_over_time(found, line), *_moments(found)))
    data = {"lines": lines, "moments": [_when(moment) for moment in found.moments], "width": WIDTH}
    return document(f"{_WHAT[found.sort]}: {found.name}", body, STYLE, Script(SCRIPT, "report", data))


def single(found: Gathered, name: str) -> Picture | None:
    """Return one picture by its name, of the last moment; None where the files lack what it shows."""
    if name == timeline.NAME:
        return timeline.picture(found.course) if found.course else None
    if name not in PICTURES:
        return None
    moment = found.moments[-1]
    makers = dict(zip((memory.NAME, zones.NAME, blocks.NAME, tasks.NAME), _OF_MOMENT, strict=True))
    return frames.picture(moment) if name == frames.NAME else makers[name](moment, 0)


def of_sweep(sweep: Sweep) -> str:
    """Return the page of a sweep: what it recommends, the curve, every point."""
    said = "".join(f"<li>{text(sentence)}</li>\n" for sentence in sweep.sentences)
    chosen = " ".join(f"{key}={value}" for key, value in (sweep.chosen or {}).items())
    lead = f"Recommended: {chosen}" if sweep.chosen is not None else "No point meets the goal."
    doubts = "".join(f"<li>{text(doubt)}</li>\n" for doubt in sweep.wrong_if)
    cut = "" if sweep.is_whole else '<p class="note">It was interrupted: not all points were run.</p>\n'
    drawn = curve.picture(sweep)
    shown = figure(drawn, level=2) if drawn else f"<h2>The points</h2>\n{table(curve.table(sweep), 'All points')}"
    meanings = "".join(f"<dt>{text(one.title)}</dt><dd>{text(one.meaning)}</dd>\n" for one in sweep.figures)
    body = (
        f'<p class="lead">{text(lead)}</p>\n<ul>{said}</ul>\n{cut}{shown}'
        f"<h2>What would make it wrong</h2>\n<ul>{doubts}</ul>\n"
        f"<h2>What the figures mean</h2>\n<dl>{meanings}</dl>\n"
    )
    return document(f"What if: {sweep.name}", body, STYLE)


def steps(line: Picture) -> dict[str, Any]:
    """Return what the script needs of a time line."""
    assert line.steps
    return {"x": line.steps.x, "said": line.steps.said, "left": line.steps.left}


def figure(picture: Picture, *, level: int = 3) -> str:
    """Return a picture with its head, its note and its table."""
    note = f'<p class="note">{text(picture.note)}</p>' if picture.note else ""
    return (
        f"<h{level}>{text(picture.title)}</h{level}>\n<figure>{picture.svg()}</figure>{note}"
        f"<details><summary>The figures of this picture</summary>{table(picture.table, picture.title)}</details>\n"
    )


def cursor(line: Picture) -> str:
    """Return the range that moves the cursor of a time line, and what is said there."""
    assert line.steps
    return (
        f'<div class="cursor"><label for="range-{line.name}">A moment of the time line</label>'
        f'<input type="range" id="range-{line.name}" min="0" max="{len(line.steps.x) - 1}" value="0">'
        f'<output id="said-{line.name}" for="range-{line.name}"></output></div>\n'
    )


def _answer(found: Gathered) -> str:
    items = "".join(f"<li>{text(sentence)}</li>\n" for sentence in answer.sentences(found))
    notes = "".join(f'<p class="note">{text(words)}</p>\n' for words in found.notes)
    return f'<ul class="answer">{items}</ul>\n{notes}'


def _over_time(found: Gathered, line: Picture | None) -> Iterator[str]:
    if line is None or found.course is None:
        return
    yield figure(line, level=2) + cursor(line)
    if found.course.events:
        yield f"<details><summary>What happened when</summary>{table(events(found.course), 'Events')}</details>\n"
    if len(found.moments) > 1:
        yield "<h2>Checkpoints</h2>\n" + table(
            _table(found.moments), "The machine at each moment that is shown in full"
        )


def events(course: Course) -> Grid:
    """Return what happened when, what repeats as one row; of many the first."""
    rows: list[tuple[Value, ...]] = []
    for text_of, group in groupby(course.events, key=lambda event: event.text):
        times = [event.time_ns for event in group]
        last = None if len(times) == 1 else times[-1]
        rows.append((times[0], text_of, len(times), last))
    more = len(rows) - _MOST_EVENTS
    if more > 0:
        rows = [*rows[:_MOST_EVENTS], (rows[_MOST_EVENTS][0], f"and {more:,} more from here", None, rows[-1][0])]
    when = Style(seconds, "right")
    columns = (
        Column("time_ns", "AT", when), Column("event", "EVENT"), Column("times", "TIMES", NUMBER),
        Column("until_ns", "UNTIL", when),
    )  # fmt: skip
    return Grid(columns, tuple(rows), "events")


def _table(moments: Sequence[Moment]) -> Grid:
    names = {
        "MemFree": "FREE",
        "MemAvailable": "AVAILABLE",
        "Cached": "CACHED",
        "AnonPages": "ANONYMOUS",
        "Slab": "SLAB",
    }
    columns = (
        Column("label", "MOMENT"), Column("time", "AT", TEXT),
        *(Column(name, title, COLUMN) for name, title in names.items()), Column("swap", "SWAP USED", COLUMN),
        Column("faults", "FAULTS", NUMBER), Column("processes", "PROCESSES", NUMBER),
    )  # fmt: skip
    rows = []
    for one in moments:
        memory_of = one.memory
        sizes = [None if memory_of is None or name not in memory_of else bytes_of(memory_of[name]) for name in names]
        swap = None if one.swaps is None else bytes_of(sum(area.used_kib for area in one.swaps.areas))
        rows.append((
            one.label, None if one.time_ns is None else seconds(one.time_ns), *sizes, swap,
            None if one.counters is None else one.counters.get("pgfault"),
            None if one.tasks is None else len(one.tasks),
        ))  # fmt: skip
    return Grid(columns, tuple(rows), "moments")


def _when(moment: Moment) -> str:
    return moment.label if moment.time_ns is None else f"{moment.label}, at {seconds(moment.time_ns)}"


def _moments(found: Gathered) -> Iterator[str]:
    """Yield the machine at each moment; without a script all stand below each other."""
    many = len(found.moments) > 1
    yield f"<h2>{'The machine at a moment' if many else 'The machine'}</h2>\n"
    has_map = any(moment.frames for moment in found.moments)
    if many or has_map:
        yield '<div class="controls">'
        if many:
            yield (
                '<label for="moment">Moment</label><input type="range" id="moment" min="0" '
                f'max="{len(found.moments) - 1}" value="{len(found.moments) - 1}">'
                '<output id="moment-said" for="moment"></output>'
            )
        if has_map:
            yield "<fieldset><legend>The map of memory shows</legend>"
            for which, said in frames.MAPS.items():
                checked = " checked" if which == "use" else ""
                yield f'<label><input type="radio" name="map" value="{which}"{checked}> {text(said)}</label>'
            yield "</fieldset>"
        yield "</div>\n"
    for number, moment in enumerate(found.moments):
        yield f'<section data-moment="{number}" aria-label="{text(_when(moment))}"><h3>{text(_when(moment))}</h3>\n'
        for picture in (make(moment, number) for make in _OF_MOMENT[:1]):
            yield figure(picture) if picture else ""
        for which in frames.MAPS:
            shown = frames.picture(moment, number, which)
            yield f'<div data-map="{which}">{figure(shown)}</div>\n' if shown else ""
        for picture in (make(moment, number) for make in _OF_MOMENT[1:]):
            yield figure(picture) if picture else ""
        yield "</section>\n"
