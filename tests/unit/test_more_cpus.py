"""A machine described with more CPUs than its snapshot has, held against real boots with as many."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memtwin.errors import UsageError
from memtwin.linux.check import invariants
from memtwin.machine import build, describe, more_cpus
from memtwin.sources.recording import Recording, runs_in

if TYPE_CHECKING:
    from memtwin.machine.boot import Boot

RECORDINGS = Path(__file__).parents[1] / "recordings"
ONE, MORE = "237-beside-one-cpu", {2: "233-beside-stream-hot-set", 4: "235-beside-fork-storm"}
"""Boots of one kernel with 256 MiB, by their number of CPUs."""


def booted(name: str) -> Boot:
    return build.read(Recording(runs_in(RECORDINGS / name)[0]).at("boot"))


@pytest.mark.parametrize("cpus", MORE)
def test_what_more_cpus_take_is_what_they_take_of_a_real_machine(cpus: int) -> None:
    described, real = describe.with_cpus(booted(ONE), cpus), booted(MORE[cpus])
    assert described.cpus == real.cpus == cpus
    for row in ("MemTotal", "Percpu"):
        assert described.meminfo.get(row) == real.meminfo.get(row)
    assert described.meminfo["KernelStack"] == pytest.approx(real.meminfo["KernelStack"], abs=32)
    for name in more_cpus.SLAB:
        assert described.vmstat[name] == pytest.approx(real.vmstat[name], rel=0.05)


@pytest.mark.parametrize("cpus", [2, 64])
def test_a_machine_of_more_cpus_has_an_owner_for_each_page(cpus: int) -> None:
    boot = describe.with_cpus(booted(ONE), cpus)
    machine = build.build_from(boot)
    invariants.validate(machine.state, ())
    assert machine.state.node_stats()["nr_slab_unreclaimable"] == boot.vmstat["nr_slab_unreclaimable"]


def test_free_blocks_that_are_cut_keep_their_pages() -> None:
    counts = (1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5)
    for pages in (1, 1024, 1025, 4999):
        left = more_cpus.without(counts, pages)
        assert sum(n << order for order, n in enumerate(left)) == sum(n << o for o, n in enumerate(counts)) - pages


def test_cpus_that_take_more_than_is_free_are_refused() -> None:
    with pytest.raises(UsageError, match=r"400 more CPUs take .* has not free"):
        more_cpus.with_memory_of(booted(ONE), 400)
