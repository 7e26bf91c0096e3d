"""Who reclaims memory of a task that runs on another CPU interrupts that CPU, and waits for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memtwin import scenario as sc
from memtwin.linux.kernel.sched import cputime
from memtwin.linux.mm import mm_init
from memtwin.run.run import Run, machine_for

HEAD = "machine ram=192M cpus={cpus}\nswap disk size=256M rot=0\nproc A\nproc B\nA mmap h 120M\nB mmap h 120M\n"
BESIDE = "A touch h 0 120M w seq &\nB touch h 0 120M w seq &\nwait\n"
AT_WORK = "B touch h 0 120M w seq\nB touch h 0 4M r rand:60000000:1 &\nA touch h 0 120M w seq\n"
"""B never rests, on a part of its memory; A takes the other."""
ALONE = "A touch h 0 120M w seq\nB touch h 0 120M w seq\n"


def system_s(cpus: int, lines: str, flush_ns: int) -> float:
    """Seconds that the kernel works, where a shootdown takes so long."""
    scenario = sc.parse(HEAD.format(cpus=cpus) + lines)
    machine = machine_for(scenario, None)
    mm_init.set_costs(machine.state, replace(machine.costs, tlb_flush=flush_ns).as_table())
    done = Run(scenario, machine)
    done.execute()
    assert {op.outcome for op in done.done} == {"ok"}
    assert machine.state.events_by_name()["pswpout"] > 1000
    return cputime.cpu_times(machine.state)["system"] / 1e9


def test_reclaim_beside_the_owner_waits_for_its_cpu() -> None:
    """Some thousand pages are taken from a task at work: with shootdowns of 1 ms the kernel is busy for longer."""
    assert system_s(2, AT_WORK, 1_000_000) > system_s(2, AT_WORK, 0) + 1


@pytest.mark.parametrize("lines", [BESIDE, ALONE])
def test_one_cpu_interrupts_nobody(lines: str) -> None:
    assert system_s(1, lines, 1_000_000) == system_s(1, lines, 0)
