"""The sections of the chapter on memory management that the lessons belong to, in its order."""

from __future__ import annotations

from typing import Final

WHAT: Final = "What is memory"
HIERARCHY: Final = "Memory hierarchy"
PAGES: Final = "Memory pages"
VIRTUAL: Final = "Virtual memory"
ALLOCATION: Final = "Memory allocation"
FRAGMENTATION: Final = "Fragmentation"
LEAK: Final = "Memory leak"
FILES: Final = "Files and commands"
TOP: Final = "top and htop"

SECTIONS: Final = (WHAT, HIERARCHY, PAGES, VIRTUAL, ALLOCATION, FRAGMENTATION, LEAK, FILES, TOP)
