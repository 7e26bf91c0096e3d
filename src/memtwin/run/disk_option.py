"""``--disk``: what the disk that files lie on can do, over a scenario's ``disk`` line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memtwin.errors import ScenarioError, UsageError
from memtwin.scenario import parse
from memtwin.scenario.disk import FIELDS, DataDisk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memtwin.scenario import Scenario

HINT = "as --disk data=read=510M,write=420M,latency=80us: the words of a scenario's `disk data` line"


def with_disks(scenario: Scenario, words: Iterable[str]) -> Scenario:
    """Return the scenario with the disk that *words* describe; what they do not name stays as its line says.

    Raise UsageError for what a ``disk`` line would refuse.
    """
    disk = scenario.disk
    for word in words:
        name, _, given = word.partition("=")
        parts = given.replace(",", " ").split()
        line = _read(word, " ".join(["disk", name, *parts]))
        named = {part.partition("=")[0] for part in parts}
        disk = replace(disk or DataDisk(), **{FIELDS[key]: getattr(line, FIELDS[key]) for key in named})
    return replace(scenario, disk=disk)


def _read(word: str, line: str) -> DataDisk:
    """Read the line of a scenario that a word stands for."""
    try:
        found = parse(f"{line}\n").disk
    except ScenarioError as problem:
        raise UsageError(f"--disk {word}: expected {problem.expected}", hint=HINT) from None
    if found is None:
        raise UsageError(f"--disk {word}: expected NAME=WORD=VALUE,...", hint=HINT)
    return found
