"""``--goal``: what a machine must do to be good enough; the grammar stands in ``docs/whatif.md``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.errors import UsageError, quoted
from memtwin.sweep.figures import COLUMNS, by_goal

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT: Final = "no oom, no failures"
_NO: Final = {"oom": "oom", "failures": "failures", "swap": "swapout", "stall": "stall"}
_CLAUSE: Final = re.compile(r"([a-z]+) ?(<=|>=|<|>|=) ?([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(%|/s|ms|[KMGTsmh])?")
_SIZES: Final[dict[str | None, float]] = {None: 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_TIMES: Final[dict[str | None, float]] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_FACTORS: Final[dict[str, dict[str | None, float]]] = {
    "count": {None: 1}, "share": {"%": 0.01}, "bytes": _SIZES, "bytes_per_day": _SIZES, "per_s": {"/s": 1, None: 1},
    "s": _TIMES,
}  # fmt: skip
_OPS: Final = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
}  # fmt: skip
_HINT: Final = 'for example --goal "no oom, stall<1%, majfaults<=50/s, available>512M"'


class Clause(NamedTuple):
    """One condition: a figure's key, a comparison, a value in the figure's unit; *text* as it was written."""

    figure: str
    op: str
    value: float
    text: str

    def is_met(self, low: Mapping[str, float | None], high: Mapping[str, float | None]) -> bool:
        """Whether every run of a point meets it, by the range of its runs; a figure that is not known does not."""
        ends = (low.get(self.figure), high.get(self.figure))
        return all(end is not None and _OPS[self.op](end, self.value) for end in ends)


class Goal(NamedTuple):
    """All clauses must be met."""

    text: str
    clauses: tuple[Clause, ...]
    is_default: bool

    def misses(self, low: Mapping[str, float | None], high: Mapping[str, float | None]) -> tuple[str, ...]:
        """Return the clauses that a point misses, as texts; none: it meets the goal."""
        return tuple(clause.text for clause in self.clauses if not clause.is_met(low, high))


def goal(text: str | None) -> Goal:
    """Read a goal; None: :data:`DEFAULT`.

    >>> [clause[:3] for clause in goal("no oom, stall<1%").clauses]
    [('oom_kills', '<=', 0), ('stall_share', '<', 0.01)]
    """
    words = [word.strip() for word in (DEFAULT if text is None else text).split(",")]
    return Goal(", ".join(words), tuple(_clause(word) for word in words), text is None)


def _clause(word: str) -> Clause:
    named = " ".join(word.split())
    if named.startswith("no ") and named[3:] in _NO:
        return Clause(by_goal(_NO[named[3:]]).key, "<=", 0, named)
    match = _CLAUSE.fullmatch(named)
    known = ", ".join(column.goal for column in COLUMNS if column.goal)
    if match is None:
        raise UsageError(f"--goal: expected `no {'|'.join(_NO)}` or FIGURE<VALUE in {quoted(word)}", hint=_HINT)
    figure, op, number, unit = match.groups()
    if figure not in known.split(", "):
        raise UsageError(f"--goal: no figure {quoted(figure)}", hint=f"{known} are")
    column = by_goal(figure)
    factors = _FACTORS[column.unit]
    if unit not in factors:
        expected = " or ".join("no unit" if name is None else name for name in factors)
        raise UsageError(f"--goal: {figure} takes {expected}, got {quoted(word)}", hint=_HINT)
    return Clause(column.key, op, float(number) * factors[unit], named)
