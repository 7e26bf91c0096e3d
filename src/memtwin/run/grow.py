"""``--grow NAME=SIZE[,over=TIME]``: the commonest question as a scenario: a process of the machine grows.

The process gets so much more memory and writes it once, in order, with contents that compress as text does, 1 GiB in a
second of the run, or all of it in TIME (``10m``, ``90s``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memtwin.errors import UsageError
from memtwin.run.change import size_bytes
from memtwin.scenario import Scenario, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        who, name, size, over_s = _parsed(word)
        lines += [who, f"{name} mmap grown {size >> 20}M"]
        step = max(LEAST_STEP_BYTES, -(-size // MOST_STEPS >> 20) << 20)
        for offset in range(0, size, step):
            length = min(step, size - offset)
            due = over_s * (offset + length) / size
            steps.append((due, f"{name} touch grown {offset >> 20}M {length >> 20}M w seq content=text"))
    for due, line in sorted(steps, key=lambda step: step[0]):
        lines += [line, f"until {due:.9f}".rstrip("0").rstrip(".")]
    return parse("".join(f"{line}\n" for line in [*lines, "checkpoint grown"]), "--grow")


def _parsed(word: str) -> tuple[str, str, int, float]:
    """Return the attach line, the process's name in the scenario, bytes in whole MiB, and seconds."""
    name, _, rest = word.partition("=")
    amount, comma, option = rest.partition(",")
    size = size_bytes(amount)
    if not size or size % (1 << 20):
        raise UsageError(f"--grow {word}: expected NAME=SIZE in whole MiB", hint="for example --grow nginx=4G,over=10m")
    over_s = size / BYTES_PER_S
    match = re.fullmatch(r"over=([0-9]{1,6})([smh]?)", option)
    if comma and not (match and int(match[1])):
        raise UsageError(f"--grow {word}: expected over=TIME", hint="for example over=10m, over=90s")
    if match:
        over_s = float(int(match[1]) * _UNITS[match[2]])
    if name.isdecimal() and name.isascii():
        return f"attach p{name} pid={name}", f"p{name}", size, over_s
    if not _NAME.fullmatch(name):
        raise UsageError(f"--grow {word}: expected a process's name or its pid", hint="memtwin ps lists them")
    return f"attach {PREFIX}{name} comm={name}", f"{PREFIX}{name}", size, over_s
