"""``--disk``: what the disk that files lie on can do, over a scenario's ``disk`` line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memtwin.errors import ScenarioError, UsageError
from memtwin.scenario import parse
from memtwin.scenario.disk import DataDisk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memtwin.scenario import Scenario

HINT = "as --disk data=read=510M,write=420M,latency=80us: the words of a scenario's `disk data` line"
FIELDS = {
    "read": "read_bytes_per_s", "write": "write_bytes_per_s", "latency": "latency_ns", "depth": "queue_depth",
    "nr_requests": "nr_requests", "readahead": "readahead_bytes", "fs": "file_system", "free": "free_bytes",
}  # fmt: skip


def with_disks(scenario: Scenario, words: Iterable[str]) -> Scenario:
    """Return the scenario with the disk that *words* describe; what they do not name stays as its line says.

    Raise UsageError for what a ``disk`` line would refuse.
    """
    disk = scenario.disk
    for word in words:
        given = _read(word)
        named = {part.partition("=")[0] for part in word.partition("=")[2].split(",")}
        changes = {name: getattr(given, name) for key, name in FIELDS.items() if key in named}
        disk = replace(disk or DataDisk(), **changes)
    return replace(scenario, disk=disk)


def _read(word: str) -> DataDisk:
    """Read a word as the line of a scenario."""
    name, _, rest = word.partition("=")
    try:
        found = parse(f"disk {name} {rest.replace(',', ' ')}\n").disk
    except ScenarioError as problem:
        raise UsageError(f"--disk {word}: expected {problem.expected}", hint=HINT) from None
    if found is None:
        raise UsageError(f"--disk {word}: expected NAME=WORD=VALUE,...", hint=HINT)
    return found
