"""The units of memory, as types, and the conversions between them.

Inside the model everything is counted in :data:`Pages` and nanoseconds; a record holds what the kernel
prints (mostly :data:`Kib`); a view converts to bytes.
"""

from __future__ import annotations

from typing import NewType, overload

Pages = NewType("Pages", int)
"""A number of base pages (4096 bytes on x86-64)."""
Kib = NewType("Kib", int)
"""Kibibytes: what the kernel prints as ``kB``."""
Bytes = NewType("Bytes", int)

PAGE_SHIFT = 12
"""log2 of the page size of x86-64, the only architecture that the model runs."""
PAGE_BYTES = 1 << PAGE_SHIFT
PAGE_KIB = PAGE_BYTES >> 10


def kib(pages: int, page_shift: int = PAGE_SHIFT) -> Kib:
    """Return *pages* as the kernel prints them: ``num << (PAGE_SHIFT - 10)``, fs/proc/meminfo.c.

    >>> kib(3)
    12
    """
    return Kib(pages << (page_shift - 10))


def pages(kibibytes: int, page_shift: int = PAGE_SHIFT) -> Pages:
    """Return the whole pages in a figure that the kernel printed in kB.

    >>> pages(12)
    3
    """
    return Pages(kibibytes >> (page_shift - 10))


@overload
def bytes_of(kibibytes: int) -> int: ...


@overload
def bytes_of(kibibytes: int | None) -> int | None: ...


def bytes_of(kibibytes: int | None) -> int | None:
    """Return a figure in KiB as bytes; one that is not known stays so.

    >>> bytes_of(4), bytes_of(None)
    (4096, None)
    """
    return None if kibibytes is None else kibibytes << 10


def kib_of(size_bytes: int) -> Kib:
    """Return the whole KiB in *size_bytes*."""
    return Kib(size_bytes >> 10)
