"""What a report shows of a machine, whatever it came from: a course over time, and some moments in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.procfs.buddyinfo import Buddyinfo
    from memtwin.procfs.meminfo import Meminfo
    from memtwin.procfs.swaps import Swaps
    from memtwin.procfs.zoneinfo import Zoneinfo
    from memtwin.render.course import Course
    from memtwin.sources.frame_map import FrameMap

Sort = Literal["run", "recording", "trace", "moment"]
MOST_MOMENTS: Final = 12
"""Moments that a report shows in full."""


class Task(NamedTuple):
    """A process: KiB in RAM, of them backed by files or shared memory, in swap; None is not known."""

    pid: int
    name: str
    rss_kib: int
    shared_kib: int | None
    swap_kib: int | None
    pss_kib: int | None


class Moment(NamedTuple):
    """A machine at one time, *time_ns* since the beginning; None is what the files lack.

    *tasks* is None where a source keeps no processes.
    """

    label: str
    time_ns: int | None
    page_kib: int
    memory: Meminfo | None
    counters: Mapping[str, int] | None
    swaps: Swaps | None
    compressed_kib: int
    zones: Zoneinfo | None
    blocks: Buddyinfo | None
    tasks: tuple[Task, ...] | None
    frames: FrameMap | None


class Gathered(NamedTuple):
    """What a report is made of.

    *operations* is how many were carried out and how many did not succeed, None where there is no scenario. *kills*
    are the kernel log's own, in words. *lacking* is what the source does not have.
    """

    name: str
    sort: Sort
    kernel: str | None
    course: Course | None
    moments: tuple[Moment, ...]
    operations: tuple[int, int] | None
    kills: tuple[str, ...]
    lacking: tuple[str, ...]
    notes: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    """What is wrong with a machine at one moment, the worst first."""
