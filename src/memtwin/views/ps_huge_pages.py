"""``ps -p PID --explain``: which of a process's memory is in huge pages, and why the rest is not.

Each private anonymous mapping is of one kind, by the first that fits::

    off            the machine uses no huge pages (enabled is never)
    excluded       the program said madvise(MADV_NOHUGEPAGE)
    not asked      enabled is madvise, and the program did not say MADV_HUGEPAGE
    too small      no aligned 2 MiB lie in it
    could          it fits: what is not in huge pages was touched where there was no free block of 2 MiB, or was split
                   since; khugepaged collapses it in time
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.render.amount import column
from memtwin.render.grid import Sentence
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.procfs.pid.smaps import Block, Smaps
    from memtwin.units import Kib

HUGE_BYTES: Final = 2 << 20
REASONS: Final = {
    "off": "huge pages are off on this machine (transparent_hugepage/enabled is never)",
    "excluded": "the program excluded them with madvise(MADV_NOHUGEPAGE)",
    "not asked": "enabled is madvise, and the program did not ask for huge pages with MADV_HUGEPAGE",
    "too small": "no aligned 2 MiB lie in the mapping",
    "could": "there was no free block of 2 MiB when they were touched, or the huge page was split since (a part was "
    "unmapped, swapped or copied); khugepaged collapses such ranges in time, `memtwin buddyinfo --order 9` shows the "
    "free blocks",
}
_ENABLED: Final = "sys/kernel/mm/transparent_hugepage/enabled"


def sentences(smaps: Smaps, enabled: str | None) -> Iterator[Sentence]:
    """Yield how much is in huge pages, and for what is not, why.

    *enabled*: the word in force, of transparent_hugepage/enabled; None: not known, then only mappings' own reasons.
    """
    found: dict[str, list[Block]] = {}
    anonymous = [block for block in smaps.blocks if _is_private_anonymous(block)]
    huge, resident = (sum(block.kib(row) or 0 for block in anonymous) for row in ("AnonHugePages", "Anonymous"))
    if not resident:
        return
    yield Sentence(
        f"Huge pages: {_size(huge)} of {_size(resident)} of private memory are in transparent huge pages.",
        ("proc/PID/smaps: AnonHugePages", "proc/PID/smaps: Anonymous"),
    )
    for block in anonymous:
        if (block.kib("Anonymous") or 0) > (block.kib("AnonHugePages") or 0):
            found.setdefault(reason(block, enabled), []).append(block)
    for why, blocks in found.items():
        small = sum((block.kib("Anonymous") or 0) - (block.kib("AnonHugePages") or 0) for block in blocks)
        mappings = "1 mapping" if len(blocks) == 1 else f"{len(blocks)} mappings"
        yield Sentence(
            f"In ordinary pages: {_size(small)} of {mappings}: {REASONS[why]}.", ("proc/PID/smaps: VmFlags", _ENABLED)
        )


def reason(block: Block, enabled: str | None) -> str:
    """Return the key of REASONS for a mapping of which some is in ordinary pages."""
    first = -(-block.mapping.start // HUGE_BYTES) * HUGE_BYTES
    if enabled == "never":
        return "off"
    if "nh" in block.vm_flags:
        return "excluded"
    if enabled == "madvise" and "hg" not in block.vm_flags:
        return "not asked"
    return "could" if first + HUGE_BYTES <= block.mapping.end else "too small"


def _is_private_anonymous(block: Block) -> bool:
    path = block.mapping.path
    return block.mapping.perms.endswith("p") and (path is None or path.startswith(("[anon", "[heap", "[stack")))


def _size(kib: int | Kib) -> str:
    return column(bytes_of(kib))
