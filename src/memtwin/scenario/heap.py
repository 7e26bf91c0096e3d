"""The lines of the C library's allocator: ``malloc``, ``realloc``, ``free``, ``malloc_trim``, ``mallopt``, threads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memtwin.errors import quoted
from memtwin.scenario import lines as kinds
from memtwin.scenario.words import like

if TYPE_CHECKING:
    from memtwin.scenario.parser import _Body
    from memtwin.scenario.words import Line

TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,22}")
MOST_BLOCKS: Final = 1_000_000
"""Blocks that one ``malloc`` may ask for."""
MOST_BYTES: Final = 1 << 40
OF_THREADS: Final = ("malloc", "realloc", "free")
"""What a thread can do by itself; all else its process does."""


def process_of(body: _Body, line: Line) -> tuple[str, str]:
    """Return the process of a line, and its thread; "": the main one."""
    name = line.words[0]
    return (body.threads[name], name) if name in body.threads else (name, "")


def malloc(body: _Body, line: Line) -> kinds.Op:
    """Parse the allocation of blocks."""
    words = line.counted("NAME malloc TAG SIZE [xN] [untouched]", 4, 6)
    proc, thread = process_of(body, line)
    if proc in body.breaks:
        raise line.error("a process that does not use brk: malloc moves the end of its data itself")
    tag, size_bytes = line.named(words[2], "a tag", TAG), line.size(words[3], "SIZE")
    if size_bytes > MOST_BYTES:
        raise line.error("blocks of at most 1024G")
    rest = words[4:]
    untouched = rest[-1:] == ["untouched"]
    rest = rest[:-1] if untouched else rest
    if len(rest) > 1 or (rest and not rest[0].startswith("x")):
        raise line.error(f"xN, untouched, or both in this order, not {quoted(' '.join(words[4:]))}")
    count = line.integer(rest[0][1:], "N", 1, MOST_BLOCKS) if rest else 1
    body.tags.setdefault(proc, set()).add(tag)
    return kinds.Malloc(line.index, line.lineno, line.text, proc, tag, size_bytes, count, untouched, thread)


def free(body: _Body, line: Line) -> kinds.Op:
    """Parse the freeing of blocks."""
    words = line.counted("NAME free TAG [every:K]", 3, 4)
    proc, thread = process_of(body, line)
    tag = _known_tag(body, line, proc)
    every = _every(line, words[3]) if len(words) > 3 else 1
    return kinds.Free(line.index, line.lineno, line.text, proc, tag, every, thread)


def _known_tag(body: _Body, line: Line, proc: str) -> str:
    """Return the tag of a line, of blocks that were allocated before."""
    tag, known = line.words[2], body.tags.get(proc, set())
    if tag not in known:
        raise line.error(f"blocks that {proc} allocated before, not {quoted(tag)}", hint=like(tag, known))
    return tag


def _every(line: Line, word: str) -> int:
    kind, _, number = word.partition(":")
    if kind != "every":
        raise line.error(f"`every:K`, not {quoted(word)}")
    return line.integer(number, "K", 1, MOST_BLOCKS)


def realloc(body: _Body, line: Line) -> kinds.Op:
    """Parse a change of the size of blocks."""
    words = line.counted("NAME realloc TAG SIZE [every:K] [untouched]", 4, 6)
    proc, thread = process_of(body, line)
    tag, size_bytes = _known_tag(body, line, proc), line.size(words[3], "SIZE")
    if not 0 < size_bytes <= MOST_BYTES:
        raise line.error("blocks of at least 1 byte and at most 1024G")
    rest = words[4:]
    untouched = rest[-1:] == ["untouched"]
    rest = rest[:-1] if untouched else rest
    if len(rest) > 1:
        raise line.error(f"every:K, untouched, or both in this order, not {quoted(' '.join(words[4:]))}")
    every = _every(line, rest[0]) if rest else 1
    return kinds.Realloc(line.index, line.lineno, line.text, proc, tag, size_bytes, every, untouched, thread)


def malloc_trim(_body: _Body, line: Line) -> kinds.Op:
    """Parse a trim."""
    line.counted("NAME malloc_trim", 2, 2)
    return kinds.MallocTrim(line.index, line.lineno, line.text, line.words[0])


def mallopt(_body: _Body, line: Line) -> kinds.Op:
    """Parse a parameter of malloc."""
    words = line.counted("NAME mallopt PARAMETER VALUE", 4, 4)
    parameter = line.one_of(words[2], "a parameter of malloc", kinds.MALLOPT)
    value = line.integer(words[3], "VALUE", 1, 1024) if parameter == "arena_max" else line.size(words[3], "VALUE")
    return kinds.Mallopt(line.index, line.lineno, line.text, words[0], parameter, value)


def thread(body: _Body, line: Line) -> kinds.Op:
    """Parse the start of a thread, whose name no process has."""
    words = line.counted("NAME thread T", 3, 3)
    name = body.fresh_process(line, words[2])
    body.threads[name] = words[0]
    return kinds.ThreadStart(line.index, line.lineno, line.text, words[0], name)
