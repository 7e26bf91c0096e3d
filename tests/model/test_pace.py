"""Does a program keep to its pace, and does the time that it sleeps count as no task's work?"""

from __future__ import annotations

import pytest

from memtwin import scenario as sc
from memtwin.run.run import Run, simulate
from memtwin.twin.twin import Twin

MACHINE = "machine ram=256M\nfile f 8M\nproc A\nA mmap h 16M\n"


def run(text: str) -> Run:
    return simulate(sc.parse(MACHINE + text), None)


@pytest.mark.parametrize(
    ("line", "us"),
    [
        ("A touch h 0 8M w seq rate=4M/s", 2_000_000),
        ("A touch h 0 16M r rand:2048:1 rate=4M/s", 2_000_000),
        ("A fread f 0 8M 64K rate=4M/s", 2_000_000),
        ("A fwrite g 0 8M 64K rate=4M/s", 2_000_000),
        ("A touch h 0 400K w seq think=10ms", 99 * 10_000),
        ("A fread f 0 4M 64K think=30ms", 63 * 30_000),
    ],
)
def test_a_program_takes_as_long_as_its_pace_demands(line: str, us: int) -> None:
    """Less than what it may be ahead, and more by what its own work takes."""
    assert us - 30_000 <= run(line).done[-1].us <= us * 1.05


def test_a_pace_that_is_faster_than_the_machine_changes_nothing() -> None:
    plain, paced = run("A fread f 0 8M 64K"), run("A fread f 0 8M 64K rate=16G/s")
    assert paced.done[-1].us == plain.done[-1].us
    assert paced.done[-1].deltas == plain.done[-1].deltas


def test_where_the_samples_fall_changes_nothing() -> None:
    """A sleep that a whole second cuts in two is as long as one that it does not."""
    early, late = run("A touch h 0 80K r seq think=300ms"), run("sleep 0.1\nA touch h 0 80K r seq think=300ms")
    assert early.done[-1].us == late.done[-1].us


def test_who_sleeps_is_idle_and_no_load() -> None:
    done = run("A touch h 0 400K w seq think=200ms\n")
    boot, twin = done.samples[0].time_ns, Twin(done.machine)
    stat = twin.read("proc/stat").splitlines()[0].split()
    idle_s, iowait_s = int(stat[4]) / 100, int(stat[5]) / 100
    slept = (done.machine.state.clock_ns - boot) / 1e9
    assert iowait_s == 0
    assert idle_s == pytest.approx(slept + idle_s - slept)
    assert idle_s >= slept - 0.1
    assert twin.read("proc/loadavg").startswith("0.00")


def test_an_operation_at_a_time_begins_then_and_one_that_is_late_says_so() -> None:
    done = run("at 3 A touch h 0 4K w seq\nA touch h 0 16M r rand:9000:1 think=1ms\nat 5 A touch h 0 4K w seq\n").done
    assert [one.outcome for one in done[2:]] == ["ok", "ok", "ok", "error", "ok"]
    assert done[5].errno == 62
    assert done[2].us == pytest.approx(3_000_000, abs=10_000)
