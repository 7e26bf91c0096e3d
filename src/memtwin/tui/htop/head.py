"""What stands above the table: bars of CPUs, RAM and each kind of swap, load, tasks, pressure.

Every number is labelled, and every segment of a bar has a glyph of its own beside its colour. Where the screen is low,
what matters least is left out first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.procfs.text import decimal
from memtwin.render.amount import column as size
from memtwin.tui.htop.spans import Line, Span, bar, flowed, line, safe
from memtwin.views import memory_bar
from memtwin.views.top import counts, shares, up
from memtwin.views.used import used

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.procfs.swaps import SwapArea
    from memtwin.sources.looks import Look

_CPU: Final = (
    ("user", "█", "|", ("user",)), ("nice", "▒", "n", ("nice",)), ("system", "▓", "#", ("system",)),
    ("other", "░", "o", ("iowait", "irq", "softirq", "steal")),
)  # fmt: skip
_NARROW: Final = 60
_WIDE: Final = 120
_MOST_BARS: Final = 4
_LEAST_BAR: Final = 6
_LEVELS: Final = ("▁▂▃▄▅▆▇█", ".:-=+*#@")
_SHARE_OF_ROWS: Final = 0.42


class Block(NamedTuple):
    """Lines that are shown or left out together; small ranks stay longest. *short* is for a low screen."""

    name: str
    rank: int
    lines: Sequence[Line]
    short: Sequence[Line] = ()


def lines(look: Look, formula: str, columns: int, rows: int, *, unicode: bool, hidden: frozenset[str]) -> list[Line]:
    """Return the lines above the table for a screen of *columns* and *rows*."""
    found = [block for block in blocks(look, formula, columns, rows, unicode=unicode) if block.name not in hidden]
    room = max(int(rows * _SHARE_OF_ROWS), 1)
    kept: list[Block] = []
    for block in sorted(found, key=lambda one: one.rank):
        taken = sum(len(one.lines) for one in kept)
        if taken + len(block.lines) <= room:
            kept.append(block)
        elif block.short and taken + len(block.short) <= room:
            kept.append(block._replace(lines=block.short))
    names = [block.name for block in found]
    return [shown for block in sorted(kept, key=lambda one: names.index(one.name)) for shown in block.lines]


def blocks(look: Look, formula: str, columns: int, rows: int, *, unicode: bool) -> list[Block]:
    """Return all that may stand above the table, from the top."""
    return [
        Block("cpu", 4, _cpus(look, columns, rows, unicode=unicode)),
        *_memory(look, formula, columns, unicode=unicode),
        Block("limit", 6, _limit(look, columns, unicode=unicode)),
        Block("swap", 2, _swaps(look, columns, unicode=unicode), _swap_sum(look)),
        Block("tasks", 3, flowed(_tasks(look), columns), flowed(_tasks(look)[:2], columns)),
        Block("psi", 5, flowed(_pressure(look), columns)),
    ]


def _titled(title: str, room: int, cells: Line, text: str) -> Line:
    return (Span(f"{title:>{room}}", "title"), Span("["), *cells, Span("]"), *((Span(f" {text}"),) if text else ()))


def _cpus(look: Look, columns: int, rows: int, *, unicode: bool) -> list[Line]:
    now, before = look.sample.stat, look.sample.before
    if now is None or not now.cpus:
        return []
    per_row = 1 if columns < _NARROW else _MOST_BARS if columns >= _WIDE and len(now.cpus) > _MOST_BARS else 2
    known = {
        str(number): shares(times, before.cpus.get(number) if before else None) for number, times in now.cpus.items()
    }
    if (len(known) + per_row - 1) // per_row > max(rows // 8, 1):
        whole = shares(now.cpu, before.cpu if before else None)
        levels = _LEVELS[0 if unicode else 1]
        busy = "".join(levels[_level(of)] if of else "?" for of in known.values())
        return [
            _cpu("CPU", whole, columns, unicode=unicode),
            *([line(f"{'':3} {busy}"[:columns])] if rows > 16 else []),
        ]
    digits = max(map(len, known))
    each = columns // per_row
    bars = [_cpu(f"{name:>{digits}}", of, each - (per_row > 1), unicode=unicode) for name, of in known.items()]
    return [
        tuple(
            span for at, one in enumerate(bars[first : first + per_row]) for span in (*([Span(" ")] * (at > 0)), *one)
        )
        for first in range(0, len(bars), per_row)
    ]


def _level(of: dict[str, float]) -> int:
    return min(int((100 - of["idle"]) / 100 * 8), 7)


def _cpu(title: str, of: dict[str, float] | None, columns: int, *, unicode: bool) -> Line:
    text = "  -  %" if of is None else f"{100 - of['idle']:5.1f}%"
    room = max(columns - len(title) - len(text) - 2, _LEAST_BAR)
    glyphs = [
        (rich if unicode else plain, 0.0 if of is None else sum(of[one] for one in kinds), f"cpu-{name}")
        for name, rich, plain, kinds in _CPU
    ]
    return (Span(title, "title"), Span("["), *bar(glyphs, room, 100.0), Span(text), Span("]"))


def _memory(look: Look, formula: str, columns: int, *, unicode: bool) -> list[Block]:
    memory = look.sample.memory
    if memory is None or "MemTotal" not in memory:
        return []
    by_formula = used(memory, formula)
    amount = "?" if by_formula is None else size(by_formula << 10)
    text = f"used {amount}/{size(memory['MemTotal'] << 10)}"
    available = memory.get("MemAvailable")
    if available is not None and columns >= _NARROW:
        text += f" avail {size(available << 10)}"
    parts = memory_bar.segments(memory)
    cells = [] if parts is None else [(memory_bar.GLYPHS[one.name][not unicode], one.kib, one.name) for one in parts]
    room = max(columns - len(text) - 6, _LEAST_BAR)
    shown = _titled("Mem", 3, bar(cells, room, memory["MemTotal"]), text)
    legend = [
        (
            Span(memory_bar.GLYPHS[one.name][not unicode], one.name),
            Span(f"{'' if unicode else ' '}{one.name} {size(one.kib << 10)}"),
        )
        for one in parts or ()
    ]
    return [Block("mem", 0, [shown]), Block("legend", 1, flowed(legend, columns, " "))]


def _limit(look: Look, columns: int, *, unicode: bool) -> list[Line]:
    """Return a bar whose end is the limit of the container that this program is in."""
    group = look.group
    memory = look.sample.memory
    if group is None or group.limit_bytes is None or group.used_bytes is None:
        return []
    if memory is not None and group.limit_bytes >= memory.get("MemTotal", 0) << 10:
        return []
    cache = group.stat.get("inactive_file", group.stat.get("total_inactive_file", 0))
    glyphs = memory_bar.GLYPHS
    cells = [
        (glyphs["used"][not unicode], group.used_bytes - cache, "used"),
        (glyphs["cache"][not unicode], cache, "cache"),
    ]
    text = f"used {size(group.used_bytes - cache)} cache {size(cache)} limit {size(group.limit_bytes)}"
    room = max(columns - len(text) - 6, _LEAST_BAR)
    return [_titled("Cgr", 3, bar(cells, room, group.limit_bytes), text)]


def _swaps(look: Look, columns: int, *, unicode: bool) -> list[Line]:
    areas = look.sample.swaps.areas if look.sample.swaps else ()
    memory = look.sample.memory
    found = [(_short(area), int(area.used_kib), int(area.size_kib), _in_ram(area, look)) for area in areas]
    if memory is not None and (data_kib := memory.get("Zswapped")):
        found.insert(0, ("zswap", data_kib, data_kib, f" in {size(memory.get('Zswap', 0) << 10)} RAM"))
    if not found:
        return [line("no swap")]
    room = max(3, *(len(name) for name, *_ in found))
    texts = [f"{size(used_kib << 10)}/{size(size_kib << 10)}{more}" for _, used_kib, size_kib, more in found]
    longest = max(map(len, texts))
    wide = max(columns - room - longest - 3, _LEAST_BAR)
    full, free = (memory_bar.GLYPHS[name][not unicode] for name in ("used", "free"))
    lines = []
    for (name, used_kib, size_kib, _), text in zip(found, texts, strict=True):
        cells = bar([(full, used_kib, "swap")], wide, size_kib, free)
        lines.append(_titled(name, room, cells, text))
    return lines


def _swap_sum(look: Look) -> list[Line]:
    areas = look.sample.swaps.areas if look.sample.swaps else ()
    used_kib, size_kib = (sum(getattr(area, name) for area in areas) for name in ("used_kib", "size_kib"))
    return [(Span("Swap ", "title"), Span(f"used {size(used_kib << 10)}/{size(size_kib << 10)}"))]


def _short(area: SwapArea) -> str:
    return safe(area.filename).rpartition("/")[2][:12]


def _in_ram(area: SwapArea, look: Look) -> str:
    stat = look.zram.get(area.filename.rpartition("/")[2])
    return "" if stat is None else f" in {size(stat.mem_used_total)} RAM"


def _tasks(look: Look) -> Sequence[Line]:
    sample = look.sample
    by_state = counts(sample)
    load = sample.load
    averages = "?" if load is None else " ".join(
        map(decimal, (load.load1_hundredths, load.load5_hundredths, load.load15_hundredths))
    )  # fmt: skip
    dead = f", {by_state['zombie']} zombie" if by_state["zombie"] else ""
    return [
        (Span("Tasks ", "title"), Span(f"{by_state['total']}, {by_state['running']} running{dead}")),
        (Span("Load ", "title"), Span(averages)),
        (Span("Up ", "title"), Span(up(sample.up_s).strip())),
    ]


def _pressure(look: Look) -> Sequence[Line]:
    """Return who waited in the last ten seconds, in percent of them: some task, and all that could run."""
    parts: list[Line] = []
    for kind, record in look.pressure.items():
        said = [f"some {decimal(record.some.avg10_hundredths)}"] if record.some else []
        if record.full and kind != "cpu":
            said.append(f"full {decimal(record.full.avg10_hundredths)}")
        parts.append((Span(f"{kind} " if parts else f"PSI % {kind} ", "title"), Span(" ".join(said))))
    return parts
