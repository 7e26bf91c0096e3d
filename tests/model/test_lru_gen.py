"""The multi-gen LRU: generations, what moves a page between them, and the switch between the two policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memtwin.errors import NotModelledError, ScenarioError, UsageError
from memtwin.linux import features
from memtwin.linux.check import invariants
from memtwin.linux.mm import lru_gen_state
from memtwin.run import run
from memtwin.run.done import Ages
from memtwin.scenario import parse
from memtwin.story import generations, story
from memtwin.twin.twin import Twin

if TYPE_CHECKING:
    from memtwin.run.run import Simulation

HOT = """machine ram=256M kernel=6.12 lru_gen={policy}
file hot 48M
file big 400M
proc R
R fread hot 0 48M 64K seq
R fread hot 0 48M 64K seq
R fread hot 0 48M 64K seq
R fread big 0 400M 64K seq
checkpoint past
R fread hot 0 48M 64K seq
checkpoint again
"""
PRESSURE = """machine ram=192M kernel=6.12
swap disk size=256M rot=0
file data 60M
file lib 20M
proc A
A mmap heap 200M
A fmap lib lib private
A touch lib 0 20M r seq
A touch heap 0 150M w seq content=text
A fread data 0 60M 64K seq
A touch heap 0 150M r hot:8000:20%:90%:3
A fork B
B touch heap 0 60M w seq
A fread data 0 60M 64K seq
A touch lib 0 20M r rand:2000:5
B exit
A touch heap 100M 60M w seq content=random
"""


def done(text: str, *settings: str) -> Simulation:
    return run.simulate(parse(text), None, settings=list(settings))


def refaults_of_the_hot_file(policy: str) -> int:
    simulation = done(HOT.format(policy=policy))
    invariants.validate(simulation.machine.state, (policy,))
    return simulation.done[-2].deltas.get("workingset_refault_file", 0)


def test_a_file_that_was_read_three_times_is_lost_to_a_stream_and_kept_by_lists() -> None:
    """A tier is protected once 64 of its pages came back: the first squeeze takes what only system calls used.

    The active list keeps it; on the real 6.12 both are so (recordings 150 and 151).
    """
    pages = 48 << 8
    assert refaults_of_the_hot_file("on") > pages * 0.9
    assert refaults_of_the_hot_file("off") < pages * 0.1


def test_every_invariant_holds_under_pressure() -> None:
    simulation = done(PRESSURE)
    state = simulation.machine.state
    invariants.validate(state, ("pressure",))
    found = lru_gen_state.generations(state)
    assert 2 <= len(found) <= 4
    node = state.node_stats()
    active = sum(g.anon + g.file for g in found[-2:])
    inactive = sum(g.anon + g.file for g in found[:-2])
    assert active == node["nr_active_anon"] + node["nr_active_file"]
    assert inactive == node["nr_inactive_anon"] + node["nr_inactive_file"]
    assert [g.seq for g in found] == list(range(found[0].seq, found[-1].seq + 1))
    assert [g.age_ms for g in found] == sorted((g.age_ms for g in found), reverse=True)


def test_a_machine_ages_and_a_classic_one_does_not() -> None:
    assert lru_gen_state.generations(done(PRESSURE).machine.state)[-1].seq > 3
    classic = done(PRESSURE, "machine.lru_gen=off").machine.state
    invariants.validate(classic, ("classic",))
    assert lru_gen_state.enabled(classic) == 0
    assert lru_gen_state.generations(classic)[-1].seq == 3


@pytest.mark.parametrize("first", ["on", "off"])
def test_the_policy_changes_while_the_machine_runs(first: str) -> None:
    """Every page finds its place in the lists of the other policy, and back; the sums stay."""
    state = done(PRESSURE, f"machine.lru_gen={first}").machine.state

    def listed() -> int:
        return sum(
            state.node_stats()[f"nr_{age}_{kind}"] for age in ("active", "inactive") for kind in ("anon", "file")
        )

    before = listed()
    for caps in (0, 7, 1, 0, 3):
        lru_gen_state.write_enabled(state, caps)
        assert lru_gen_state.enabled(state) == caps
        assert listed() == before
        invariants.validate(state, (first, str(caps)))


def test_a_copy_goes_on_as_the_original_does() -> None:
    simulation = done(PRESSURE)
    copy = simulation.machine.copy()
    for state in (simulation.machine.state, copy.state):
        lru_gen_state.write_enabled(state, 0)
        lru_gen_state.write_enabled(state, 7)
    assert lru_gen_state.generations(copy.state) == lru_gen_state.generations(simulation.machine.state)
    assert copy.state.node_stats() == simulation.machine.state.node_stats()


def test_min_ttl_reads_as_it_was_written() -> None:
    state = done("machine kernel=6.12\nproc A\n").machine.state
    assert lru_gen_state.min_ttl_ms(state) == 0
    lru_gen_state.write_min_ttl_ms(state, 600_000)
    assert lru_gen_state.min_ttl_ms(state) == 600_000


def test_the_setting_takes_on_and_off_only() -> None:
    for word in ("machine.lru_gen=maybe", "machine.lru_gen=7"):
        with pytest.raises(UsageError, match="expected on or off"):
            done("proc A\n", word)


def test_releases_have_features_and_a_nearest_one_is_named() -> None:
    assert features.features_of((6, 1)) == frozenset()
    assert features.features_of((6, 12)) == {feature.name for feature in features.FEATURES}
    assert features.features_of((6, 8)) < features.features_of((6, 12))
    assert features.version_of("Linux version 6.12.95+deb13 (x)") == (6, 12)
    assert features.version_of("") is None
    assert "zeroes" in features.nearest((6, 8))
    assert "6.12, and where the two differ" in features.nearest((6, 17))
    assert "6.1, and where the two differ" in features.nearest((5, 10))
    known = [feature.since for feature in features.FEATURES]
    assert known == sorted(known)


def test_a_snapshot_of_another_policy_is_named() -> None:
    """The header asks for what the snapshot has otherwise: one note names both."""
    simulation = done("machine kernel=6.1\nproc A\n")
    assert not any("multi-gen" in note for note in simulation.machine.notes)
    generations = done("machine kernel=6.12\nproc A\n")
    assert lru_gen_state.enabled(generations.machine.state) == 7


@pytest.mark.parametrize(("min_ttl_ms", "killed"), [(0, 0), (600_000, 1)])
def test_min_ttl_kills_rather_than_take_what_is_young(min_ttl_ms: int, killed: int) -> None:
    """With 256 MiB of free swap: all generations are younger than ten minutes, and kswapd asks for a kill."""
    text = (
        f"machine ram=256M kernel=6.12\nswap disk size=256M\nsysctl lru_gen.min_ttl_ms={min_ttl_ms}\nproc A\n"
        "A mmap h 120M\nA touch h 0 120M w seq\nproc B\nB mmap g 120M\nB touch g 0 120M w seq\n"
    )
    done = run.simulate(parse(text), None)
    assert len(done.ooms) == killed
    invariants.validate(done.machine.state)


def test_the_story_says_what_generations_did() -> None:
    """New generations, pages that were spared, and how old the oldest was, where reclaim scanned; else nothing."""
    told = " ".join(story.tell(run.simulate(parse(HOT.format(policy="on")), None)))
    assert "and took pages of the oldest alone; the oldest generation began" in told
    assert "generation" not in " ".join(story.tell(run.simulate(parse(HOT.format(policy="off")), None)))
    (said,) = generations.aged(Ages(100, 2, 30, 0))
    assert said.startswith("It walked page tables and made 2 new generations, moved 30 pages up")
    assert generations.aged(Ages(0, 0, 0, 5)) == generations.aged(None) == []


@pytest.mark.parametrize("line", ["lru_gen.enabled=8x", "lru_gen.min_ttl_ms=-1", "thp.enabled=often", "lru_gen.none=1"])
def test_a_header_that_sysfs_would_refuse_is_refused(line: str) -> None:
    with pytest.raises((ScenarioError, NotModelledError)):
        run.simulate(parse(f"machine ram=256M kernel=6.12\nsysctl {line}\nproc A\n"), None)


def test_a_header_writes_sysfs() -> None:
    text = "machine ram=600M kernel=6.12\nsysctl thp.enabled=never\nsysctl lru_gen.enabled=0\nproc A\n"
    state = run.simulate(parse(text), None).machine.state
    assert lru_gen_state.enabled(state) == 0


def test_what_exec_puts_on_a_new_stack_is_no_young_page() -> None:
    """One page a program, in the second youngest generation; what the program touches itself is in the youngest."""
    ops = "proc A\nproc B\nproc C\nA mmap r 1M\nA touch r 0 1M w seq\nA madvise r 0 4K dontneed\n"
    ages = Twin(done(f"machine ram=192M kernel=6.12\n{ops}").machine).lru_gen()
    *_, second, youngest = ages.groups[0].nodes[0].generations
    assert second.anon == 3
    assert youngest.anon >= 255
