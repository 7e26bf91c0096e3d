"""What a page costs the host when tasks run side by side, beside what it costs when one does the same alone."""

from __future__ import annotations

import statistics
import time

from memtwin import scenario as sc
from memtwin.run.run import Run, machine_for

PAGES = 1 << 18
"""Of all tasks together: 1 GiB."""
TOUCHES = 1 << 22
"""Of all tasks together, on pages that are there."""
TASKS, CPUS = "ABCDEFGH", 8


def measure(cpus: int, names: str, *, hits: bool) -> float:
    """Host nanoseconds a page of faults, or of touches of pages that are there; several tasks run side by side."""
    share, beside = PAGES // len(names), " &" if len(names) > 1 else ""
    pattern = f"rand:{TOUCHES // len(names)}:1" if hits else "seq"
    lines = [f"machine ram=2G cpus={cpus}"]
    for name in names:
        lines += [f"proc {name}", f"{name} mmap h {share}P"]
        lines += [f"{name} touch h 0 {share}P w seq"] if hits else []
    before = len(lines) - 1
    lines += [f"{name} touch h 0 {share}P w {pattern}{beside}" for name in names]
    scenario = sc.parse("\n".join([*lines, "wait"]) + "\n")
    run = Run(scenario, machine_for(scenario, None))
    run.sample(between=True)
    for op in scenario.ops[:before]:
        run.do(op)
    since = time.process_time()
    for op in scenario.ops[before:]:
        run.do(op)
    spent = time.process_time() - since
    assert all(done.outcome == "ok" for done in run.done)
    return spent / (TOUCHES if hits else PAGES) * 1e9


def rows(rounds: int) -> list[tuple[str, str, str, str]]:
    """What is done, ns a page of one task, of eight on eight CPUs, and the median ratio."""
    found = []
    for hits, text in ((False, "write new pages"), (True, "write pages that are there, at random")):
        pairs = [(measure(1, "A", hits=hits), measure(CPUS, TASKS, hits=hits)) for _ in range(rounds)]
        one, many = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        ratio = statistics.median(pair[1] / pair[0] for pair in pairs)
        found.append((text, f"{one:.1f}", f"{many:.1f}", f"{ratio:.2f}"))
    return found
