r"""A scale with marks below it, for a terminal: where a guess lies, and where the result.

>>> print("\n".join(lines(((0, "0"), (50, "50"), (100, "100")), [Mark(25, "you")], 21, unicode=False)))
0        50       100
|---------+---------|
     ^ you
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_LINES: Final = {True: ("├", "┼", "┤", "─", "▲"), False: ("|", "+", "|", "-", "^")}


class Mark(NamedTuple):
    """A value on the scale and what it is."""

    value: int
    label: str


def lines(ticks: Sequence[tuple[int, str]], marks: Sequence[Mark], columns: int, *, unicode: bool = True) -> list[str]:
    """Return the scale in *columns*: labels of its *ticks*, the line, and a line a mark."""
    left, tick, right, dash, pointer = _LINES[unicode]
    low, high = ticks[0][0], ticks[-1][0]
    last = columns - 1

    def place(value: int) -> int:
        return round((min(max(value, low), high) - low) / (high - low) * last)

    labels, line = [" "] * columns, [dash] * columns
    for value, text in ticks:
        at = place(value)
        line[at] = tick
        start = min(max(at - (0 if value == low else len(text) // 2), 0), columns - len(text))
        labels[start : start + len(text)] = text
    line[0], line[-1] = left, right
    return [
        "".join(labels).rstrip(),
        "".join(line),
        *(_marked(mark, place(mark.value), columns, pointer) for mark in marks),
    ]


def _marked(mark: Mark, at: int, columns: int, pointer: str) -> str:
    """Return the pointer at its place with its label to the right, or to the left where there is no room."""
    if at + 2 + len(mark.label) <= columns:
        return f"{' ' * at}{pointer} {mark.label}"
    return f"{mark.label} {pointer}".rjust(at + 1)
