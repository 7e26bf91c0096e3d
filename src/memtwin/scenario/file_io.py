"""The lines of reads and writes: ``fread`` and ``fwrite``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from memtwin.errors import quoted
from memtwin.scenario import lines as kinds
from memtwin.scenario.pace import WORDS, pace
from memtwin.scenario.patterns import Rand, Seq
from memtwin.scenario.shared import file as named_file
from memtwin.scenario.words import like
from memtwin.units import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.scenario.parser import _Body
    from memtwin.scenario.words import Line

MAX_INTO_BYTES: Final = 0x7FFFF000
"""Bytes of one read or write into a region, as the kernel has it (MAX_RW_COUNT)."""


@dataclass(frozen=True, slots=True)
class Into:
    """Where each call's data lies instead of the process's buffer of 1 MiB: from a page of a region on."""

    region: str
    offset_pages: int


def file_io(make: type[kinds.Fread | kinds.Fwrite]) -> Callable[[_Body, Line], kinds.Op]:
    """Return what parses one of the two."""
    verb = make.__name__.lower()

    def parse_op(body: _Body, line: Line) -> kinds.Op:
        usage = f"NAME {verb} FILE OFF LEN CHUNK [seq|rand:N:SEED] [into=REGION[+OFF]] [rate=SIZE/s] [think=TIME]"
        words = line.counted(usage, 6, 10)
        file = named_file(body, line, words[2])
        offset, length, chunk = (line.size(*pair) for pair in zip(words[3:6], ("OFF", "LEN", "CHUNK"), strict=True))
        options = [word for word in words[6:] if "=" in word]
        if options != words[len(words) - len(options) :] or len(words) - len(options) > 7:
            raise line.error("a pattern and then into=, rate= and think=")
        given = line.options(options, ("into", *WORDS))
        into = _into(body, line, given["into"]) if "into" in given else None
        if not 0 < chunk <= (MAX_INTO_BYTES if into else kinds.MAX_CHUNK_BYTES) or length % chunk:
            most = f"{MAX_INTO_BYTES} bytes" if into else "1M"
            raise line.error(f"CHUNK of at most {most} that divides LEN, not {quoted(words[5])}")
        pattern = line.pattern(words[6]) if len(words) - len(options) > 6 else Seq()
        if not isinstance(pattern, Seq | Rand):
            raise line.error("seq or rand:N:SEED: the other patterns are for touch")
        if not length and isinstance(pattern, Rand):
            raise line.error("LEN of at least a chunk to draw from")
        place = (line.index, line.lineno, line.text, words[0])
        return make(*place, file, offset, length, chunk, pattern, pace(line, given), into)

    return parse_op


def _into(body: _Body, line: Line, word: str) -> Into:
    region, _, offset = word.partition("+")
    known = body.regions[line.words[0]]
    if region not in known:
        hint = like(region, known) or f"map it with `{line.words[0]} mmap {region} SIZE`"
        raise line.error(f"into= a region that {line.words[0]} mapped before, not {quoted(region)}", hint=hint)
    return Into(region, line.whole_pages(offset or "0", "OFF") // PAGE_BYTES)
