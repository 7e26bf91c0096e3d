"""The processes of a source: those of a live host or a snapshot, or the workers of a recording or a run.

A machine keeps a process's files in ``proc/PID/``. A recording has ``workers/NAME/`` beside its ``proc/``, and
``workers.txt`` with a line ``NAME PID STATE`` for each; what else ran there (its init) is not recorded. A run on a
machine that had processes of its own has both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.sources.source import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memtwin.sources.source import R_co, Schema, Source

WORKERS: Final = "workers.txt"
HIDDEN: Final = "processes of other users are hidden (hidepid): root sees them"
"""The note for a source of which :func:`are_hidden` is true."""
_PREFIX: Final = "proc/{pid}/"
_WORKER: Final = "workers/"


class SourceProcess:
    """One process of a source: *pid*, *root* (the directory of its files), and *name*, its ``comm``."""

    __slots__ = ("_name", "pid", "root", "source")

    def __init__(self, source: Source, pid: int, root: str, name: str | None = None) -> None:
        self.source, self.pid, self.root, self._name = source, pid, root, name

    def __repr__(self) -> str:
        return f"Process({self.pid}, {self.root!r})"

    @property
    def name(self) -> str:
        """What the process calls itself, at most 15 bytes of any kind; ``?`` if that cannot be read."""
        if self._name is None:
            comm = self.read("comm")
            self._name = "?" if comm is None else comm.removesuffix("\n")
        return self._name

    def read(self, name: str) -> str | None:
        """Return the text of one of the process's files, or None (the source's ``unread`` says why)."""
        return self.source.read(f"{self.root}/{name}")

    def load(self, module: Schema[R_co]) -> R_co | None:
        """Return the record of *module*'s file of this process, or None if there is none (or it may not be read).

        A kernel thread has empty maps, and no smaps_rollup: reading it fails as if the process had ended.
        """
        return load(self.source, module, f"{self.root}/{module.PATH.removeprefix(_PREFIX)}")


def processes(source: Source) -> Iterator[SourceProcess]:
    """Yield the processes of *source* in the order of their pids, dead workers left out."""
    for pid, root in roots(source).items():
        yield SourceProcess(source, pid, root, root.removeprefix(_WORKER) if root.startswith(_WORKER) else None)


def roots(source: Source) -> dict[int, str]:
    """Return where the files of each process lie, by its pid in rising order; dead workers are left out."""
    workers = source.read(WORKERS)
    found = {pid: f"proc/{pid}" for pid in sorted(_numbers(source.names("proc")))}
    return found if workers is None else dict(sorted((found | _alive(workers)).items()))


def are_kept(source: Source) -> bool:
    """Return whether the files of *source* have its processes at all: many a report and a pasted file have none."""
    return source.read(WORKERS) is not None or next(iter(processes(source)), None) is not None


def are_hidden(source: Source) -> bool:
    """Return whether *source* lacks processes of other users because /proc is mounted with ``hidepid``.

    The first process is never absent from a machine or a container; a source that has no processes at all, as many a
    report has, is not meant.
    """
    names = source.names("proc")
    if "1" in names or source.read(WORKERS) is not None or not any(map(str.isdecimal, names)):
        return False
    return source.is_live or any(_hides(line) for line in (source.read("proc/mounts") or "").splitlines())


def _hides(line: str) -> bool:
    """Whether a line of /proc/mounts is a /proc that hides processes altogether: hidepid=2 or 4, or their names."""
    words = line.split()
    if len(words) < 4 or words[1:3] != ["/proc", "proc"]:
        return False
    return not {"hidepid=2", "hidepid=4", "hidepid=invisible", "hidepid=ptraceable"}.isdisjoint(words[3].split(","))


def _numbers(names: Iterable[str]) -> list[int]:
    return [int(name) for name in names if name.isdecimal() and name.isascii()]


def _alive(workers: str) -> dict[int, str]:
    rows = (line.split() for line in workers.splitlines())
    return {
        int(words[1]): f"{_WORKER}{words[0]}"
        for words in rows
        if len(words) == 3 and words[1].isdecimal() and words[2] == "alive"
    }
