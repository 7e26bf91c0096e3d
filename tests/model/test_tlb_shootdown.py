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
ONE = "A touch h 0 120M w seq\nA mmap g 120M\nA touch g 0 120M w seq\n"
ALONE = "A touch h 0 120M w seq\nB touch h 0 120M w seq\n"


def system_s(cpus: int, lines: str, flush_ns: int, interrupt_ns: int = 0) -> float:
    """Seconds that the kernel works, where a shootdown takes so long on either side."""
    done = ran(cpus, lines, flush_ns, interrupt_ns)
    return cputime.cpu_times(done.machine.state)["system"] / 1e9


def ran(cpus: int, lines: str, flush_ns: int, interrupt_ns: int) -> Run:
    scenario = sc.parse(HEAD.format(cpus=cpus) + lines)
    machine = machine_for(scenario, None)
    costs = replace(machine.costs, tlb_flush=flush_ns, tlb_interrupt=interrupt_ns)
    mm_init.set_costs(machine.state, costs.as_table())
    done = Run(scenario, machine)
    done.execute()
    assert {op.outcome for op in done.done} == {"ok"}
    assert machine.state.events_by_name()["pswpout"] > 1000
    return done


def test_reclaim_beside_the_owner_waits_for_its_cpu() -> None:
    """Some thousand pages are taken from a task at work: with shootdowns of 1 ms the kernel is busy for longer."""
    assert system_s(2, AT_WORK, 1_000_000) > system_s(2, AT_WORK, 0) + 1


@pytest.mark.parametrize("lines", [BESIDE, ONE])
def test_who_is_interrupted_loses_time_too(lines: str) -> None:
    """With 1 ms for each interrupt the touches beside reclaim take longer, beside the main line or in it."""
    took = [sum(op.us for op in ran(2, lines, 0, ns).done if " touch " in op.op.text) for ns in (0, 1_000_000)]
    assert took[1] > took[0] + 200_000


@pytest.mark.parametrize("lines", [BESIDE, ALONE])
def test_one_cpu_interrupts_nobody(lines: str) -> None:
    assert system_s(1, lines, 1_000_000, 1_000_000) == system_s(1, lines, 0)
