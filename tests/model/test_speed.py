"""How fast a recording's processor was: by its operations, or by how long it took to boot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memtwin.errors import UsageError
from memtwin.machine.costs import LAB_TCG, at_speed
from memtwin.run.run import simulate
from memtwin.run.settings import settings_of
from memtwin.run.speed import cpu_speed, settings_for
from memtwin.scenario import parse
from memtwin.sources.recording import Recording, runs_in

if TYPE_CHECKING:
    from collections.abc import Sequence

RECORDINGS = Path(__file__).parents[1] / "recordings"
CALM = "machine ram=512M\nproc A\nA mmap heap 160M\nA touch heap 0 160M r seq\nA touch heap 0 160M w seq content=text\n"
SHORT = "machine ram=512M\nproc A\nA mmap heap 8M\nA touch heap 0 8M w seq\n"


def recorded(text: str, out: Path, settings: Sequence[str] = ()) -> Recording:
    """A recording of a guest of the lab, which the model made."""
    boot = Recording(runs_in(RECORDINGS / "02-anon-fits")[0]).at("boot")
    simulate(parse(text), boot, settings=settings).write(out)
    note_wait(out, 0.5)
    return Recording(out)


def note_wait(out: Path, waited_s: float) -> None:
    """Say of a recording that its guest waited so long of ten seconds for a processor of its host."""
    meta = json.loads((out / "run.json").read_text()) | {"wall_s": 10.0, "host_wait_s": waited_s}
    (out / "run.json").write_text(json.dumps(meta))


@pytest.mark.parametrize("speed", [0.25, 1.0, 3.0])
def test_operations_say_how_fast_the_processor_was(tmp_path: Path, speed: float) -> None:
    real = recorded(CALM, tmp_path / "run", (f"machine.cpu_speed={speed}",))
    found = cpu_speed(real)
    assert found is not None
    assert found == pytest.approx(speed, rel=0.05)
    assert settings_for(real) == (f"machine.cpu_speed={found}",)


def test_where_they_are_few_the_boot_says_it(tmp_path: Path) -> None:
    real = recorded(SHORT, tmp_path / "run")
    uptime = tmp_path / "run" / "boot" / "proc" / "uptime"
    uptime.write_text("6.00 2.00\n")
    assert cpu_speed(real) == 0.5
    real.scenario = lambda: parse(SHORT.replace("ram=512M", "ram=512M cpus=2"))  # type: ignore[method-assign]  # of two CPUs
    uptime.write_text("5.60 7.00\n")
    assert cpu_speed(real) == 0.5  # whatever the second idled meanwhile
    (tmp_path / "run" / "boot" / "proc" / "cpuinfo").write_text("processor\t: 0\n")
    assert cpu_speed(real) is None
    assert settings_for(real) == ()


def test_what_waits_or_runs_while_memory_is_short_is_not_used(tmp_path: Path) -> None:
    real = recorded(CALM, tmp_path / "run")
    (tmp_path / "run" / "boot" / "proc" / "uptime").write_text("6.00 2.00\n")
    for counter in ("pgscan_kswapd", "allocstall_movable", "pgpgin"):
        ops = [{**op, "d": {**op["d"], counter: 1000}} if "touch" in op["op"] else op for op in real.ops]
        other = Recording(tmp_path / "run")
        other.ops = ops
        assert cpu_speed(other) == 0.5, counter


def test_of_a_host_that_was_busy_nothing_is_known(tmp_path: Path) -> None:
    recorded(CALM, tmp_path / "run")
    note_wait(tmp_path / "run", 2.5)
    assert cpu_speed(Recording(tmp_path / "run")) is not None
    note_wait(tmp_path / "run", 2.6)
    assert cpu_speed(Recording(tmp_path / "run")) is None
    assert cpu_speed(Recording(runs_in(RECORDINGS / "02-anon-fits")[0])) is None


def test_a_processor_is_faster_and_its_disk_is_not() -> None:
    fast = at_speed(LAB_TCG, 2.0)
    assert (fast.anon_fault, fast.tlb_flush) == (LAB_TCG.anon_fault // 2, LAB_TCG.tlb_flush // 2)
    assert fast.disk == LAB_TCG.disk


@pytest.mark.parametrize("word", ["0", "-1", "fast", "nan", "inf", "1e9"])
def test_a_speed_that_no_processor_has_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match=r"from 0.01 to 100"):
        settings_of([f"machine.cpu_speed={word}"])
