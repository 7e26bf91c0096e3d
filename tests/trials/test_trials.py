"""A short set of the trials: real programs for half a minute. All of them: make trials."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import bench
import damage
import null_models
import tables

import trials
from memtwin.diagnose.leak import findings
from memtwin.diagnose.samples import ProcessSeries, Samples

SHORT = (
    "leak-small",
    "leak-sawtooth",
    "steady",
    "sawtooth",
    "load-fast",
    "kept",
    "lazy",
    "shared",
    "tables",
    "warm-up",
)
SERVERS = ("redis-leak", "memcached-work", "nginx-work", "postgres-work", "go-work", "ruby-work")


def test_a_short_set(tmp_path: Path) -> None:
    """Nothing is a leak yet, what does not say so with its seconds is right, and other kinds have names."""
    if not shutil.which("gcc") or not Path("/proc/meminfo").exists():
        pytest.skip("no C compiler or no /proc here")
    bench.build(tmp_path)
    servers = [kind for kind in SERVERS if kind in bench.present()]
    judged = trials.watch([(kind, 1) for kind in (*SHORT, *servers)], (32.0,), tmp_path)
    found = {one.kind: one for one in judged}
    assert found.keys() == {*SHORT, *servers}
    assert not [one for one in judged if one.verdict == "leak"]
    assert all(one.more for one in judged if one.verdict == "unknown")
    named = {"steady": "steady", "shared": "shmem or tmpfs", "tables": "page tables", "lazy": "lazily freed"}
    for kind, verdict in named.items():
        assert found[kind].verdict == verdict, judged
    page = tables.page(judged)
    assert page.count("0/") >= 1
    assert "## Bad sampling" in page
    if len(servers) < len(SERVERS):
        pytest.skip(f"without {', '.join(set(SERVERS) - set(servers))}: not installed")


def test_the_null_models_are_what_they_are_named_for() -> None:
    times = [float(second) for second in range(120)]
    line, flat = [1e6 + 1e4 * at for at in times], [1e6] * 120
    for rule in null_models.RULES.values():
        assert rule(times, line)
        assert not rule(times, flat)


def test_damage_is_what_it_is_named_for() -> None:
    samples = Samples(4096)
    process = samples.processes[7] = ProcessSeries(7)
    for second in range(301):
        process.anon.add(second, 40e6)
    left = {name: damage.damaged(samples, how, 1).processes[7].anon for name, how in damage.KINDS.items()}
    assert 60 < len(left["70 % of the samples lost"].times_s) < 120
    assert len(left["a gap of ten samples"].times_s) == 291
    assert len(left["each sample twice"].times_s) == 602
    assert len(process.anon.times_s) == 301
    leaking = damage.leaking(process)
    assert leaking is not None
    samples.processes[7] = leaking
    assert [one.verdict for one in findings(samples)] == ["leak"]
