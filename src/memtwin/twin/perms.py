"""The rights of an area as maps prints them."""

from __future__ import annotations

from memtwin.linux.core import mm_types as t


def perms_of(flags: int) -> str:
    """Return ``rw-p`` and its like for the kernel's VM_ flags."""
    letters = ("r", t.VM_READ), ("w", t.VM_WRITE), ("x", t.VM_EXEC)
    shown = "".join(letter if flags & bit else "-" for letter, bit in letters)
    return shown + ("s" if flags & t.VM_SHARED else "p")
