"""A run on one screen: five sentences, a picture over time, the table of its checkpoints; JSON holds everything."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any, Final

from memtwin.oom.faces.data import data
from memtwin.oom.why.analysis import analyse
from memtwin.render.course import EVENTS
from memtwin.render.grid import Column, Form, Grid, Line, Sentence, View, figures
from memtwin.story import checkpoints, summary, time_line
from memtwin.story.story import tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.render.terminal import Look
    from memtwin.run.run import Run

_WIDEST: Final = 100
_AMOUNT: Final = re.compile(r"(\d) (?=(?:[KMGT]iB|m?s|%)(?!\w))")
"""A number and its unit stand on one line."""


def view(run: Run, look: Look, *, with_story: bool = False) -> View:
    """Return the screen of a run, *with_story* the long story below it."""
    said = summary.sentences(run)
    table, whole = checkpoints.grids(run)
    return View(
        "run",
        (table, figures(**_facts(run)), whole, _operations(run), _time_line(run)),
        tuple(Sentence(text, ()) for text in tell(run)) if with_story else (),
        lines=tuple(map(Line, _lines(run, said, look))),
    )


def _lines(run: Run, said: list[str], look: Look) -> Iterator[str]:
    width = min(look.columns or _WIDEST, _WIDEST)
    for text in said:
        whole = _AMOUNT.sub("\\1\N{NO-BREAK SPACE}", text)
        for line in textwrap.wrap(f"- {whole}", width, subsequent_indent="  ", break_on_hyphens=False):
            yield line.replace("\N{NO-BREAK SPACE}", " ")
    picture = time_line.draw(run, width, unicode=look.unicode)
    if picture:
        yield ""
        yield from picture


def _facts(run: Run) -> dict[str, Any]:
    return {
        "summary": tuple(summary.sentences(run)),
        "meta": run.meta(),
        "notes": tuple(run.machine.notes),
        "events": tuple(
            {"time_ns": time_ns - run.samples[0].time_ns, "event": EVENTS[letter]}
            for time_ns, letter in time_line.happened(run)
        ),
        "oom_events": tuple(
            data(analyse(event)) for event in (*run.ooms_before, *(event for done in run.done for event in done.ooms))
        ),
        "story": tuple(tell(run)),
    }


def _operations(run: Run) -> Grid:
    keys = (
        "number",
        "line",
        "operation",
        "outcome",
        "errno",
        "why",
        "took_us",
        "counters",
        "deaths",
        "reclaimed_pages",
    )
    rows = tuple(
        (done.op.index, done.op.lineno, done.op.text, done.outcome, done.errno, done.why, done.us, done.deltas,
         tuple(done.deaths), {name: pages for name, pages in done.taken.items() if pages})
        for done in run.done
    )  # fmt: skip
    return Grid(tuple(map(Column, keys)), rows, "operations", form=Form.JSON)


def _time_line(run: Run) -> Grid:
    """Return every sample: sizes in KiB and counters since boot by the names of `timeline.csv`."""
    names = tuple(run.samples[0].figures)
    columns = ("time_ns", "operations_done", *names, "swap_areas_used_kib")
    rows = tuple(
        (sample.time_ns - run.samples[0].time_ns, sample.ops_done, *(sample.figures[name] for name in names),
         {area.name: area.used_kib for area in sample.areas})
        for sample in run.samples
    )  # fmt: skip
    return Grid(tuple(map(Column, columns)), rows, "time_line", form=Form.JSON)
