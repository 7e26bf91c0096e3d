"""Operations that repeat: which follow each other again and again, equal but for numbers."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.run.done import Done

_LONGEST: Final = 8
"""Operations that may repeat together."""
_LEAST: Final = 3
"""Times that make a repetition worth folding."""
_NUMBER: Final = re.compile(r"\d[\d.]*[KMGT%]?")


class Fold(NamedTuple):
    """Operations from number *first* on: *period* of them, *times* in a row."""

    first: int
    period: int
    times: int

    @property
    def end(self) -> int:
        """The number after the last."""
        return self.first + self.period * self.times


def folds(done: Sequence[Done]) -> Iterator[Fold]:
    """Yield the operations in order, those that repeat as one fold; one that does not is a fold of its own."""
    keys = [_key(number, one) for number, one in enumerate(done)]
    first = 0
    while first < len(keys):
        found = max((Fold(first, period, _times(keys, first, period)) for period in range(1, _LONGEST + 1)),
                    key=lambda fold: (fold.times >= _LEAST) * (fold.end - fold.first))  # fmt: skip
        fold = found if found.times >= _LEAST else Fold(first, 1, 1)
        yield fold
        first = fold.end


def _key(number: int, done: Done) -> object:
    """Return what repetitions have in common; one with a story of its own is like no other."""
    if done.ooms or done.began or done.deaths:
        return number
    return _NUMBER.sub("#", done.op.text), done.outcome, done.errno


def _times(keys: Sequence[object], first: int, period: int) -> int:
    times, at = 1, first + period
    while keys[at : at + period] == keys[first : first + period] and at + period <= len(keys):
        times, at = times + 1, at + period
    return times


def summed(done: Sequence[Done]) -> Done:
    """Return several operations as one: times and counters added up."""
    deltas: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for one in done:
        deltas.update(one.deltas)
        taken.update(one.taken)
    balances = tuple(map(sum, zip(*(one.balances for one in done), strict=True)))
    ages = [one.ages for one in done if one.ages]
    return replace(
        done[-1], us=sum(one.us for one in done), deltas=dict(deltas), taken=dict(taken), balances=balances,
        ages=ages[-1]._replace(
            scanned=sum(one.scanned for one in ages), made=sum(one.made for one in ages),
            spared=sum(one.spared for one in ages),
        ) if ages else None,
    )  # fmt: skip
