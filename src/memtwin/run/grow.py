"""``--grow NAME=SIZE[,over=TIME][,content=MIX]``: the commonest question as a scenario: a process of the machine grows.

The process gets so much more memory and writes it once, in order, 1 GiB in a second of the run, or all of it in TIME
(``10m``, ``90s``). Its contents compress as text does; with MIX as ``half``, or in shares: ``zero:10%+text:90%``, as
``memtwin zram-estimate`` finds them in real memory.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.errors import UsageError
from memtwin.machine import compressed_lengths
from memtwin.run.change import size_bytes
from memtwin.scenario import CONTENTS, Scenario, parse
from memtwin.units import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEAST_STEP_BYTES: Final = 64 << 20
MOST_STEPS: Final = 16
BYTES_PER_S: Final = 1 << 30
PREFIX: Final = "the-"
"""Before a process's name in the scenario: one may be called as an operation is."""
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,15}")


def scenario(words: Sequence[str]) -> Scenario:
    """Return the scenario of ``--grow`` words.

    >>> print(scenario(["nginx=128M"]).text, end="")
    attach the-nginx comm=nginx
    the-nginx mmap grown 128M
    the-nginx touch grown 0M 64M w seq content=text
    until 0.0625
    the-nginx touch grown 64M 64M w seq content=text
    until 0.125
    checkpoint grown
    """
    lines, steps = [], []
    for word in words:
        grown = _parsed(word)
        lines += [grown.attach, f"{grown.name} mmap grown {grown.size >> 20}M"]
        step = max(LEAST_STEP_BYTES, -(-grown.size // MOST_STEPS >> 20) << 20)
        for offset in range(0, grown.size, step):
            length = min(step, grown.size - offset)
            due = grown.over_s * (offset + length) / grown.size
            steps += [(due, line) for line in _touches(grown, offset, length)]
    for due, line in sorted(steps, key=lambda step: step[0]):
        until = f"until {due:.9f}".rstrip("0").rstrip(".")
        if lines[-1] == until:
            lines.pop()
        lines += [line, until]
    return parse("".join(f"{line}\n" for line in [*lines, "checkpoint grown"]), "--grow")


def _touches(grown: _Grown, offset: int, length: int) -> Iterator[str]:
    """Yield the writes of one step, a part for each content, in whole pages."""
    pages, begin, share = length // PAGE_BYTES, 0, 0
    for content, percent in grown.mix:
        share += percent
        end = pages * share // 100
        if end > begin:
            at, part = offset + begin * PAGE_BYTES, (end - begin) * PAGE_BYTES
            yield f"{grown.name} touch grown {_amount(at)} {_amount(part)} w seq content={content}"
        begin = end


def _amount(size: int) -> str:
    return f"{size >> 20}M" if not size % (1 << 20) else f"{size >> 10}K"


def mix_of(algorithm: str, same: float, whole: float, rest_mean: float) -> str:
    """Return the mix of contents that *algorithm* makes as much of as of real pages, for ``content=``.

    Shares *same* of pages of one word and *whole* of pages that do not compress; the rest has a mean length in bytes,
    for which text stands with pages that are nearly empty, or with such that do not compress.

    >>> mix_of("lz4", 0.14, 0.06, 1700.0)
    'zero:14%+mark:19%+text:61%+random:6%'
    """
    _, mark, text, _, _ = (length.mean for length in compressed_lengths.lengths(algorithm))
    zero, random = round(100 * same), round(100 * whole)
    rest = 100 - zero - random
    light = round(rest * min(max((text - rest_mean) / (text - mark), 0.0), 1.0))
    heavy = round(rest * min(max((rest_mean - text) / (PAGE_BYTES - text), 0.0), 1.0))
    shares = {"zero": zero, "mark": light, "text": rest - light - heavy, "random": random + heavy}
    return "+".join(f"{content}:{percent}%" for content, percent in shares.items() if percent)


class _Grown(NamedTuple):
    """One ``--grow``: the attach line, the process's name in the scenario, bytes in whole MiB, seconds, contents."""

    attach: str
    name: str
    size: int
    over_s: float
    mix: tuple[tuple[str, int], ...]


def _parsed(word: str) -> _Grown:
    name, _, rest = word.partition("=")
    amount, *options = rest.split(",")
    size = size_bytes(amount)
    if not size or size % (1 << 20):
        raise UsageError(f"--grow {word}: expected NAME=SIZE in whole MiB", hint="for example --grow nginx=4G,over=10m")
    over_s = size / BYTES_PER_S
    mix: tuple[tuple[str, int], ...] = (("text", 100),)
    for option in options:
        key, _, value = option.partition("=")
        match = re.fullmatch(r"([0-9]{1,6})([smh]?)", value)
        if key == "over" and match and int(match[1]):
            over_s = float(int(match[1]) * _UNITS[match[2]])
        elif key == "content":
            mix = _mix(word, value)
        else:
            raise UsageError(f"--grow {word}: expected over=TIME or content=MIX", hint="for example over=10m, over=90s")
    if name.isdecimal() and name.isascii():
        return _Grown(f"attach p{name} pid={name}", f"p{name}", size, over_s, mix)
    if not _NAME.fullmatch(name):
        raise UsageError(f"--grow {word}: expected a process's name or its pid", hint="memtwin ps lists them")
    return _Grown(f"attach {PREFIX}{name} comm={name}", f"{PREFIX}{name}", size, over_s, mix)


def shares(mix: str) -> tuple[tuple[str, int], ...]:
    """Return the contents of a MIX with their shares in percent.

    >>> shares("zero:10%+text:90%")
    (('zero', 10), ('text', 90))
    """
    return _mix(mix, mix)


def _mix(word: str, value: str) -> tuple[tuple[str, int], ...]:
    """Read ``half``, or ``zero:10%+text:90%``: contents and their shares, which add up to 100 %."""
    parts = [re.fullmatch(r"([a-z]+)(?::([0-9]{1,3})%)?", part) for part in value.split("+")]
    found = tuple((part[1], int(part[2] or 100)) for part in parts if part and part[1] in CONTENTS)
    if len(found) != len(parts) or sum(percent for _, percent in found) != 100:
        known = ", ".join(CONTENTS)
        raise UsageError(
            f"--grow {word}: expected content=MIX of {known}, 100 % in all", hint="content=zero:10%+text:90%"
        )
    return found
