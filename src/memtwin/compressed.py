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
    "lzo-rle": (Length(30, 0), Length(41, 1), Length(1831, 19), Length(2149, 1), Length(4113, 0)),
    "lz4": (Length(30, 0), Length(31, 0), Length(2229, 26), Length(2081, 1), Length(4113, 0)),
    "zstd": (Length(19, 0), Length(23, 0), Length(1357, 14), Length(2074, 1), Length(4106, 0)),
}
"""Zero, mark, text, half, random.

Mean of mark, text and half: what mm_stat of a Linux 6.1 says (compr_data_size a page) of a zram swap area that holds
one kind of content only; the spread of lz4 and zstd from their libraries over 400 pages.
"""


def lengths(algorithm: str) -> tuple[Length, ...]:
    """Return the table of an algorithm; one that was not measured compresses like lzo-rle."""
    return TABLE.get(algorithm, TABLE["lzo-rle"])
