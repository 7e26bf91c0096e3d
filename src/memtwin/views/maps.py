"""``maps``: the address space of a process, mapping by mapping, with rights, kind and what of each is resident.

The columns are those of ``pmap -X`` (procps 4.0), which prints what /proc/PID/smaps has; sums are over all mappings.
``Pss`` alone adds up over processes. The kind says what backs a mapping::

    code, data of a file     a file; r-x is code, private pages that were written are copies
    heap                     what brk gave malloc
    anonymous                private memory: malloc's large blocks, threads' arenas and stacks
    shared                   shared memory and files mapped shared: other processes may have the same pages
    stack, kernel            the main thread's; vdso and vvar
    reserved                 address space without rights: a guard, or room that is kept
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from memtwin.render.amount import KIB, column
from memtwin.render.grid import NUMBER, Column, Form, Grid, Sentence, View
from memtwin.units import Kib, bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.procfs.pid.maps import Mapping
    from memtwin.procfs.pid.smaps import Block, Smaps

SHOWN: Final = {
    "Rss": "RSS", "Pss": "PSS", "Pss_Dirty": "PSS_DIRTY", "Referenced": "REFERENCED", "Anonymous": "ANONYMOUS",
    "LazyFree": "LAZYFREE", "AnonHugePages": "HUGE", "Swap": "SWAP", "SwapPss": "SWAPPSS", "Locked": "LOCKED",
}  # fmt: skip
"""Rows of smaps that have a column, with its title; in a terminal those that are 0 throughout are left out."""
ALWAYS: Final = ("Rss", "Pss", "Swap")
WIDTH: Final = 48
"""Characters of a picture's longest line."""
FULL, SHARED, SWAPPED, ABSENT_ = "\u2588", "\u2592", "s", "\u00b7"
_KERNEL: Final = ("[vdso]", "[vvar]", "[vsyscall]", "[vvar_vclock]")


def kind_of(mapping: Mapping) -> str:
    """Return what backs a mapping, in a word or two."""
    path, perms = mapping.path, mapping.perms
    if path in _KERNEL:
        return "kernel"
    if path in {"[heap]", "[stack]"}:
        return str(path).strip("[]")
    if perms.startswith("---"):
        return "reserved"
    if perms.endswith("s"):
        return "shared"
    if path is None or path.startswith("[anon"):
        return "anonymous"
    return "code" if "x" in perms else "file"


def view(smaps: Smaps, *, picture: bool) -> View:
    """Return a row a mapping; with *picture* a drawing of each instead of figures, in a terminal."""
    labels = [label for label in SHOWN if any(block.kib(label) is not None for block in smaps.blocks)]
    rows = tuple(_row(block, labels) for block in smaps.blocks)
    if picture:
        return View("maps", (_grid(rows, labels, Form.DATA), _pictures(smaps.blocks)), (_LEGEND,))
    seen = [label for label in labels if label in ALWAYS or any(block.kib(label) for block in smaps.blocks)]
    shown = tuple(_row(block, seen) for block in smaps.blocks)
    return View(
        "maps", (_grid(rows, labels, Form.DATA), _grid((*shown, _sum(shown)), seen, Form.TERMINAL)), _said(rows)
    )


def _row(block: Block, labels: Sequence[str]) -> tuple[Any, ...]:
    m = block.mapping
    where = (f"{m.start:012x}", m.perms, f"{m.offset:08x}", f"{m.major:02x}:{m.minor:02x}", m.inode)
    amounts = (None if (kib := block.kib(label)) is None else bytes_of(kib) for label in labels)
    return (*where, bytes_of(Kib(m.size >> 10)), *amounts, kind_of(m), m.path or "")


def _sum(rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return the line below all others."""
    columns = list(zip(*rows, strict=True))[5:-2] if rows else []
    return ("sum", "", "", "", "", *(sum(cells) if None not in cells else None for cells in columns), "", "")


def _grid(rows: Sequence[tuple[Any, ...]], labels: Sequence[str], form: Form) -> Grid:
    columns = (
        Column("address", "ADDRESS"), Column("perms", "PERM"), Column("offset", "OFFSET", optional=True),
        Column("device", "DEVICE", optional=True), Column("inode", "INODE", NUMBER, optional=True),
        Column("size_bytes", "SIZE", KIB),
        *(Column(f"{SHOWN[label].lower()}_bytes", SHOWN[label], KIB) for label in labels),
        Column("kind", "KIND"), Column("mapping", "MAPPING", prose=True),
    )  # fmt: skip
    return Grid(columns, rows, name="mappings", form=form)


def _said(rows: Sequence[tuple[Any, ...]]) -> tuple[Sentence, ...]:
    """Say why some figures are missing, where they are."""
    if rows and len(rows[0]) > len(("where",) * 6) + 2:
        return ()
    return (Sentence("What of the mappings is resident is not known: smaps is not in these files.", ()),)


def _pictures(blocks: Sequence[Block]) -> Grid:
    """Return a line a mapping, its length by the logarithm of its size, and a line for each hole between two."""
    columns = (
        Column(None, "ADDRESS"), Column(None, "PERM"), Column(None, "SIZE"), Column(None, "KIND"),
        Column(None, "PAGES", width=WIDTH), Column(None, "MAPPING"),
    )  # fmt: skip
    return Grid(columns, tuple(_lines(blocks)), form=Form.TERMINAL)


def _lines(blocks: Sequence[Block]) -> Iterator[tuple[str, ...]]:
    end = None
    for block in blocks:
        m = block.mapping
        if end is not None and m.start > end:
            yield ("", "", column(m.start - end), "", "nothing is mapped", "")
        yield (f"{m.start:012x}", m.perms, column(m.size), kind_of(m), _picture(block), m.path or "")
        end = m.end


def _picture(block: Block) -> str:
    """Draw the shares of a mapping: its own pages, shared ones, those in swap, those that are nowhere.

    What is there has at least one character, and no two that are there one together.
    """
    size = block.mapping.size >> 10
    length = max(1, min(WIDTH, 3 * (max(size >> 2, 1)).bit_length()))
    shared = (block.kib("Shared_Clean") or 0) + (block.kib("Shared_Dirty") or 0)
    parts = ((FULL, (block.kib("Rss") or 0) - shared), (SHARED, shared), (SWAPPED, block.kib("Swap") or 0))
    drawn = "".join(sign * max(1, length * kib // max(size, 1)) for sign, kib in parts if kib > 0)[:WIDTH]
    return drawn.ljust(length, ABSENT_)


_LEGEND: Final = Sentence(
    f"{FULL} in memory, its own  {SHARED} in memory, shared with others  {SWAPPED} in swap  {ABSENT_} never touched, "
    "or on disk. Lines grow with the logarithm of the size.",
    ("proc/PID/smaps: Rss", "proc/PID/smaps: Swap"),
)
