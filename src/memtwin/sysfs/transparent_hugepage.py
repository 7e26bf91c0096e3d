r"""``/sys/kernel/mm/transparent_hugepage``: when huge pages are used, and khugepaged's settings and counts.

Layout: ``enabled`` and ``defrag`` have every word that may be written, the one in force in
brackets; the others a number.

>>> chosen("always [madvise] never")
'madvise'
>>> brackets(ENABLED_WORDS, "always"), brackets(DEFRAG_WORDS, "madvise")
('[always] madvise never\n', 'always defer defer+madvise [madvise] never\n')
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = ("mm/huge_memory.c", "v6.1")
PATH = "sys/kernel/mm/transparent_hugepage"
ENABLED = f"{PATH}/enabled"
DEFRAG = f"{PATH}/defrag"
USE_ZERO_PAGE = f"{PATH}/use_zero_page"
KHUGEPAGED = f"{PATH}/khugepaged"

SMALL_KIB: Final = (16, 32, 64, 128, 256, 512, 1024)
"""Sizes of huge pages below a PMD entry's, since 6.8."""
ENABLED_WORDS: Final = ("always", "madvise", "never")
DEFRAG_WORDS: Final = ("always", "defer", "defer+madvise", "madvise", "never")


def chosen(text: str) -> str | None:
    """Return the word in brackets; None: there is none."""
    found = re.search(r"\[([a-z+]{1,16})\]", text)
    return found[1] if found else None


def brackets(words: tuple[str, ...], word: str) -> str:
    """Return a file's text: all *words*, *word* in brackets."""
    return " ".join(f"[{one}]" if one == word else one for one in words) + "\n"


def enabled_of(size_kib: int) -> str:
    """Return the path of the file that says when huge pages of a size are used."""
    return f"{PATH}/hugepages-{size_kib}kB/enabled"


def small_sizes_on(texts: Mapping[str, str]) -> list[int]:
    """Return the sizes below a PMD entry's that a machine uses, in KiB; *inherit* is what ``enabled`` says."""
    words = {size: chosen(texts.get(enabled_of(size), "")) for size in SMALL_KIB}
    everywhere = chosen(texts.get(ENABLED, "")) or "never"
    return [size for size, word in words.items() if word and (everywhere if word == "inherit" else word) != "never"]
