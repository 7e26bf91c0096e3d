"""A short set of the trials: real programs for half a minute. All of them: make trials."""

from __future__ import annotations

import re
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


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, trials.Judged]:
    """Run the short set once, side by side, with the servers that are installed."""
    if not shutil.which("gcc") or not Path("/proc/meminfo").exists():
        pytest.skip("no C compiler or no /proc here")
    where = tmp_path_factory.mktemp("trials")
    bench.build(where)
    kinds = (*SHORT, *(kind for kind in SERVERS if kind in bench.present()))
    return {one.kind: one for one in trials.watch([(kind, 1) for kind in kinds], (32.0,), where)}


def test_a_short_set(judged: dict[str, trials.Judged]) -> None:
    """Nothing is a leak yet, what does not say so with its seconds is right, and other kinds have names."""
    assert judged.keys() >= set(SHORT)
    assert not [one for one in judged.values() if one.verdict == "leak"]
    assert all(one.more for one in judged.values() if one.verdict == "unknown")
    named = {"steady": "steady", "shared": "shmem or tmpfs", "tables": "page tables", "lazy": "lazily freed"}
    for kind, verdict in named.items():
        assert judged[kind].verdict == verdict, judged
    page = tables.page(list(judged.values()))
    assert re.search(r"\| memtwin leak \| 0/\d+ \| 0/\d+ \|", page)
    assert "## Bad sampling" in page


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_is_watched(kind: str, judged: dict[str, trials.Judged]) -> None:
    """Programs of a Debian, with their own allocators and load: nothing of half a minute is a leak."""
    if kind not in bench.present():
        pytest.skip(f"{kind}: not installed")
    assert judged[kind].verdict in bench.LEVEL | {"unknown"}


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
