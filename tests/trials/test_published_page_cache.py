"""The scenarios and the arithmetic of the published page-cache experiment, without its runs of a quarter of an hour."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import page_cache

from memtwin import scenario as sc
from memtwin.run.run import refuse_what_cannot_be_done


@pytest.mark.parametrize("size", page_cache.SINGLE)
def test_one_after_another_reads_and_writes_every_byte(size: int) -> None:
    scenario = sc.parse(page_cache.one_after_another(size))
    refuse_what_cannot_be_done(scenario)
    read = sum(op.length_bytes for op in scenario.ops if isinstance(op, sc.Fread))
    written = sum(op.length_bytes for op in scenario.ops if isinstance(op, sc.Fwrite))
    assert read == written == pytest.approx(3e9 * size, rel=0.001)
    assert {op.label for op in scenario.ops if isinstance(op, sc.Checkpoint)} >= set(page_cache.PHASES)


@pytest.mark.parametrize("tasks", page_cache.TOGETHER)
def test_side_by_side_every_task_replaces_three_files(tasks: int) -> None:
    scenario = sc.parse(page_cache.side_by_side(tasks))
    refuse_what_cannot_be_done(scenario)
    kinds = [type(op) for op in scenario.ops]
    assert kinds.count(sc.Truncate) == kinds.count(sc.Close) == kinds.count(sc.Fwrite) == 3 * tasks
    assert sum(op.length_bytes for op in scenario.ops if isinstance(op, sc.Fread)) == 3 * tasks * (2861 << 20)


def test_an_error_is_what_lies_outside_the_range() -> None:
    assert [page_cache.outside(twin, (10, 20)) for twin in (10, 15, 20)] == [0, 0, 0]
    assert page_cache.outside(8, (10, 20)) == pytest.approx(0.2)
    assert page_cache.outside(30, (10, 20)) == pytest.approx(0.5)


def test_memory_is_compared_with_the_nodes_peak() -> None:
    assert page_cache.of_peak((0, 10), (10, 10)) == pytest.approx(0.5)


def test_a_size_that_was_not_measured_is_refused() -> None:
    assert page_cache.numbers("20,100", list(page_cache.SINGLE)) == [20, 100]
    with pytest.raises(argparse.ArgumentTypeError, match="of 20, 50, 75, 100, not 30"):
        page_cache.numbers("30", list(page_cache.SINGLE))
