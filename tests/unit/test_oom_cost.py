"""Does the post-mortem's work grow with the length of a log and no faster, whatever stands in it?

Work is counted, not timed: Python's calls by the profiler's events, and for regular expressions, which make no calls,
the time of long lines has generous room.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import layouts
import pytest

from memtwin.oom.deaths.watch import Watch
from memtwin.oom.event import Memcg
from memtwin.oom.read.parse import events_of
from memtwin.oom.read.shape import restored
from memtwin.oom.why.analysis import analyses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from memtwin.oom.event import OomEvent

REPORT, MEMCG = layouts.report(layouts.LAYOUTS[5]), layouts.memcg_report(layouts.LAYOUTS[5])
GROWTH, LINE, NUMBER = 2.3, 16_000, 300


def post_mortem(lines: Iterable[str]) -> list[OomEvent]:
    watch = Watch()
    found = []
    for number, analysis in enumerate(analyses(events_of(watch.over(restored(lines)))), 1):
        watch.note(number, analysis.event)
        found.append(analysis.event)
    watch.time_line()
    return found


def calls(lines: list[str]) -> int:
    """Return how many calls, of Python's functions and of C's, a post-mortem of *lines* makes."""
    count = 0

    def profile(_frame: object, kind: str, _arg: object) -> None:
        nonlocal count
        count += kind.endswith("call")

    sys.setprofile(profile)
    try:
        post_mortem(lines)
    finally:
        sys.setprofile(None)
    return count


def killed_in_units(number: int) -> list[str]:
    """Whole reports of a cgroup, a minute apart, with systemd's two lines after each."""
    found = []
    for event in range(number // 3):
        stamp = f"2026-05-{1 + event // 1440:02d}T{event // 60 % 24:02d}:{event % 60:02d}:05.123456+0000 web1"
        victim = layouts.HOG._replace(pid=1000 + event)
        report = layouts.memcg_report(layouts.LAYOUTS[5], (layouts.SMALL, layouts.WEB, victim), victim=victim)
        found += [f"{stamp} kernel: {line}" for line in report]
        found += [
            f"{stamp} systemd[1]: shop.service: Main process exited, code=killed, status=9/KILL",
            f"{stamp} systemd[1]: shop.service: Failed with result 'oom-kill'.",
        ]
    return found


def traces_and_causes(number: int) -> list[str]:
    stamp, sizes = "May  1 12:00:00 web1", "total-vm:8kB, anon-rss:4kB, file-rss:0kB"
    killed = "systemd[1]: u{}.service: Main process exited, code=killed, status=9/KILL"
    return [
        line
        for pid in range(number)
        for line in (
            f"{stamp} kernel: Out of memory: Killed process {pid} (java) {sizes}",
            f"{stamp} {killed.format(pid)}",
        )
    ]


def counters(number: int) -> list[str]:
    names = ("".join(chr(97 + int(digit)) for digit in str(one)) for one in range(10_000, 10_000 + number))
    return [*MEMCG[:12], *(f"{name}x {value}" for value, name in enumerate(names))]


def zones(number: int) -> list[str]:
    marks = [f"Node {node} DMA32 free:6000kB min:1kB low:2kB high:3kB managed:99kB" for node in range(number)]
    blocks = [f"Node {node} DMA32: 1500*4kB (UME) = 6000kB" for node in range(number)]
    return [*REPORT[:9], "Mem-Info:", *marks, *blocks]


@pytest.mark.parametrize("log", [killed_in_units, traces_and_causes, counters, zones])
def test_twice_the_log_is_twice_the_calls(log: Callable[[int], list[str]]) -> None:
    one, two, four = (calls(log(times * NUMBER)) for times in (1, 2, 4))
    assert two < one * GROWTH
    assert four < two * GROWTH


def test_counters_of_a_cgroup_are_not_copied_for_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report's frozen part is made a few times, not for each of its lines."""
    made = 0
    real = Memcg._replace

    def replace(self: Memcg, **fields: object) -> Memcg:
        nonlocal made
        made += 1
        return real(self, **fields)  # type: ignore[arg-type]

    monkeypatch.setattr(Memcg, "_replace", replace)
    [event] = post_mortem(counters(2000))
    assert event.memcg is not None
    assert len(event.memcg.stats) >= 2000
    assert made < 20


def test_counters_and_zones_beyond_any_kernels_are_left_out() -> None:
    [event] = post_mortem(counters(9000))
    assert event.memcg is not None
    assert len(event.memcg.stats) == 4096
    [event] = post_mortem(zones(5000))
    assert len(event.zones) == 4096


@pytest.mark.parametrize("before", [[], REPORT[:5], [*REPORT[:9], "Mem-Info:"], MEMCG[:12]], ids=len)
@pytest.mark.parametrize(
    "word",
    [
        "oomd a", "a", "[ pid ] uid ", "[ ", "cpuset=", "cpuset=a mems_allowed=", "1*4kB ", "a:", "a 137 ",
        "DMA free:1kB ",
        'sending SIGTERM to process 1 "a": badness 1', "PID: 1 comm: ", "Killed process 1 (a) ", "x: State 'a", "]",
    ],
)  # fmt: skip
def test_a_long_line_costs_no_more_than_a_second_a_megabyte(before: list[str], word: str) -> None:
    """The lines hold what opens every filter before a pattern: ``oom-kill'``, 137, SIG, KILL."""
    lines = [("oom-kill' 137 SIG 9/KILL " + word * LINE)[:LINE]] * 4

    def cost(lines: list[str]) -> float:
        start = time.process_time()
        post_mortem(lines)
        return time.process_time() - start

    spent = min(cost([*before, *lines]) - cost(before) for _ in range(2))
    assert spent / (4 * LINE / 1e6) < 3.0  # a second, and room for a busy machine; before: up to 20 seconds
