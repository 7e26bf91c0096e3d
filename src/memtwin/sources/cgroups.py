"""The memory cgroups of a process, from its own up to the root, of version 1 or 2, mounted where they are by custom.

``/sys/fs/cgroup`` (v2), ``/sys/fs/cgroup/memory`` (v1 and hybrid). In a cgroup namespace a path may begin with
``/../..``: what lies above is not visible, and the root that is seen may itself have a limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.cgroupfs import amount, keyed
from memtwin.sources.source import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from memtwin.sources.processes import SourceProcess
    from memtwin.sources.source import Source

TOP: Final = "sys/fs/cgroup"
FILES: Final = {
    2: ("memory.max", "memory.high", "memory.swap.max", "memory.current", "memory.swap.current"),
    1: (
        "memory.limit_in_bytes",
        "memory.memsw.limit_in_bytes",
        "memory.usage_in_bytes",
        "memory.memsw.usage_in_bytes",
        "memory.kmem.usage_in_bytes",
    ),
}
"""The files of amounts that are read, by version."""
_LIMITS: Final = {2: ("memory.max", "memory.high"), 1: ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")}


class Group(NamedTuple):
    """One cgroup: its *path*, its files' amounts (None: no limit, or no such file), its statistics and events."""

    path: str
    version: int
    amounts: Mapping[str, int | None]
    stat: Mapping[str, int]
    events: Mapping[str, int]
    folder: str = ""
    """Where its files lie, from the root of the source."""

    @property
    def limit_bytes(self) -> int | None:
        """What it may have of RAM; None: no limit of its own."""
        return self.amounts.get("memory.max" if self.version == 2 else "memory.limit_in_bytes")

    @property
    def used_bytes(self) -> int | None:
        """What is charged to it."""
        return self.amounts.get("memory.current" if self.version == 2 else "memory.usage_in_bytes")


def path_of(process: SourceProcess) -> tuple[str, int] | None:
    """Return the path of a process's memory cgroup and its version; None without /proc/PID/cgroup."""
    lines = [line.split(":", 2) for line in (process.read("cgroup") or "").splitlines()]
    rows = [(words[1].split(","), words[2]) for words in lines if len(words) == 3]
    old = next((path for controllers, path in rows if "memory" in controllers), None)
    if old is not None:
        return old, 1
    new = next((path for controllers, path in rows if controllers == [""]), None)
    return None if new is None else (new, 2)


def of_process(source: Source, process: SourceProcess) -> Iterator[Group]:
    """Yield the cgroups that limit a process, its own first, the root last; those without any file are left out."""
    found = path_of(process)
    if found is None:
        return
    path, version = found
    names = [name for name in path.split("/") if name not in {"", ".."}]
    for depth in range(len(names), -1, -1):
        group = read(source, "/" + "/".join(names[:depth]), version)
        if group is not None:
            yield group


def read(source: Source, path: str, version: int) -> Group | None:
    """Read the files of one cgroup, or return None if it has none of memory."""
    folder = f"{TOP}{'/memory' if version == 1 else ''}{path}".rstrip("/")
    amounts = {}
    for name in FILES[version]:
        record = load(source, amount, f"{folder}/{name}")
        amounts[name] = record.limit if record else None
    if all(value is None for value in amounts.values()):
        return None
    stat, events = (load(source, keyed, f"{folder}/memory.{name}") for name in ("stat", "events"))
    return Group(f"cgroup {path}", version, amounts, stat or {}, events or {}, folder)


def find(source: Source, path: str) -> Group | None:
    """Return the memory cgroup of a path as /proc/PID/cgroup has it, in the hierarchy that counts memory here."""
    return read(source, "/" + path.strip("/"), version_of(source))


def files_of(group: Group) -> tuple[str, ...]:
    """Return the files that say what is charged to a cgroup."""
    return (f"{group.folder}/memory.stat", *(f"{group.folder}/{name}" for name in FILES[group.version]))


def version_of(source: Source) -> int:
    """Return the version of the hierarchy that counts memory."""
    return 1 if source.names(f"{TOP}/memory") else 2


def holds(text: str, path: str) -> bool:
    r"""Return whether a process with this /proc/PID/cgroup is in a cgroup or below it.

    >>> holds("4:memory:/web/one\n0::/\n", "/web"), holds("0::/website\n", "/web")
    (True, False)
    """
    top = path.rstrip("/")
    paths = [line.split(":", 2)[-1] for line in text.splitlines()]
    return any(one == top or one.startswith(f"{top}/") for one in paths)


def limited(source: Source) -> Iterator[Group]:
    """Yield every cgroup that has a limit of its own, of the hierarchy that counts memory, parents first."""
    version = version_of(source)
    top = f"{TOP}/memory" if version == 1 else TOP
    folders = [""]
    while folders:
        path = folders.pop()
        if any(_limit(source, f"{top}{path}/{name}") is not None for name in _LIMITS[version]):
            group = read(source, path or "/", version)
            if group is not None:
                yield group
        folders += [f"{path}/{name}" for name in reversed(source.folders(f"{top}{path}"))]


def _limit(source: Source, path: str) -> int | None:
    record = load(source, amount, path)
    return record.limit if record else None
