"""How long a page becomes when it is compressed: by algorithm and by what the page holds.

Means and spreads (standard deviations) in bytes of the scenario language's contents.  What is 3,257 or more zram
stores as it is, so the values for random pages only have to be large.
"""

from __future__ import annotations

from typing import NamedTuple


class Length(NamedTuple):
    """Mean and standard deviation of the compressed length, bytes."""

    mean: int
    spread: int


ALGORITHMS = ("lzo", "lzo-rle", "lz4", "lz4hc", "zstd", "842", "deflate")
"""In the order of the model's numbers."""

TABLE: dict[str, tuple[Length, Length, Length, Length, Length]] = {
    "lzo": (Length(30, 0), Length(44, 1), Length(1829, 19), Length(2213, 1), Length(4113, 0)),
    "lzo-rle": (Length(30, 0), Length(41, 1), Length(1831, 19), Length(2150, 1), Length(4113, 0)),
    "lz4": (Length(30, 0), Length(31, 0), Length(2229, 26), Length(2082, 1), Length(4113, 0)),
    "zstd": (Length(19, 0), Length(23, 0), Length(1358, 14), Length(2074, 1), Length(4106, 0)),
}
"""Zero, mark, text, half, random.

Means of mark, text and half as ``lab/compressed_lengths.py`` reads them from mm_stat in recordings 103 to 106, which
swap out one content after the other; spreads of lz4 and zstd by the same script from their libraries.
"""


def lengths(algorithm: str) -> tuple[Length, ...]:
    """Return the table of an algorithm; one that was not measured compresses like lzo-rle."""
    return TABLE.get(algorithm, TABLE["lzo-rle"])
