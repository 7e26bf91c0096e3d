"""What a lesson asks: a number on a scale, or one of several things that may happen.

Answers are whole numbers: KiB for a size, the position of a choice counted from 1. A guess is never wrong; how far it
was off is a word (:func:`quality`).

>>> ask = Number("How large?", Unit.SIZE, 0, 512 << 10)
>>> ask.parse("1.5 MiB"), ask.parse("160"), ask.write(160 << 10)
(1536, 163840, '160M')
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.errors import UsageError, quoted
from memtwin.render.amount import column

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOW_ME: Final = "?"
"""The answer of a reader who does not guess."""
_TICKS: Final = 4
_STEPS: Final = 32
"""Steps of the arrow keys from one end of a scale to the other."""
_SIZE: Final = re.compile(r"([0-9]{1,9}(?:[.,][0-9]{1,3})?) ?([kmg]?)(?:i?b)?", re.ASCII | re.IGNORECASE)
_PLAIN: Final = re.compile(r"([0-9]{1,9}) ?%?", re.ASCII)
_KIB: Final = {"k": 1, "m": 1 << 10, "": 1 << 10, "g": 1 << 20}


class Unit(Enum):
    """What a number counts."""

    SIZE = "size"
    PERCENT = "percent"
    COUNT = "count"


class Quality(Enum):
    """How far a guess was off; the word that a reader sees."""

    EXACT = "on it"
    NEAR = "near"
    FAR = "far off"
    SHOWN = "shown"


class Number(NamedTuple):
    """A number between *low* and *high* on a scale."""

    text: str
    unit: Unit
    low: int
    high: int

    def parse(self, typed: str) -> int:
        """Return the number that *typed* stands for; raise UsageError with what is accepted."""
        size = self.unit is Unit.SIZE
        found = (_SIZE if size else _PLAIN).fullmatch(typed.strip())
        if found is None:
            like = "a size such as 160M, 1.5G or 640K" if size else "a whole number such as 12"
            raise UsageError(f"{quoted(typed)} is not {like}", hint=f"{SHOW_ME} shows the result without a guess")
        value = round(float(found[1].replace(",", ".")) * _KIB[found[2].lower()]) if size else int(found[1])
        if not self.low <= value <= self.high:
            raise UsageError(f"the scale goes from {self.write(self.low)} to {self.write(self.high)}")
        return value

    def write(self, value: int) -> str:
        """Return *value* as a reader writes it."""
        if self.unit is Unit.SIZE:
            return column(value << 10).replace(".0", "") if value else "0"
        return f"{value}%" if self.unit is Unit.PERCENT else f"{value:,}"

    def ticks(self) -> tuple[tuple[int, str], ...]:
        """Return the values at which the scale has a label."""
        values = (self.low + (self.high - self.low) * i // _TICKS for i in range(_TICKS + 1))
        return tuple((value, self.write(value)) for value in values)

    def moved(self, value: int | None, steps: int) -> int:
        """Return where the mark lies after *steps* of an arrow key; None is the middle."""
        step = max((self.high - self.low) // _STEPS, 1)
        start = (self.low + self.high) // 2 if value is None else value
        return min(max(start + steps * step, self.low), self.high)

    def quality(self, guess: int | None, result: int) -> Quality:
        """Say how far *guess* was off, as a part of the scale."""
        if guess is None:
            return Quality.SHOWN
        share = abs(guess - result) / (self.high - self.low)
        return Quality.EXACT if share <= 0.05 else Quality.NEAR if share <= 0.15 else Quality.FAR


class Choice(NamedTuple):
    """One of *options*, which are numbered from 1."""

    text: str
    options: tuple[str, ...]

    def parse(self, typed: str) -> int:
        """Return the number of the option; raise UsageError with what is accepted."""
        found = re.fullmatch(r"[0-9]{1,2}", typed.strip(), re.ASCII)
        if found is None or not 1 <= int(found[0]) <= len(self.options):
            raise UsageError(
                f"{quoted(typed)} is not a number from 1 to {len(self.options)}",
                hint=f"{SHOW_ME} shows the result without a guess",
            )
        return int(found[0])

    def write(self, value: int) -> str:
        """Return the option."""
        return self.options[value - 1]

    def moved(self, value: int | None, steps: int) -> int:
        """Return the option after *steps* of an arrow key."""
        start = (0 if steps > 0 else len(self.options) + 1) if value is None else value
        return min(max(start + steps, 1), len(self.options))

    def quality(self, guess: int | None, result: int) -> Quality:
        """Say whether *guess* is what happened."""
        if guess is None:
            return Quality.SHOWN
        return Quality.EXACT if guess == result else Quality.FAR


Question = Number | Choice


def size(text: str, high_mib: int) -> Number:
    """Return a question for a size between 0 and *high_mib*."""
    return Number(text, Unit.SIZE, 0, high_mib << 10)


def first(values: Sequence[bool]) -> int:
    """Return the number, from 1, of the first of *values* that is true: which of the choices happened."""
    return list(values).index(True) + 1
