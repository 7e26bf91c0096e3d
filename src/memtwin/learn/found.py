"""The figures of a run by name; a recording of a real kernel gives the same, to hold a lesson against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from memtwin.oom.why.analysis import analyse
from memtwin.procfs import buddyinfo, meminfo, swaps, zoneinfo
from memtwin.procfs.pid import smaps_rollup, status
from memtwin.sources.source import Source
from memtwin.sysfs.zram import mm_stat
from memtwin.units import kib

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from memtwin.oom.event import OomEvent
    from memtwin.procfs.meminfo import Meminfo
    from memtwin.procfs.swaps import SwapArea
    from memtwin.run.run import Run
    from memtwin.sources.recording import Recording

BLOCK_ORDER = 9
"""Of a block of 2 MiB."""


class OpDone(NamedTuple):
    """What became of one operation; *died*: who was killed meanwhile."""

    text: str
    outcome: str
    us: int
    died: tuple[str, ...]


class Moment:
    """The machine at a checkpoint; sizes are KiB."""

    def __init__(self, source: Source, words: Mapping[str, str] | None = None) -> None:
        self._source, self._words = source, words or {}

    @property
    def memory(self) -> Meminfo:
        """/proc/meminfo."""
        return meminfo.parse(self._text("proc/meminfo"))

    @property
    def free(self) -> int:
        """MemFree, and what lies on the CPUs' own lists: free too, and not counted there."""
        zones = zoneinfo.parse(self._text("proc/zoneinfo")).zones
        return self.memory["MemFree"] + kib(sum(one.count for zone in zones for one in zone.pagesets))

    @property
    def swap_used(self) -> int:
        """Swap in use, all areas."""
        memory = self.memory
        return memory["SwapTotal"] - memory["SwapFree"]

    @property
    def areas(self) -> tuple[SwapArea, ...]:
        """The swap areas, zram first."""
        found = swaps.parse(self._text("proc/swaps")).areas
        return tuple(sorted(found, key=lambda area: "zram" not in area.filename))

    @property
    def zram(self) -> mm_stat.MmStat:
        """What zram0 holds."""
        return mm_stat.parse(self._text("sys/block/zram0/mm_stat"))

    @property
    def large_blocks(self) -> int:
        """Free blocks of 2 MiB; a larger one counts as many times as one fits."""
        zones = buddyinfo.parse(self._text("proc/buddyinfo")).zones
        return sum(
            count << (order - BLOCK_ORDER)
            for zone in zones
            for order, count in enumerate(zone.counts)
            if order >= BLOCK_ORDER
        )

    def process(self, name: str, row: str) -> int:
        """Return a row of a process's /proc/PID/status."""
        found = status.parse(self._text(f"workers/{self._words.get(name, name)}/status")).kib(row)
        assert found is not None, row
        return int(found)

    def pss(self, name: str) -> int:
        """Return a process's PSS."""
        return smaps_rollup.parse(self._text(f"workers/{self._words.get(name, name)}/smaps_rollup")).rows["Pss"]

    def _text(self, path: str) -> str:
        text = self._source.read(path)
        assert text is not None, path
        return text


class Found(NamedTuple):
    """What happened: moments by label, operations in order, and the kernel's reports of memory that ran out."""

    at: Callable[[str], Moment]
    ops: Sequence[OpDone]
    ooms: Sequence[OomEvent]
    own: Mapping[str, str] = {}
    """The lesson's names of processes by those that they have in a recording."""

    def took_us(self, begin: str) -> list[int]:
        """Return how long each operation that begins with these words took, in microseconds."""
        return [op.us for op in self.ops if op.text.startswith(begin)]

    def was_refused(self, begin: str) -> bool:
        """Whether the kernel refused an operation that begins with these words."""
        return any(op.outcome == "error" for op in self.ops if op.text.startswith(begin))

    @property
    def died(self) -> tuple[str, ...]:
        """Who was killed, in order."""
        return tuple(name for op in self.ops for name in op.died)

    def points(self, event: int = 0) -> dict[str, int]:
        """Return the points that each process had in the OOM killer's choice; without those that are never killed."""
        rows = analyse(self.ooms[event]).ranking.rows
        points = {row.task.name or "": row.points for row in rows if row.points is not None}
        return {self.own.get(name, name): has for name, has in points.items()}


class _Texts(Source):
    """The files of a checkpoint of a run."""

    def __init__(self, files: Mapping[str, str]) -> None:
        super().__init__("the lesson")
        self._files = files

    def names(self, path: str = "") -> list[str]:
        prefix = f"{path.strip('/')}/" if path.strip("/") else ""
        return sorted({file[len(prefix) :].split("/")[0] for file in self._files if file.startswith(prefix)})

    def _bytes(self, path: str) -> bytes:
        if path not in self._files:
            raise FileNotFoundError(path)
        return self._files[path].encode(errors="surrogateescape")


def of_run(run: Run) -> Found:
    """Return what a run of the model has shown."""
    ops = [
        OpDone(one.op.text, one.outcome, one.us, tuple(death["name"] for death in one.deaths if death["signal"]))
        for one in run.done
    ]
    return Found(lambda label: Moment(checkpoint(run, label)), ops, run.ooms)


def checkpoint(run: Run, label: str) -> Source:
    """Return the files of a run's checkpoint; those that never change are recorded at boot."""
    return _Texts(run.checkpoints["boot"] | run.checkpoints[label])


class Names(NamedTuple):
    """What stands in a recording for what a lesson names: the lesson's words by the recording's.

    *labels*: checkpoints; *words*: processes, regions and files; *since*: the checkpoint after which operations count.
    """

    labels: Mapping[str, str] = {}
    words: Mapping[str, str] = {}
    since: str = ""


def of_recording(recording: Recording, names: Names, events: Sequence[OomEvent] = ()) -> Found:
    """Return what a real kernel has shown, in the words of a lesson."""
    own = {theirs: ours for ours, theirs in names.words.items()}
    starts = [place for place, op in enumerate(recording.ops) if op.get("op") == f"checkpoint {names.since}"]
    ops = [
        OpDone(
            " ".join(own.get(word, word) for word in str(op.get("op", "")).split()), str(op.get("outcome")),
            op.get("us") or 0,
            tuple(own.get(death["name"], death["name"]) for death in op.get("deaths", ()) if death.get("signal")),
        )
        for op in recording.ops[starts[0] if starts else 0 :]
    ]  # fmt: skip
    return Found(lambda label: Moment(recording.at(names.labels[label]), names.words), ops, events, own)
