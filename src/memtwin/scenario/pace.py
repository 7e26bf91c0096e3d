"""How fast a process goes about an operation: at a rate of its own, or with pauses to think."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from memtwin.errors import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.scenario.words import Line

WORDS: Final = ("rate", "think")
"""Options of ``touch``, ``fread`` and ``fwrite``."""
MAX_RATE: Final = 16 << 30
"""Bytes a second; faster than any memory that the model has."""
AHEAD_NS: Final = 10_000_000
"""A process that is ahead of its rate by this much sleeps until it is even."""
_TIME: Final = re.compile(r"([0-9]{1,9})(us|ms|s)")
_NS: Final = {"us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Pace:
    """*bytes_per_s* 0: as fast as it can; *think_ns*: how long it sleeps after each page, or each read or write."""

    bytes_per_s: int = 0
    think_ns: int = 0


UNPACED: Final = Pace()


def pace(line: Line, given: Mapping[str, str]) -> Pace:
    """Return the pace that the options of a line say; raises a ScenarioError for a rate or a pause that is none."""
    return Pace(_rate(line, given["rate"]) if "rate" in given else 0, time_ns(line, given.get("think", "0s"), "think"))


def _rate(line: Line, word: str) -> int:
    size, per_second, rest = word.partition("/s")
    if not per_second or rest:
        raise line.error(f"rate= as bytes a second such as 50M/s, not {quoted(word)}")
    rate = line.size(size, "rate")
    if not 1 <= rate <= MAX_RATE:
        raise line.error(f"a rate of 1/s to 16G/s, not {quoted(word)}")
    return rate


def time_ns(line: Line, word: str, what: str) -> int:
    """Return a time such as 500us in nanoseconds."""
    match = _TIME.fullmatch(word)
    if not match:
        raise line.error(f"{what}= as a time such as 500us, 2ms or 1s, not {quoted(word)}")
    return int(match[1]) * _NS[match[2]]
