"""Time stamps as numbers, so that what stands near an event in time is found."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ISO = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?\s?([+-]\d\d:?\d\d)?")
_NAMED = re.compile(r"(?:\S{1,12} )?([^\W\d_]{2,12}\.?|\d{1,2}月)\s{1,2}(\d{1,2})\.? (?:\d{4} )?(\d\d):(\d\d):(\d\d)")
_DAY_FIRST = re.compile(r"(\d{1,2})[./ ]{1,2}([^\W\d_]{2,12}\.?)[/ :]{1,2}(?:\d{4}[ :])?(\d\d):(\d\d):(\d\d)")
_NUMBERS = re.compile(r"(?:[IWEF]|\d{4}-)?(\d\d)[-/]?(\d\d)(?:[-/]\d{2,4})? (\d\d):(\d\d):(\d\d)")
_CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)(?:[.,]\d{1,9})?")


@lru_cache(maxsize=1024)
def seconds(stamp: str | None) -> tuple[str, float] | None:
    """Return a stamp as (kind of clock, seconds), to be compared with its like; None if it is of another kind.

    >>> seconds("  123.5"), seconds("May 28 16:05:50"), seconds("03-14 02:11:05.342")
    (('uptime', 123.5), ('day', 13190750.0), ('day', 6574265.0))
    >>> seconds("2026-03-14T02:11:05Z") == seconds("2026-03-14 03:11:05+01:00") == seconds("2026/03/14 02:11:05")
    True
    """
    text = (stamp or "").strip()
    if re.fullmatch(r"\d{1,12}\.\d{1,9}", text):
        return "uptime", float(text)
    iso = _ISO.match(text)
    if iso:
        return _date(iso)
    day = _NAMED.match(text)
    if day:
        return _day(day[1], day[2], *day.groups()[2:])
    day = _DAY_FIRST.match(text)
    if day:
        return _day(day[2], day[1], *day.groups()[2:])
    day = _NUMBERS.match(text)
    if day:
        return "day", _of_day(*day.groups()[2:]) + ((int(day[1]) - 1) * 31 + int(day[2])) * 86400.0
    clock = _CLOCK.match(text)
    return ("clock", _of_day(*clock.groups())) if clock else None


def _date(iso: re.Match[str]) -> tuple[str, float] | None:
    from datetime import datetime

    zone = (iso[5] or "+0000").replace(":", "")
    try:
        when = datetime.strptime(f"{iso[1]}-{iso[2]}-{iso[3]} {iso[4]} {zone}", "%Y-%m-%d %H:%M:%S %z")
        return "date", when.timestamp()
    except (ValueError, OverflowError):
        return None


def _day(month: str, day: str, *clock: str) -> tuple[str, float]:
    """Return a stamp without its year; a month of another language is a clock of its own each day."""
    name = month[:3]
    if name in _MONTHS:
        return "day", (_MONTHS.index(name) * 31 + int(day)) * 86400.0 + _of_day(*clock)
    return f"day of {month} {int(day)}", _of_day(*clock)


def _of_day(hours: str, minutes: str, rest: str) -> float:
    return float((int(hours) * 60 + int(minutes)) * 60 + int(rest))
