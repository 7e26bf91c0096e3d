"""A scenario with one more operation: what a future differs by, so that it is an ordinary run of another text."""

from __future__ import annotations

import re

from memtwin.errors import MemtwinError, UsageError
from memtwin.run.run import refuse_what_cannot_be_done
from memtwin.scenario import Scenario, parse

_SWAPON = re.compile(r"swapon (\S+) ([0-9]+[KMGP]?)((?: \S+=\S+)*)")
_HINT = "sysctl vm.NAME=VALUE, NAME kill, swapon NAME 512M"
_HEADER = ("machine", "swap", "sysctl", "file", "tmpfs")


def inserted(scenario: Scenario, after: int, words: str) -> Scenario:
    """Return *scenario* with the operation *words* behind its first *after* operations.

    ``swapon NAME SIZE`` adds a disk of that size, which is off until then. Raise UsageError for what is no operation
    there.
    """
    lines = scenario.text.splitlines()
    at = scenario.ops[after].lineno - 1 if after < len(scenario.ops) else len(lines)
    new = words.strip()
    head = None
    if match := _SWAPON.fullmatch(new):
        head = f"swap disk name={match[1]} size={match[2]} on=0{match[3]}"
        new = f"swapon {match[1]}"
    edited = [*lines[:at], new, *lines[at:]]
    if head is not None:
        edited.insert(_end_of_header(lines), head)
    try:
        found = parse("".join(f"{line}\n" for line in edited), scenario.path)
        refuse_what_cannot_be_done(found)
    except MemtwinError as problem:
        raise UsageError(f"{words}: {problem}", hint="sysctl vm.NAME=VALUE, NAME kill, swapon NAME 512M") from None
    is_same = [op.text for op in found.ops[:after]] == [op.text for op in scenario.ops[:after]]
    if not is_same or len(found.ops) != len(scenario.ops) + 1:
        raise UsageError(f"{words}: is no operation", hint=_HINT)
    return found


def _end_of_header(lines: list[str]) -> int:
    """Return where a line of the header may be added: behind the last one, before the first operation."""
    last = 0
    for number, line in enumerate(lines):
        word = line.partition("#")[0].split()[:1]
        if word and word[0] not in _HEADER:
            break
        if word and word[0] != "sysctl":
            last = number + 1
    return last
