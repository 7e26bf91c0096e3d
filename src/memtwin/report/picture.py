"""One picture with its table: what it shows, drawn, and the same figures as cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from memtwin.render.canvas import Canvas
    from memtwin.render.grid import Grid


class Steps(NamedTuple):
    """What a cursor may rest on: positions from *left* on, and what is said at each."""

    x: tuple[float, ...]
    said: tuple[str, ...]
    left: float


class Picture(NamedTuple):
    """A picture; *note* says how it is to be read."""

    name: str
    title: str
    canvas: Canvas
    height: float
    table: Grid
    note: str = ""
    steps: Steps | None = None

    def svg(self, *, alone: bool = False) -> str:
        """Return it as SVG; *alone*: as a file of its own."""
        return self.canvas.svg(self.title, self.height, alone=alone)
