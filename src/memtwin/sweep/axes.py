"""``--vary KEY=VALUES``: what a sweep varies.

``VALUES`` are separated by commas, each a word or a range ``LOW..HIGH/STEP`` that holds both ends, of sizes
(``4G..16G/1G``), shares (``50%..100%/10%``) or whole numbers (``0..200/20``).
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.errors import UsageError, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_POINTS: Final = 10_000
"""Of a grid, without a word that so many are meant."""
MOST_VALUES: Final = 1_000_000
_UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_NUMBER: Final = re.compile(r"(?P<number>[0-9]{1,15})(?P<unit>[KMGT%]?)")
_USAGE: Final = "for example --vary machine.ram=4G..16G/1G --vary swap=none,disk:8G,zram:50% --vary vm.swappiness=10,60"


class Value(NamedTuple):
    """One value of an axis: as it was written, and as a number where it is one (bytes, per cent, or plain)."""

    text: str
    number: float | None


class Axis(NamedTuple):
    """What varies, and its values in the order in which they were given; *unit* as in ``docs/whatif.md``."""

    key: str
    values: tuple[Value, ...]
    unit: str

    @property
    def is_ordered(self) -> bool:
        """Whether its values are different numbers of one kind."""
        numbers = [value.number for value in self.values]
        return self.unit != "text" and None not in numbers and len(set(numbers)) == len(numbers)

    @property
    def rising(self) -> tuple[str, ...]:
        """The values from the smallest to the largest; none where they have no order."""
        if not self.is_ordered:
            return ()
        return tuple(value.text for value in sorted(self.values, key=lambda value: value.number or 0))


def axes(words: Sequence[str]) -> tuple[Axis, ...]:
    """Read every ``--vary`` word; raise UsageError for one that is empty, unreadable, or there twice."""
    found = tuple(axis(word) for word in words)
    for one in found:
        if sum(one.key == other.key for other in found) > 1:
            raise UsageError(f"--vary {one.key}: given twice", hint="give all its values at once, with commas")
    return found


def axis(word: str) -> Axis:
    """Read one ``--vary`` word.

    >>> [value.text for value in axis("machine.ram=256M..1G/256M").values]
    ['256M', '512M', '768M', '1G']
    >>> axis("swap=none,zram:50%").unit, axis("vm.swappiness=0..100/50").unit
    ('text', 'number')
    """
    key, equals, rest = word.partition("=")
    if not equals or not key or not rest:
        raise UsageError(f"--vary {quoted(word)}: expected KEY=VALUES", hint=_USAGE)
    values = tuple(value for part in rest.split(",") for value in _values(word, part))
    texts = [value.text for value in values]
    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        raise UsageError(f"--vary {quoted(word)}: {twice} is there twice")
    return Axis(key, values, _unit(values))


def points(found: Sequence[Axis]) -> Iterator[dict[str, str]]:
    """Yield the values of each point of the grid by key; the last axis runs fastest."""
    for chosen in product(*(one.values for one in found)):
        yield {one.key: value.text for one, value in zip(found, chosen, strict=True)}


def count(found: Sequence[Axis]) -> int:
    """Return how many points the grid has."""
    total = 1
    for one in found:
        total *= len(one.values)
    return total


def number_of(text: str) -> tuple[float, str] | None:
    """Return the number that *text* is, and what it counts: bytes, share (in per cent) or number; None: it is a word.

    >>> number_of("2G"), number_of("50%"), number_of("60"), number_of("half")
    ((2147483648, 'bytes'), (50, 'share'), (60, 'number'), None)
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    number, unit = int(match["number"]), match["unit"]
    if unit == "%":
        return number, "share"
    return number << _UNITS[unit], "bytes" if unit else "number"


def written(number: int, unit: str) -> str:
    """Return a number of an axis as a word: a size in its largest whole unit.

    >>> written(3 << 30, "bytes"), written(1536 << 20, "bytes"), written(50, "share"), written(10, "number")
    ('3G', '1536M', '50%', '10')
    """
    if unit == "share":
        return f"{number}%"
    if unit == "number" or not number:
        return str(number)
    letter = next(letter for letter in reversed(_UNITS) if number % (1 << _UNITS[letter]) == 0)
    return f"{number >> _UNITS[letter]}{letter}"


def _values(word: str, part: str) -> Iterator[Value]:
    if not part:
        raise UsageError(f"--vary {quoted(word)}: a value is empty", hint=_USAGE)
    if ".." not in part:
        found = number_of(part)
        yield Value(part, None if found is None else found[0])
        return
    ends, slash, step_word = part.partition("/")
    low, high, step = (number_of(end) for end in (*ends.split("..", 1), step_word))
    if low is None or high is None or not slash or step is None or not step[0]:
        raise UsageError(f"--vary {quoted(word)}: expected LOW..HIGH/STEP in {quoted(part)}", hint=_USAGE)
    units = {unit for number, unit in (low, high, step) if number}
    if len(units) > 1:
        raise UsageError(f"--vary {quoted(word)}: {quoted(part)} mixes {' and '.join(sorted(units))}", hint=_USAGE)
    if low[0] > high[0]:
        raise UsageError(f"--vary {quoted(word)}: the range {quoted(part)} is empty", hint="LOW is the smaller end")
    last, unit = int((high[0] - low[0]) // step[0]), units.pop() if units else "number"
    if last >= MOST_VALUES:
        raise UsageError(f"--vary {quoted(word)}: {quoted(part)} has more than {MOST_VALUES:,} values")
    numbers = [int(low[0] + step[0] * at) for at in range(last + 1)]
    if numbers[-1] != high[0]:
        numbers.append(int(high[0]))
    yield from (Value(written(number, unit), number) for number in numbers)


def _unit(values: Sequence[Value]) -> str:
    """Return what the numbers of an axis count; *text* where one is a word, or they count different things."""
    units = {found[1] if (found := number_of(value.text)) else "text" for value in values}
    return units.pop() if len(units) == 1 else "text"
