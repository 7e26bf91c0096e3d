"""The lines of shared memory: ``tmpfs``, ``shm``, ``unlink``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memtwin.errors import quoted
from memtwin.scenario import lines as kinds
from memtwin.scenario.words import like

if TYPE_CHECKING:
    from memtwin.scenario.parser import _Body
    from memtwin.scenario.words import Line

FILE: Final = re.compile(rf"(?:{kinds.TMPFS})?[A-Za-z0-9_][A-Za-z0-9_.-]{{0,62}}")
KEY: Final = re.compile(rf"(?:{kinds.MEMFD})?[A-Za-z0-9_][A-Za-z0-9_.-]{{0,30}}")


def tmpfs(line: Line) -> int:
    """Parse the header line of the tmpfs; returns its size in bytes."""
    given = line.options(line.counted("tmpfs size=SIZE", 2, 2)[1:], ("size",))
    size_bytes = line.whole_pages(given["size"], "size")
    if not size_bytes:
        raise line.error("a tmpfs of at least a page", hint="to the kernel 0 means without a limit")
    return size_bytes


def shm(body: _Body, line: Line) -> kinds.Op:
    """Parse a mapping of shared memory."""
    usage = "NAME shm REGION SIZE [as KEY]` or `NAME shm REGION as KEY"
    words = line.counted(usage, 4, 6)
    sized = words[3] != "as"
    if len(words) - sized not in ({3, 5} if sized else {5}) or (len(words) > 4 and words[-2] != "as"):
        raise line.error(f"`{usage}`")
    size_bytes = line.whole_pages(words[3], "SIZE") if sized else None
    key = line.named(words[-1], "a key", KEY) if len(words) > 4 else None
    if key:
        body.keys.add(key)
    return kinds.Shm(line.index, line.lineno, line.text, words[0], body.map_region(line), size_bytes, key)


def unlink(body: _Body, line: Line) -> kinds.Op:
    """Parse the removal of a name."""
    words = line.counted("NAME unlink KEY|tmp/FILE", 3, 3)
    name = words[2]
    if name not in body.keys and not (name.startswith(kinds.TMPFS) and FILE.fullmatch(name)):
        hint = like(name, body.keys) or "files of the data disk stay"
        raise line.error(f"a key of shared memory, or a file of the tmpfs, tmp/FILE, not {quoted(name)}", hint=hint)
    return kinds.Unlink(line.index, line.lineno, line.text, words[0], name)
