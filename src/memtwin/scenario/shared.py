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

MOUNT: Final = re.compile("[a-z][a-z0-9]{0,14}")
RESERVED: Final = ("data", "dev", "f", "init", "m", "proc", "sys", "worker", "heap")
"""What the root directory of the lab's guest has."""
MOST_TMPFS: Final = 7
"""Beside tmp, if the header does not have it."""
FILE: Final = re.compile(rf"(?:{MOUNT.pattern}/)?[A-Za-z0-9_][A-Za-z0-9_.-]{{0,62}}")
KEY: Final = re.compile(rf"(?:{kinds.MEMFD})?[A-Za-z0-9_][A-Za-z0-9_.-]{{0,30}}")


def take_tmpfs(line: Line, mounted: dict[str, int]) -> None:
    """Parse a header line of a tmpfs, and note its size in bytes."""
    words = line.counted("tmpfs [NAME] size=SIZE", 2, 3)
    name = words[1] if len(words) > 2 else kinds.TMPFS
    given = line.options(words[len(words) - 1 :], ("size",))
    if not MOUNT.fullmatch(name) or name in RESERVED:
        raise line.error(f"a name for the tmpfs that no other file system has, of small letters, not {quoted(name)}")
    if name in mounted:
        raise line.error(f"one line for the tmpfs {name}")
    if len(mounted) == MOST_TMPFS:
        raise line.error(f"at most {MOST_TMPFS} tmpfs")
    mounted[name] = line.whole_pages(given["size"], "size")
    if not mounted[name]:
        raise line.error("a tmpfs of at least a page", hint="to the kernel 0 means without a limit")


def file(body: _Body, line: Line, word: str) -> str:
    """Return the name of a file: of the data disk, or MOUNT/FILE of a tmpfs that the header has."""
    name = line.named(word, "a file's name", FILE)
    mount, slash, _ = name.partition("/")
    if slash and mount != kinds.TMPFS and mount not in body.header.tmpfs:
        hint = like(mount, body.header.tmpfs) or f"a header line `tmpfs {mount} size=SIZE` mounts it"
        raise line.error(f"a tmpfs of the header before the slash, not {quoted(mount)}", hint=hint)
    return name


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
    if name not in body.keys and not ("/" in name and FILE.fullmatch(name)):
        hint = like(name, body.keys) or "files of the data disk stay"
        raise line.error(f"a key of shared memory, or a file of the tmpfs, tmp/FILE, not {quoted(name)}", hint=hint)
    return kinds.Unlink(line.index, line.lineno, line.text, words[0], name)
