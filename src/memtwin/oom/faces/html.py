"""The post-mortem as one HTML page: self-contained, light and dark, with zones and ranking drawn as SVG.

It opens from a file, loads nothing and runs no script (its own content policy forbids both). Every text of the log is
escaped: a process may be called ``<script>``.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from memtwin.oom.deaths.words import killer, sentences, when, who
from memtwin.oom.event import MEMCG
from memtwin.oom.faces.report import sentence as change_sentence
from memtwin.oom.tell import summary, tell
from memtwin.render.html import document, text
from memtwin.render.words import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.oom.deaths.death import Death
    from memtwin.oom.why.analysis import Analysis
    from memtwin.oom.why.rows import RankedTask
    from memtwin.oom.why.zones import ZoneView

_TOP: Final = 14
_WIDTH, _LABEL, _BAR, _LINE = 800, 230, 440, 26
"""Units of a drawing: its width, the labels' and the bars' parts of it, and the height of a row."""

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c1f23; --paper: #fff; --soft: #5b6570; --line: #d5dae0;
  --ram: #2f6fb3; --swap: #b8791d; --tables: #7a8692; --adj: #8a5bb0; --bad: #b3261e; --good: #2e7d4f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --paper: #16191d; --soft: #9aa4af; --line: #343b43;
  --ram: #6aa9e9; --swap: #e0a648; --tables: #8a949e; --adj: #b894dd; --bad: #ff8a80; --good: #7fcf9f; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.2rem; border-top: 1px solid var(--line); padding-top: 1.2rem; }
h3 { font-size: 1rem; margin-bottom: .3rem; } .lead { font-size: 1.1rem; font-weight: 600; }
dl { display: grid; grid-template-columns: 9rem 1fr; gap: .4rem 1rem; } dt { color: var(--soft); } dd { margin: 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } td, th { padding: .15rem .7rem .15rem 0; }
td.n, th.n { text-align: right; } th { text-align: left; color: var(--soft); font-weight: normal; }
.line td { overflow-wrap: break-word; } .line td:first-child { white-space: nowrap; }
svg { width: 100%; height: auto; } svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg .soft { fill: var(--soft); } .note { color: var(--soft); } svg .frame { fill: none; stroke: var(--line); }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } }
"""


def page(found: Sequence[tuple[int, Analysis]], deaths: Sequence[Death], source: str) -> str:
    """Return the page of the events *found* (with their numbers) and of the other *deaths* in the log *source*."""
    parts: list[str] = []
    if not found:
        parts.append("<p class='lead'>This log has no report of the kernel's OOM killer.</p>\n")
    for number, analysis in found:
        parts += _event(number, analysis)
    parts += _deaths(deaths, len(found))
    return document(f"Out of memory: {source}", "".join(parts), _STYLE)


def _event(number: int, found: Analysis) -> Iterator[str]:
    event = found.event
    when = f", {text(event.stamp)}" if event.stamp else ""
    kernel = f", kernel {text(event.kernel)}" if event.kernel else ""
    yield f"<section><h2>Event {number}{when}{kernel}</h2>\n<p class='lead'>{text(summary(found))}</p>\n<dl>"
    for part in tell(found):
        yield f"<dt>{text(part.question)}</dt><dd>{text(part.answer)}</dd>\n"
    yield "</dl>\n"
    if found.changes:
        yield "<h3>What would have changed it, at this moment</h3>\n<ul>"
        yield "".join(f"<li>{text(change_sentence(change))}</li>\n" for change in found.changes)
        yield "</ul>\n"
    if event.missing:
        yield f"<p class='note'>Not in the text: {text(', '.join(event.missing))}.</p>\n"
    if event.unread:
        yield f"<p class='note'>Not read: {text(', '.join(event.unread))}.</p>\n"
    if found.zones and event.constraint != MEMCG:
        yield "<h3>Zones against what they must keep</h3>\n" + _zones(found.zones)
    if found.ranking.rows:
        yield "<h3>Who had most points</h3>\n" + _ranking(found)
    yield from _sheet(found)
    yield "</section>\n"


def _zones(views: Sequence[ZoneView]) -> str:
    """Draw free memory of each zone against min and the reserve, each on its own scale."""
    rows = []
    for place, view in enumerate(views):
        keep = view.min + view.reserve
        scale = max(view.free, keep, view.high + view.reserve, 1) * 1.05
        top = place * _LINE * 2 + 4
        ok = view.passes
        name = view.name if view.node is None else f"{view.node} {view.name}"
        rows.append(
            f'<text x="0" y="{top + 17}">{text(name)}</text>'
            f'<text class="soft" x="0" y="{top + 35}">{"passes" if ok else text(view.why_not or "refused")}</text>'
            f'<rect class="frame" x="{_LABEL}" y="{top}" width="{_BAR}" height="24"/>'
            f'<rect x="{_LABEL}" y="{top}" width="{_BAR * view.free / scale:.1f}" height="24" '
            f'fill="var(--{"good" if ok else "bad"})" opacity=".8"/>'
            f"{_mark(_LABEL + _BAR * keep / scale, top, 'must keep ' + size(keep))}"
            f'<text x="{_LABEL + _BAR + 10}" y="{top + 17}">{size(view.free)} free</text>'
        )
    return _svg(rows, len(views) * _LINE * 2 + 8, "free memory of each zone against what it must keep")


def _mark(x: float, top: int, caption: str) -> str:
    anchor = "end" if x > _LABEL + _BAR * 0.6 else "start"
    shift = -4 if anchor == "end" else 4
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top - 3}" y2="{top + 40}" stroke="var(--ink)" stroke-width="2"/>'
        f'<text class="soft" x="{x + shift:.1f}" y="{top + 39}" text-anchor="{anchor}">{caption}</text>'
    )


def _ranking(found: Analysis) -> str:
    """Draw what counts of each process, stacked: memory, swap, page tables, oom_score_adj; the points beside it."""
    rows = found.ranking.rows
    shown = [row for place, row in enumerate(rows) if place < _TOP or row is found.ranking.chosen]
    widest = max((sum(_parts(row)) for row in shown), default=0) or 1
    page_kib = found.event.page_kib
    drawn = []
    for place, row in enumerate(shown):
        top, x = place * _LINE + 24, float(_LABEL)
        victim = found.event.victim is not None and row.task.pid == found.event.victim.pid
        name = f"{'▶ ' if victim else ''}{row.task.name} ({row.task.pid})"
        weight = ' font-weight="bold"' if victim else ""
        drawn.append(f'<text x="0" y="{top + 15}"{weight}>{text(name)}</text>')
        for pages, colour in zip(_parts(row), ("ram", "swap", "tables", "adj"), strict=True):
            width = _BAR * pages / widest
            drawn.append(f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="20" fill="var(--{colour})"/>')
            x += width
        points = "spared" if row.spared else "?" if row.points is None else f"{row.points:,}"
        drawn.append(f'<text x="{_LABEL + _BAR + 10}" y="{top + 15}"{weight}>{text(points)}</text>')
    legend = "".join(
        f'<rect x="{_LABEL + place * 104}" y="2" width="12" height="12" fill="var(--{colour})"/>'
        f'<text x="{_LABEL + place * 104 + 18}" y="13">{caption}</text>'
        for place, (colour, caption) in enumerate(_LEGEND)
    )
    drawn.append(f'{legend}<text class="soft" x="{_LABEL + _BAR + 10}" y="13">points</text>')
    note = f"<p class='note'>The widest bar is {widest:,} points, as {size(widest * page_kib)}; ▶ was killed."
    more = f" {len(rows) - len(shown)} more processes." if len(rows) > len(shown) else ""
    return _svg(drawn, len(shown) * _LINE + 30, "what counts of each process") + f"{note}{more}</p>\n"


def _parts(row: RankedTask) -> tuple[int, int, int, int]:
    """Return what a process's points are made of; a negative oom_score_adj cannot be drawn."""
    pages = row.low.rss, row.low.swapents, row.low.page_tables
    return *pages, max((row.points or 0) - sum(pages), 0)


_LEGEND: Final = (("ram", "in RAM"), ("swap", "in swap"), ("tables", "page tables"), ("adj", "oom_score_adj"))


def _sheet(found: Analysis) -> Iterator[str]:
    sheet = found.sheet
    if sheet is None:
        return
    yield "<h3>Where the memory was</h3>\n<table><tr><th></th><th class='n'>KiB</th><th class='n'></th></tr>\n"
    for item in sorted(sheet.items, key=lambda item: -item.kib):
        share = f"{item.kib / sheet.total_kib:.1%}" if sheet.total_kib else "-"
        yield f"<tr><td>{text(item.label)}</td><td class='n'>{item.kib:,}</td><td class='n'>{share}</td></tr>\n"
    total = f"<td class='n'>{sheet.total_kib:,}</td><td class='n'>100.0%</td>"
    yield f"<tr><td>= {text(sheet.what)}</td>{total}</tr></table>\n"


def _deaths(deaths: Sequence[Death], events: int) -> Iterator[str]:
    if not deaths:
        return
    heads = "".join(f"<th>{head}</th>" for head in ("when", "who", "by", "why"))
    yield f"<section><h2>Deaths in this log</h2>\n<table class='line'><tr>{heads}</tr>\n"
    for death in deaths:
        cells = (when(death), who(death), killer(death), death.why)
        yield "<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in cells) + "</tr>\n"
    yield "</table>\n<ul>"
    yield "".join(f"<li>{text(sentence)}</li>\n" for sentence in sentences(deaths, events))
    yield "</ul></section>\n"


def _svg(drawn: Sequence[str], height: int, caption: str) -> str:
    inner = "".join(drawn)
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(caption, quote=True)}">{inner}</svg>\n'
