"""One page of a live process by its address: what /proc/PID/pagemap says of it, and /proc/kpage* of its frame.

Frame numbers and the kernel's flags are for root (CAP_SYS_ADMIN); others read whether a page is there.

Follows Documentation/admin-guide/mm/pagemap.rst and include/uapi/linux/kernel-page-flags.h of Linux 6.1.
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

_ENTRY_BYTES: Final = 8
_PFN: Final = (1 << 55) - 1
FLAGS: Final = (
    "locked", "error", "referenced", "uptodate", "dirty", "lru", "active", "slab", "writeback", "reclaim", "buddy",
    "mmap", "anon", "swapcache", "swapbacked", "compound_head", "compound_tail", "huge", "unevictable", "hwpoison",
    "nopage", "ksm", "thp", "offline", "zero_page", "idle", "pgtable",
)  # fmt: skip
"""Names of the bits of /proc/kpageflags, the lowest first."""


class PageEntry(NamedTuple):
    """What is known of a page; None: not known, for lack of rights or because the page is not there."""

    present: bool
    swapped: bool
    shared_or_file: bool
    exclusive: bool
    frame: int | None
    swap_area: int | None
    slot: int | None
    mappings: int | None
    flags: tuple[str, ...] | None


def read(pid: int, address: int) -> PageEntry:
    """Return what pagemap has for an address of process *pid*; raises OSError where it may not be read."""
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    entry = _word(f"/proc/{pid}/pagemap", address // page_bytes)
    present, swapped = bool(entry >> 63 & 1), bool(entry >> 62 & 1)
    frame = entry & _PFN if present and entry & _PFN else None
    mappings, flags = _of_frame(frame) if frame is not None else (None, None)
    area, slot = (entry & 31, (entry & _PFN) >> 5) if swapped and entry & _PFN else (None, None)
    return PageEntry(present, swapped, bool(entry >> 61 & 1), bool(entry >> 56 & 1), frame, area, slot, mappings, flags)


def _of_frame(frame: int) -> tuple[int | None, tuple[str, ...] | None]:
    try:
        mappings, bits = _word("/proc/kpagecount", frame), _word("/proc/kpageflags", frame)
    except OSError:
        return None, None
    return mappings, tuple(name for bit, name in enumerate(FLAGS) if bits >> bit & 1)


def _word(path: str, index: int) -> int:
    """Return the 64-bit word at *index* of a file of the kernel's; 0 beyond its end."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return int.from_bytes(os.pread(file, _ENTRY_BYTES, index * _ENTRY_BYTES), "little")
    finally:
        os.close(file)
