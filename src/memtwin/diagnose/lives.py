"""The processes of a trace, each with its sizes over time: a program that a process executes is another one."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from memtwin.diagnose.locality import Look, worked_with
from memtwin.diagnose.player import PAGE, Life, Size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from memtwin.sources.page_looks import PageLook
    from memtwin.sources.tracks import Moment, Process

_BEGIN_MS: Final = 1000
"""A command that is recorded began so long before the first sample at most."""


class Lives:
    """The processes of a trace, the *machine*'s figures at its first sample, and how *long_s* it is."""

    def __init__(self, moments: Iterable[Moment], pids: Sequence[int] = ()) -> None:
        self.machine: dict[str, float] = {}
        self.long_s = 0.0
        self._pids = pids
        self._begin_ms: int | None = None
        self._found: dict[Process, list[Life]] = {}
        """The programs of each process, one after the other."""
        self._swapped: dict[Process, int] = {}
        self._seen: dict[Process, float] = {}
        for moment in moments:
            self._begin_ms = moment.boot_ms if self._begin_ms is None else self._begin_ms
            self.long_s = (moment.boot_ms - self._begin_ms) / 1000
            self.machine = moment.machine | self.machine
            for process, figures in moment.processes.items():
                if not pids or process.pid in pids:
                    self._add(moment, process, figures)
        times = sorted(set(self._seen.values()))
        for process, lives in self._found.items():
            after = bisect_right(times, self._seen[process])
            if lives[-1].ended_s is None and after < len(times):
                lives[-1].ended_s = times[after]
        for life in self.all:
            _note_parts(life.sizes)

    @property
    def all(self) -> list[Life]:
        """All of them."""
        return [life for lives in self._found.values() for life in lives]

    def _add(self, moment: Moment, process: Process, figures: Mapping[str, int]) -> None:
        """Add what a sample says of a process."""
        swapped = self._swapped[process] = figures.get("swap_bytes", self._swapped.get(process, 0))
        if "res_bytes" not in figures:
            return
        if not figures.get("virt_bytes", 1):  # a kernel thread, or a process whose memory is gone: it has ended
            for life in self._found.get(process, ())[-1:]:
                life.ended_s = self.long_s if life.ended_s is None else life.ended_s
            return
        life = self._life(moment, process)
        self._seen[process] = self.long_s
        pages, faults = moment.pages.get(process), figures.get("minor_faults")
        life.sizes.append(
            Size(
                self.long_s,
                figures["res_bytes"] - figures["shr_bytes"] + swapped,
                figures["shr_bytes"],
                None if faults is None else faults - life.faults_before,
                _touched(figures) if pages is None else _touched_pages(pages),
                huge_bytes=figures.get("huge_bytes"),
                pages=pages,
                open_files=moment.files.get(process, ()),
            )
        )

    def _life(self, moment: Moment, process: Process) -> Life:
        """Return what a process is now: the memory of a program that it executed is new and its own."""
        assert self._begin_ms is not None
        lives = self._found.setdefault(process, [])
        program = moment.programs.get(process, 0)
        if not lives:
            is_born = process.start_ticks * 1000 >= (self._begin_ms - _BEGIN_MS) * moment.ticks_per_s
            lives.append(Life(process.pid, is_born, process=process))
        elif program and lives[-1].program not in {0, program}:
            lives[-1].ended_s = self.long_s
            faults = max((size.faults or 0 for size in lives[-1].sizes), default=0) + lives[-1].faults_before
            lives.append(Life(process.pid, is_born=True, process=process, faults_before=faults))
        life, starter = lives[-1], moment.parents.get(process)
        if life.is_born and len(life.sizes) < 2 and len(lives) == 1 and starter not in {None, process}:
            life.parent = next(reversed(self._found.get(starter, [])), None)
        life.program = program or life.program
        life.name = moment.names[process]
        life.word = _word(life.name, process.pid) + (f"-{len(lives)}" if len(lives) > 1 else "")
        return life


def _note_parts(sizes: Sequence[Size]) -> None:
    """Say of each what it had of huge pages, and of each working set what part of its memory it worked with."""
    within = huge = None
    for size in reversed(sizes):
        huge = size.huge_bytes = huge if size.huge_bytes is None else size.huge_bytes
        within = within if size.touched is None else size.touched[0]
        size.within = within
    seen = [size for size in sizes if size.touched is not None]
    begun = [sizes[0].at_s, *(size.at_s for size in seen)]
    for kind, most in ((0, "anon_bytes"), (1, "file_bytes")):
        looks = [
            Look(size.at_s - since, (size.touched or (0, 0))[kind]) for size, since in zip(seen, begun, strict=False)
        ]
        for number, size in enumerate(seen):
            part = worked_with(looks, number, getattr(size, most))
            size.parts = (size.parts[0], part) if kind else (part, size.parts[1])
            size.after_s = looks[number].seconds


def _touched(figures: Mapping[str, int]) -> tuple[int, int] | None:
    anon, files = figures.get("touched_anon_bytes"), figures.get("touched_file_bytes")
    return None if anon is None or files is None else (anon, files)


def _touched_pages(look: PageLook) -> tuple[int, int]:
    own, files = (sum(one.touched.bit_count() for one in pages.values()) for pages in (look.own, look.files))
    return own * PAGE, files * PAGE


def _word(name: str, pid: int) -> str:
    """Return a scenario's name for a process.

    >>> _word("kworker/0:1", 7), _word("", 1)
    ('kworker_0_1-7', 'process-1')
    """
    return f"{re.sub('[^A-Za-z0-9_]', '_', name).lstrip('_0123456789') or 'process'}-{pid}"
