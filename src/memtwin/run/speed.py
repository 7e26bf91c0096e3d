"""How fast the processor of a recorded machine was: an emulated one is as fast as its host let it be.

Costs (``machine/costs.py``) were measured on one host on one day. On another, or beside other work, the same operations
take one to nine times as long, while disks and timers do not: who waits, and how far kswapd gets meanwhile, is decided
by that. A recording says how long each operation took. Those before memory is short, in which nothing is reclaimed and
no device is waited for, are the processor's own work::

    speed = what they cost in the model / what they took

Where there are too few, how long the lab's guest took to boot says it. Nothing that a run is judged by is used.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from memtwin.procfs import uptime
from memtwin.run.run import run_scenario, simulate
from memtwin.run.settings import SPEEDS
from memtwin.scenario import UNPACED, Checkpoint, Fread, Fwrite, Touch, WorkerOp
from memtwin.sources.source import load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from memtwin.scenario import Op
    from memtwin.sources.recording import Recording

LEAST_US: Final = 50_000
"""Less work than this says nothing: one interrupt of the host would be most of it."""
BOOT_S: Final = {1: 2.0, 2: 1.8, 4: 2.5}
"""What the lab's guest takes to boot there, without what it idles, by its CPUs (recordings 02, 04, 05, 28; with more,
guests that say their speed by operations too)."""
SETTLE_S: Final = 2.0
"""How long it then sleeps before it is recorded (``lab/coordinator.c``)."""
MOST_WAITED: Final = 0.25
"""Of its wall time QEMU waited for a processor of its host: where it is more, the host was busy."""
_FEW_KIB: Final = 128
"""Read or written meanwhile by who does not wait for it."""
_SHORT: Final = ("pgscan", "pgsteal", "allocstall", "pswp", "zswp", "compact_stall", "oom_kill")


def cpu_speed(real: Recording) -> float | None:
    """Return how fast a recording's processor was beside the one of the costs; None: it does not say.

    One whose host was busy, or may have been, was now slow and now fast: what its first operations took says nothing of
    the others.
    """
    return mean_speed(real) if _share_waited(real) <= MOST_WAITED else None


def mean_speed(real: Recording) -> float | None:
    """Return how fast a recording's processor was in the mean before memory was short; None: it does not say."""
    low, high = SPEEDS
    found = _by_operations(real) or _by_boot(real)
    return round(min(max(found, low), high), 3) if found else None


def _share_waited(real: Recording) -> float:
    """Return how much of its time a recording's guest waited for a processor of its host; not a number: not known."""
    waited_s, took_s = real.meta.get("host_wait_s"), real.meta.get("wall_s")
    return float(waited_s) / took_s if waited_s is not None and took_s else math.nan


def settings_for(real: Recording) -> tuple[str, ...]:
    """Return the ``--set`` words with which the model runs a recording's scenario."""
    speed = cpu_speed(real)
    return (f"machine.cpu_speed={speed}",) if speed else ()


def rerun(
    real: Recording,
    out: Path,
    *,
    settings: Sequence[str] = (),
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Run a recording's scenario on the model, from its boot and as fast as it was; write the run directory *out*.

    Checkpoints take as long as they took: meanwhile kswapd ends its work, and no process of the scenario is in its way.
    *settings*: ``--set`` words beside the speed; *seed*: of what is left to chance.
    """
    asked = (*settings_for(real), *settings)
    run_scenario(
        real.scenario(), real.at("boot"), out,
        settings=asked, seed=seed, looks_ns=looks_ns(real), progress=progress,
    )  # fmt: skip


def looks_ns(real: Recording) -> dict[str, int]:
    """Return how long the recorder took to read the files of each checkpoint, by label.

    Of a host that was busy it is as long as at the speed that costs have: the model runs at that.
    """
    speed: float = (mean_speed(real) if _share_waited(real) > MOST_WAITED else None) or 1.0
    lines = zip(real.scenario().ops, real.ops, strict=False)
    return {op.label: round(line["us"] * 1000 * speed) for op, line in lines if isinstance(op, Checkpoint)}


def _by_operations(real: Recording) -> float | None:
    scenario = real.scenario()
    took = dict(_before_pressure(scenario.ops, real.ops))
    if not took:
        return None
    first = replace(scenario, ops=scenario.ops[: max(took) + 1])
    costs_us = real_us = 0
    for done in simulate(first, real.at("boot")).done:
        if done.op.index in took and not _is_short(done.deltas):
            costs_us += done.us
            real_us += took[done.op.index]
    return costs_us / real_us if costs_us >= LEAST_US else None


def _by_boot(real: Recording) -> float | None:
    """By /proc/uptime: the seconds since the kernel began, less those that its CPU idled; of several, that all did."""
    boot = real.at("boot")
    since = load(boot, uptime)
    cpus = real.scenario().machine.cpus
    is_emulated = "TCG" in (boot.read("proc/cpuinfo") or "")
    if not is_emulated or since is None or cpus not in BOOT_S:
        return None
    took_cs = since.up_cs - (since.idle_cs if cpus == 1 else SETTLE_S * 100)
    return BOOT_S[cpus] * 100 / took_cs if took_cs > 0 else None


def _before_pressure(ops: tuple[Op, ...] | list[Op], lines: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Return (number, us) of the operations before memory is short or tasks run side by side: the processor alone."""
    found = []
    for op, line in zip(ops, lines, strict=False):
        deltas = line.get("d", {})
        if _is_short(deltas) or (isinstance(op, WorkerOp) and op.beside):  # from here on others may have the processor
            break
        if not isinstance(op, (Touch, Fread, Fwrite)) or op.pace != UNPACED:
            continue
        if line.get("outcome") == "ok" and max(deltas.get("pgpgin", 0), deltas.get("pgpgout", 0)) <= _FEW_KIB:
            found.append((op.index, int(line["us"])))
    return found


def _is_short(deltas: dict[str, int]) -> bool:
    return any(count and name.startswith(_SHORT) for name, count in deltas.items())
