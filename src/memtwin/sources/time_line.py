"""The moments of a machine that can be walked through: when, what was done, what happened, one figure over all."""

from __future__ import annotations

from typing import NamedTuple


class Operation(NamedTuple):
    """Something that was done to the machine, from one time to another, in seconds."""

    begin_s: float
    end_s: float
    text: str


class Event(NamedTuple):
    """Something that happened: memory ran out, reclaim began, a checkpoint was taken."""

    time_s: float
    text: str


class TimeLine(NamedTuple):
    """All moments, and which one is shown (*at*). *values* are of *figure*, a value a moment, None where not known.

    *badge* says which of several futures this is, *operation* what is done at the moment, *is_whole* whether all of it
    is known yet.
    """

    times_s: tuple[float, ...]
    at: int
    operations: tuple[Operation, ...] = ()
    events: tuple[Event, ...] = ()
    figure: str = ""
    values: tuple[float | None, ...] = ()
    badge: str = ""
    operation: str = ""
    is_whole: bool = True

    @property
    def time_s(self) -> float:
        """The time of the moment that is shown."""
        return self.times_s[self.at]
