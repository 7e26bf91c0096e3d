"""Quantities formatted for prose."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NS_PER_S = 1_000_000_000


def size(kib: int) -> str:
    """A size in the unit that suits it.

    >>> size(40), size(131072), size(3 << 20), size(7 << 30)
    ('40 KiB', '128 MiB', '3.0 GiB', '7.0 TiB')
    """
    if abs(kib) < 10 << 10:
        return f"{kib:,} KiB"
    if abs(kib) < 1 << 20:
        return f"{kib / 1024:,.0f} MiB"
    if abs(kib) < 1 << 30:
        return f"{kib / (1 << 20):,.1f} GiB"
    return f"{kib / (1 << 30):,.1f} TiB"


def seconds(ns: int) -> str:
    """A time that is read at a glance.

    >>> seconds(1_234_000_000), seconds(56_700_000), seconds(800_000)
    ('1.2 s', '57 ms', '1 ms')
    """
    return f"{ns / NS_PER_S:.1f} s" if ns >= NS_PER_S else f"{-(-ns // 1_000_000)} ms"


def count(number: int, what: str) -> str:
    """A number of things.

    >>> count(1, "page"), count(1200, "page"), count(2, "process")
    ('1 page', '1,200 pages', '2 processes')
    """
    return f"{number:,} {what}{'' if number == 1 else 'es' if what.endswith('s') else 's'}"


def listed(words: Iterable[str]) -> str:
    """Words as a list.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def capital(sentence: str) -> str:
    """The sentence with its first letter large; the others stay."""
    return sentence[:1].upper() + sentence[1:]
