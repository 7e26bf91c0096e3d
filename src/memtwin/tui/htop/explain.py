"""What the figure under the cursor means: its value, how it is computed, which file it is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.tui.htop.figures import named
from memtwin.tui.htop.table import TREE_SUM, UNKNOWN, heading
from memtwin.views.meminfo_fields import fields
from memtwin.views.top_fields import FIELDS
from memtwin.views.used import FORMULAS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memtwin.sources.looks import Look
    from memtwin.views.top_fields import Frame

_FILES: Final = {
    "statm": "/proc/PID/statm", "status": "/proc/PID/status", "smaps_rollup": "/proc/PID/smaps_rollup",
    "oom_score": "/proc/PID/oom_score", "oom_score_adj": "/proc/PID/oom_score_adj", "cmdline": "/proc/PID/cmdline",
    "cgroup": "/proc/PID/cgroup",
}  # fmt: skip
_MORE: Final = {
    "VIRT": "Address space that was asked for; most of it may never be used. It does not add up over processes.",
    "RES": "Pages in RAM that the process maps. A page that several map counts for each: the sum of RES is too large.",
    "SHR": "The part of RES that files and shared memory back; others may map the same pages.",
    "PSS": "RES with each shared page divided by how many map it: the one size that adds up over processes. It is read "
    "of the tasks on the screen only, because the kernel walks page tables for it; - is not read yet or not allowed.",
    "USS": "Private pages: what would be free if the process ended.",
    "SWAP": "Private anonymous memory that is in swap now; pages of shared memory are not in it.",
    "FOOT": "PSS and the process' share of swap: its whole footprint.",
    "OOMs": "The OOM killer's points, 0 to 1000 and more: the task with most is killed first.",
    "%CPU": "CPU time since the look before, of one CPU: 200 is two CPUs.",
    TREE_SUM: "PSS of the task and of all below it; > is in front while a task of them has not been read.",
}
_SEGMENTS: Final = {
    "used": "MemTotal - MemFree - Buffers - Cached - SReclaimable: programs, the kernel, page tables.",
    "shared": "Shmem: shared memory and tmpfs; it lies in Cached, but nothing can drop it.",
    "buffers": "Buffers: blocks of disks.",
    "dirty": "Dirty + Writeback: of the cache, what a disk must get first.",
    "cache": "Cached + SReclaimable without shared and dirty: what can be dropped at once.",
    "free": "MemFree: used for nothing; it is no measure of what programs can still get.",
    "avail": "MemAvailable: the kernel's estimate of what programs can get without swapping.",
}
_PRESSURE: Final = {
    "some": "Percent of the last 10 s in which at least one task waited.",
    "full": "Percent of the last 10 s in which all tasks that could run waited: work stood still.",
}


def of_column(name: str, text: str) -> list[str]:
    """Return what a column's figure, which reads *text*, is."""
    if name == TREE_SUM:
        return [f"{heading(name)} = {text}", _MORE[name], "of /proc/PID/smaps_rollup: Pss"]
    field = FIELDS[name]
    files = [_FILES[file] for file in field.needs] or ["/proc/PID/stat"]
    why = [] if text.strip() != UNKNOWN else ["- is not known: not read yet, not allowed, or there is no interval."]
    return [f"{heading(name)} = {text.strip()}", _MORE.get(name, f"{field.meaning}."), *why, f"of {', '.join(files)}"]


def of_figure(name: str, look: Look, frame: Frame) -> list[str]:
    """Return what a figure by name is."""
    figure = named(name, look, frame)
    head = f"{name} = {figure.text}"
    if name.startswith("psi."):
        _, kind, what = name.split(".")
        return [head, f"{_PRESSURE[what]} They waited for {kind}.", f"of /proc/pressure/{kind}: {what} avg10"]
    known = fields().get(name)
    if known is not None:
        return [head, known.what, known.overlaps, f"of /proc/meminfo: {name}"]
    return [head, "A counter of events since boot.", f"of /proc/vmstat: {name}"]


def of_bar(formula: str) -> list[str]:
    """Return what the segments of the memory bar are, and how the number before them is computed."""
    chosen = FORMULAS[formula]
    lines = [
        f"used = {chosen.text}: as {chosen.programs} print it (b: the next of {len(FORMULAS)} ways)",
        f"{chosen.why}.",
    ]
    return lines + [f"{name}: {text}" for name, text in _SEGMENTS.items()]


def explanations(
    look: Look,
    frame: Frame,
    formula: str,
    *,
    shown: Mapping[str, str],
    first: str,
    figures: Sequence[str],
) -> list[list[str]]:
    """Return what every figure on the screen is: the columns of a task (*shown*: their text), *first* first."""
    ordered = sorted(shown, key=lambda name: name != first)
    return [
        *(of_column(name, shown[name]) for name in ordered), *(of_figure(name, look, frame) for name in figures),
        of_bar(formula), *(of_figure(f"psi.{kind}.some", look, frame) for kind in look.pressure),
    ]  # fmt: skip
