"""``page``: the way of one virtual page through the page table, to its frame, its slot, or nowhere.

On x86-64 four tables of 512 entries lead to a page: nine bits of the address choose an entry of each, the last twelve
the byte in the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.render.grid import Column, Form, Grid, Sentence, View, figures
from memtwin.views.maps import kind_of

if TYPE_CHECKING:
    from memtwin.procfs.pid.maps import Mapping
    from memtwin.sources.pagemap import PageEntry

LEVELS: Final = ("PGD", "PUD", "PMD", "PTE")
BITS: Final = 9
OFFSET_BITS: Final = 12


def path(address: int) -> tuple[int, ...]:
    """Return the index into each table, the upper first.

    >>> path(0x7FFFF7FFD123)
    (255, 511, 447, 509)
    """
    return tuple(address >> (OFFSET_BITS + BITS * level) & (1 << BITS) - 1 for level in (3, 2, 1, 0))


def view(address: int, mapping: Mapping, entry: PageEntry) -> View:
    """Return the tables' entries, where the page is, and what the kernel says of its frame."""
    steps = path(address)
    rows = tuple(zip(LEVELS, steps, strict=True))
    tables = Grid((Column("table", "TABLE"), Column("entry", "ENTRY")), rows, name="walk")
    where = entry.frame if entry.frame is not None else None
    data = figures(
        address=f"{address:#x}", mapping=mapping.path or "", perms=mapping.perms, kind=kind_of(mapping),
        present=entry.present, swapped=entry.swapped, frame=where, swap_area=entry.swap_area, slot=entry.slot,
        mappings=entry.mappings, exclusive=entry.exclusive,
        flags=" ".join(entry.flags) if entry.flags is not None else None,
    )  # fmt: skip
    return View("page", (data, tables._replace(form=Form.ALL)), (_where(address, mapping, entry),))


def _where(address: int, mapping: Mapping, entry: PageEntry) -> Sentence:
    """Say in a sentence where the page is."""
    of = mapping.path or "anonymous memory"
    said = f"{address:#x} is byte {address & 0xFFF} of a page of {of} ({mapping.perms})"
    if entry.present:
        frame = f"frame {entry.frame:,}" if entry.frame is not None else "a frame whose number only root may read"
        others = f", mapped {entry.mappings} times" if entry.mappings is not None else ""
        alone = ", by this process alone" if entry.exclusive and not others else ""
        return Sentence(f"{said}: in memory, {frame}{others}{alone}.", ("proc/PID/pagemap",))
    if entry.swapped:
        slot = f"slot {entry.slot:,} of area {entry.swap_area}" if entry.slot is not None else "a slot"
        return Sentence(f"{said}: in swap, {slot}.", ("proc/PID/pagemap",))
    nowhere = "on its file, or zeroes at the first touch" if mapping.path else "zeroes at the first touch"
    return Sentence(f"{said}: not in memory. It is {nowhere}.", ("proc/PID/pagemap",))
