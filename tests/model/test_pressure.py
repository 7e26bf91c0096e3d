"""Is the cpu under pressure just while somebody wants it and does not have it?"""

from __future__ import annotations

from memtwin.procfs import pressure, uptime
from memtwin.run.run import Run, simulate
from memtwin.scenario import parse

CALM = """machine ram=192M cpus=1 kernel=6.1 thp=never
proc A
A mmap heap 64M
A touch heap 0 64M w seq content=text
sleep 2000
checkpoint end
"""
THRASH = CALM.replace("64M", "220M").replace("\nproc", "\nswap zram size=160M algo=lzo-rle prio=100\nproc")


def waited_us(done: Run) -> int:
    """Time in which at least one task waited for the cpu, from boot to the end."""
    totals = []
    for label in ("boot", "end"):
        told = pressure.parse(done.checkpoints[label]["proc/pressure/cpu"])
        assert told.full is not None
        assert told.full.total_us == 0  # whoever waits, somebody has the cpu
        assert told.some is not None
        totals.append(told.some.total_us)
    return totals[1] - totals[0]


def test_a_task_alone_never_waits_for_the_cpu() -> None:
    assert waited_us(simulate(parse(CALM), None)) < 1000


def test_kswapd_and_the_task_wait_for_each_other() -> None:
    done = simulate(parse(THRASH), None)
    up_us = uptime.parse(done.checkpoints["end"]["proc/uptime"]).up_cs * 10_000
    assert 10_000 < waited_us(done) < up_us
