"""The integer square root.

Follows lib/math/int_sqrt.c of Linux 6.1.
"""

import cython

SOURCE = "lib/math/int_sqrt.c", "v6.1"


def int_sqrt(x: u64) -> u64:
    """The integer square root."""
    root: u64 = 0
    bit: u64 = cython.cast(u64, 1) << 30
    while bit:
        if (root + bit) * (root + bit) <= x:
            root += bit
        bit >>= 1
    return root
