"""The scene before it moves: RAM, swap and what the programs ask for, to one scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from memtwin.learn.lesson import amount, elsewhere, lines
from memtwin.scenario import Fwrite, Mmap, SwapZram, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.learn.lesson import Lesson, Sizes

_GLYPHS = {"machine": ("█", "#"), "swap": ("▒", "="), "file": ("░", "c"), "asked": ("─", "-")}


class Bar(NamedTuple):
    """One thing of a scene: its name, its size in KiB, and what it is, a name of the glyphs."""

    name: str
    kib: int
    kind: str


def bars(lesson: Lesson, sizes: Sizes, ram_kib: int | None = None) -> tuple[Bar, ...]:
    """Return what the scenario of *lesson* names with a size; *ram_kib*: of another machine than its own."""
    return tuple(_bars(lesson, sizes, ram_kib))


def _bars(lesson: Lesson, sizes: Sizes, ram_kib: int | None) -> Iterator[Bar]:
    scene = lesson.scene(sizes)
    scenario = parse(lines(scene if ram_kib is None else elsewhere(scene)), lesson.key)
    yield Bar("RAM", ram_kib or scenario.machine.ram_bytes >> 10, "machine")
    for area in scenario.swaps:
        yield Bar("swap on zram" if isinstance(area, SwapZram) else "swap on disk", area.size_bytes >> 10, "swap")
    for file in scenario.files:
        yield Bar(f"file {file.name}", file.size_bytes >> 10, "file")
    for op in scenario.ops:
        if isinstance(op, Fwrite):
            yield Bar(f"file {op.file}", op.length_bytes >> 10, "file")
        elif isinstance(op, Mmap):
            yield Bar(f"{op.proc} asks for", op.size_bytes >> 10, "asked")


def drawn(shown: tuple[Bar, ...], columns: int, *, unicode: bool = True) -> list[str]:
    """Return the bars in *columns*; what is far larger than all else ends in an arrow."""
    kinds = [bar.kib for bar in shown if bar.kind != "asked"]
    largest = max(kinds)
    scale = max(largest, min(max(bar.kib for bar in shown), 4 * largest))
    name = max(len(bar.name) for bar in shown) + 1
    room = columns - name - 7
    rows = []
    for bar in shown:
        width = round(room * min(bar.kib, scale) / scale)
        drawn_bar = _GLYPHS[bar.kind][0 if unicode else 1] * max(width, 1)
        more = "> " if bar.kib > scale else " "
        rows.append(f"{bar.name:{name}}{drawn_bar}{more}{amount(bar.kib)}")
    return rows
