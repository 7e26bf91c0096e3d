"""How amounts are written, by named styles; each style takes the number that a cell holds (sizes: bytes).

========== ======================= ============================================================
style      123,456 KiB             where
========== ======================= ============================================================
kib        123456                  columns of sheets that are to be added up
prose      121 MiB                 sentences (``render.words.size``, which takes KiB)
column     121M                    columns of processes: at most five characters
util_linux 120.6M                  ``swapon --show``
procps     121, 120Mi, 126418944   ``free``, by its options
========== ======================= ============================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.grid import Style, Value
from memtwin.render.words import size
from memtwin.units import kib_of

if TYPE_CHECKING:
    from collections.abc import Callable

_PREFIXES: Final = "KMGTP"
_SIGN: Final = 1 << 63
"""procps counts bytes in signed 64 bits: what a container's filter prints as 2^54 - 1 kB is -1 kB there."""


class Scale(NamedTuple):
    """How ``free`` writes a number: in base**power bytes, or *human*, in the unit that gives four characters."""

    power: int = 1
    base: int = 1024
    human: bool = False


def column(size_bytes: int) -> str:
    """Return a size in at most five characters.

    >>> column(836 << 10), column(12_345 << 10), column(7_340_032 << 10)
    ('836K', '12.1M', '7.0G')
    """
    kib = size_bytes >> 10
    if kib < 1000:
        return f"{kib}K"
    scaled = float(kib)
    for unit in "MGTP":
        scaled /= 1024
        if scaled < 1000:
            return f"{scaled:.1f}{unit}" if scaled < 100 else f"{scaled:.0f}{unit}"
    return f"{scaled:.0f}P"


def util_linux(size_bytes: int) -> str:
    """Return a size with one decimal, when that is not 0, and the unit's letter, E at most.

    >>> util_linux(1_073_737_728), util_linux(59144 * 1024), util_linux(0), util_linux(1 << 71)
    ('1024M', '57.8M', '0B', '2048E')
    """
    power = min(max(size_bytes.bit_length() - 1, 0) // 10, len(_PREFIXES) + 1)
    whole, rest = divmod(size_bytes, 1 << 10 * power)
    tenths = (rest * 1000 // (1 << 10 * power) + 50) // 100
    if tenths == 10:
        whole, tenths = whole + 1, 0
    prefix = f"B{_PREFIXES}E"[power]
    return f"{whole}.{tenths}{prefix}" if tenths else f"{whole}{prefix}"


def procps(size_bytes: int, scale: Scale) -> str:
    """Return a size as ``free`` writes it.

    >>> procps(8_053_064 << 10, Scale(human=True)), procps(8_053_064 << 10, Scale(2))
    ('7.7Gi', '7864')
    """
    wrapped = (size_bytes + _SIGN) % (2 * _SIGN) - _SIGN
    if scale.human:
        return _four_characters(wrapped, scale.base)
    return str(wrapped if scale.power == 0 else int(wrapped / scale.base**scale.power))


def block(size_bytes: int) -> str:
    """Return the size of a block of pages.

    >>> block(4096), block(2 << 20)
    ('4K', '2M')
    """
    return f"{size_bytes >> 20}M" if size_bytes >= 1 << 20 else f"{size_bytes >> 10}K"


def duration(seconds: int) -> str:
    """Return an age in two units.

    >>> duration(59), duration(3700), duration(100_000)
    ('0m59s', '1h01m', '1d03h')
    """
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days}d{hours % 24:02}h"
    return f"{hours}h{minutes % 60:02}m" if hours else f"{minutes}m{seconds % 60:02}s"


def _right(write: Callable[[Value], str]) -> Style:
    return Style(write, "right")


KIB: Final = _right(lambda size_bytes: str(kib_of(size_bytes)))
KIB_K: Final = _right(lambda size_bytes: f"{kib_of(size_bytes)}K")
KIB_CHANGE: Final = _right(lambda change_bytes: f"{kib_of(change_bytes):+d}")
KIB_K_CHANGE: Final = _right(lambda change_bytes: f"{kib_of(change_bytes):+d}K")
COLUMN: Final = _right(column)
PROSE: Final = _right(lambda size_bytes: size(kib_of(size_bytes)))
UTIL_LINUX: Final = _right(util_linux)
PERCENT: Final = _right(lambda share: f"{share:.0f}%")
PERCENT_1: Final = _right(lambda share: f"{share:.1f}%")
PERCENT_2: Final = _right(lambda share: f"{share:.2f}%")
TENTHS: Final = _right(lambda number: f"{number:.1f}")
HUNDREDTHS: Final = _right(lambda number: f"{number:.2f}")
DURATION: Final = _right(duration)


def _four_characters(size_bytes: int, base: int) -> str:
    """Return the first of one decimal and none, K and up, that has four characters, not counting an ``i``."""
    from struct import pack, unpack

    written = f"{size_bytes}B"
    mark = "" if base == 1000 else "i"
    for power, prefix in enumerate(_PREFIXES, 1):
        if len(written.removesuffix(mark)) <= 4:
            break
        scaled = size_bytes / base**power
        (single,) = unpack("f", pack("f", scaled))  # the tool rounds a C float
        written = f"{single:.1f}{prefix}{mark}"
        if len(written) > 4 + len(mark):
            written = f"{int(scaled)}{prefix}{mark}"
    return written
