"""The one screen that `memtwin` alone shows: what is wrong, the worst first, and what to ask next."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.diagnose.now import MOST, Harm, ago
from memtwin.render.amount import column
from memtwin.render.grid import Column, Form, Grid, Line, Tone, View, figures
from memtwin.render.words import size
from memtwin.views import memory_bar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.diagnose.now import Examined, Finding
    from memtwin.oom.live import Candidate
    from memtwin.procfs.meminfo import Meminfo
    from memtwin.procfs.pressure import Pressure
    from memtwin.procfs.swaps import Swaps
    from memtwin.render.terminal import Look
    from memtwin.views.limits import Limit

_WIDEST: Final = 100
_ROWS: Final = 24
_NOTHING: Final = ("nothing is wrong", "nothing wrong in what is known")
"""Where no rule finds anything: of all that is judged, or of a part."""
_INDENT: Final = " " * 5
_SIGNS: Final = {
    Harm.KILLED: "!!", Harm.WAITS: "!!", Harm.SOON: "!!", Harm.PAST: "! ", Harm.ODD: "! ", Harm.HARMLESS: "- ",
    Harm.SETTING: "- ",
}  # fmt: skip
_TONES: Final = {"!!": Tone.BAD, "! ": Tone.WARN}


class Page(NamedTuple):
    """What the screen shows; None is not known. *swapped* are bytes in and out: a second (*is_rate*) or since boot."""

    name: str
    kernel: str | None
    up_s: float | None
    examined: Examined
    memory: Meminfo
    areas: Swaps | None
    waits: Pressure | None
    swapped: tuple[float, float] | None
    is_rate: bool
    nearest: Sequence[Limit]
    candidates: Sequence[Candidate] | None
    kills: int | None
    log_command: str
    """The command that reads the kernel's log."""
    root: str | None
    """What the commands must be given; None of this host."""


def view(page: Page, look: Look) -> View:
    """Return the screen as a view; JSON has every finding."""
    return View("now", (
        figures(machine=page.name, kernel=page.kernel, up_s=page.up_s, oom_kills_count=page.kills,
                in_order=page.examined.in_order, unknown=page.examined.unknown),
        _findings(page.examined.found),
        _next(page),
        _limits(page.nearest),
    ), lines=tuple(_lines(page, look)))  # fmt: skip


def _findings(found: Sequence[Finding]) -> Grid:
    columns = ("name", "harm", "fact", "since", "cause", "command", "rests_on")
    rows = tuple(
        (one.name, one.harm.name.lower(), one.fact.text, one.since, one.cause, one.command, one.fact.rests_on)
        for one in found
    )
    return Grid(tuple(map(Column, columns)), rows, "findings", form=Form.DATA)


def _next(page: Page) -> Grid:
    columns = tuple(map(Column, ("pid", "name", "points")))
    rows = None if page.candidates is None else tuple(
        (one.process.pid, one.process.name, one.points) for one in _mortal(page)[:2]
    )  # fmt: skip
    return Grid(columns, rows, "next_to_die", form=Form.JSON)


def _limits(nearest: Sequence[Limit]) -> Grid:
    columns = tuple(map(Column, ("name", "of", "limit_bytes", "used_bytes")))
    rows = tuple((one.name, one.scope, one.limit_bytes, one.used_bytes) for one in nearest[:1])
    return Grid(columns, rows, "nearest_limit", form=Form.JSON)


def _lines(page: Page, look: Look) -> Iterator[Line]:
    width = min(look.columns or _WIDEST, _WIDEST)
    parts = memory_bar.segments(page.memory)
    bars = memory_bar.lines(parts, page.areas, width, unicode=look.unicode) if parts else []
    bars = [piece for line in bars for piece in ([line] if len(line) <= width else _wrap(line.strip(), width))]
    above = [*_wrap(_head(page, width), width), *bars, *_wrap(_flow(page), width)]
    below = [*_in_order(page, width), *_foot(page, width)]
    yield from map(Line, above)
    yield from _told(page.examined.found, width, _ROWS - len(above) - len(below))
    yield from map(Line, below)


def _head(page: Page, width: int) -> str:
    wrong = sum(one.harm < Harm.ODD for one in page.examined.found)
    odd = sum(one.harm in {Harm.ODD, Harm.SETTING} for one in page.examined.found)
    verdict = f"{wrong} thing{'s' if wrong > 1 else ''} wrong" if wrong else _NOTHING[bool(page.examined.unknown)]
    verdict += f", {odd} worth a look" if odd else ""
    facts = [page.name, f"Linux {page.kernel}" if page.kernel else "", f"{column(page.memory['MemTotal'] << 10)} RAM",
             f"up {ago(page.up_s)}" if page.up_s is not None else ""]  # fmt: skip
    facts = list(filter(None, facts))
    while len(facts) > 1 and len(" · ".join(facts)) + len(verdict) + 2 > width:
        facts.pop()
    return f"{' · '.join(facts).ljust(width - len(verdict) - 2)}  {verdict}"


def _flow(page: Page) -> str:
    """Return what is available, what moves to and from swap, and who waits."""
    parts = []
    if "MemAvailable" in page.memory:
        parts.append(f"{column(page.memory['MemAvailable'] << 10)} available")
    if page.swapped is not None:
        into, out = (column(int(amount)) for amount in page.swapped)
        when = "a second" if page.is_rate else "since boot"
        parts.append(f"swap traffic: in {into}, out {out} {when}")
    if page.waits is not None:
        shares = [
            f"{kind} {stall.avg10_hundredths / 100:.1f} %"
            for kind, stall in (("some", page.waits.some), ("full", page.waits.full))
            if stall is not None
        ]
        parts.append(f"waiting for memory: {', '.join(shares)}")
    return " | ".join(parts)


def _told(found: Sequence[Finding], width: int, room: int) -> Iterator[Line]:
    """Yield the worst findings, their causes as long as there is room."""
    shown = found[:MOST]
    blocks = [_block(number, one, width, details=True) for number, one in enumerate(shown, 1)]
    for at in range(len(blocks) - 1, -1, -1):
        if sum(map(len, blocks)) > room:
            blocks[at] = _block(at + 1, shown[at], width, details=False)
    for block in blocks:
        yield from block
    if len(found) > MOST:
        yield Line(f"{_INDENT}and {len(found) - MOST} more: --json has all")


def _block(number: int, one: Finding, width: int, *, details: bool) -> list[Line]:
    sign = _SIGNS[one.harm]
    lines = _wrap(f"{sign} {number} {one.fact.text}", width)
    said = "; ".join(filter(None, (one.since, one.cause))) if details else ""
    if not said:
        lines = _with_command(lines, one.command, width)
    toned = [Line(line, _TONES.get(sign, Tone.PLAIN)) for line in lines]
    below = _with_command(_wrap(f"{_INDENT}{said}", width), one.command, width) if said else []
    return [*toned, *map(Line, below)]


def _with_command(lines: list[str], command: str, width: int) -> list[str]:
    """Return *lines* with the command at the right of the last, or on a line of its own."""
    if len(lines[-1]) + len(command) + 2 > width:
        lines = [*lines, ""]
    return [*lines[:-1], lines[-1].ljust(width - len(command)) + command]


def _in_order(page: Page, width: int) -> list[str]:
    lines = []
    if page.examined.in_order:
        lines += _wrap(f"ok   {', '.join(page.examined.in_order)}", width)
    if page.examined.unknown:
        lines += _wrap(f"?    not known: {', '.join(page.examined.unknown)}", width)
    return lines


def _foot(page: Page, width: int) -> Iterator[str]:
    """Yield the nearest limit, who would die, and what was killed, each with the command that says more."""
    if page.nearest and "MemAvailable" in page.memory:
        first = page.nearest[0]
        used = f"{size((first.used_bytes or 0) >> 10)} of {size(first.limit_bytes >> 10)}"
        whose = "" if first.scope == "machine" else f" of {first.scope}"
        yield from _with_command(_wrap(f"nearest limit: {first.name}{whose}, {used}", width), "memtwin limits", width)
    if page.candidates is None:
        yield "next to die: not known, no processes are kept here"
    elif mortal := _mortal(page):
        said = [f"{one.process.name} (pid {one.process.pid}, {one.points:,} points)" for one in mortal[:2]]
        yield from _with_command(_wrap(f"next to die: {', then '.join(said)}", width), "memtwin oom --live", width)
    if page.kills is not None:
        what = f"OOM kills since boot: {page.kills:,}" if page.kills else "no OOM kill since boot"
        yield from _with_command([what], page.log_command, width)
    if page.root is not None:
        yield from _wrap(f"to all commands but oom's add: --root {page.root}", width)


def _mortal(page: Page) -> list[Candidate]:
    return [one for one in page.candidates or () if one.points is not None]


def _wrap(text: str, width: int) -> list[str]:
    """Return *text* in lines; all but the first are indented."""
    return textwrap.wrap(text, width, subsequent_indent=_INDENT, break_on_hyphens=False)
