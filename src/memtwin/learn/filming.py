"""A run as a film: where RAM and swap were after each operation, and at the moments when memory ran out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.render.film import Film, Frame
from memtwin.scenario import Checkpoint, Proc
from memtwin.units import Pages, kib

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.oom.event import OomEvent
    from memtwin.run.done import Done
    from memtwin.run.run import Run

FRAMES: Final = 12


def film(run: Run) -> Film:
    """Return at most :data:`FRAMES` moments of *run*, the first and the last among them."""
    state = run.machine.state
    total, swap = int(kib(Pages(state.memory_total))), int(kib(Pages(state.swap_pages[0])))
    return Film(total, swap, tuple(_thinned([frame for frame in _frames(run, total, swap) if frame.label])))


def _frames(run: Run, total: int, swap: int) -> Iterator[Frame]:
    """Yield a frame of each sample; its label is empty where nothing can have changed."""
    for sample in run.samples:
        done = run.done[sample.ops_done - 1] if sample.ops_done and sample.between else None
        if done is not None and done.ooms:
            yield _out_of_memory(done.ooms[0], total, swap)
        label = "at the beginning" if sample.between else "..."
        figures = sample.figures
        parts = (figures["AnonPages"], figures["Cached"], figures["MemFree"])
        yield _frame(label if done is None else _label(done), parts, total, swap - figures["SwapFree"])


def _label(done: Done) -> str:
    """Return what an operation was and what became of it; empty for a checkpoint or a new process."""
    if isinstance(done.op, (Checkpoint, Proc)):
        return ""
    killed = "".join(f"{death['name']} is killed: " for death in done.deaths if death["signal"])
    return f"{killed}{'refused: ' if done.outcome == 'error' else ''}{done.op.text}"


def _out_of_memory(event: OomEvent, total: int, swap: int) -> Frame:
    """Return the moment of the kernel's report."""
    pages = event.counts
    anonymous, files = (
        int(kib(Pages(pages[f"active_{kind}"] + pages[f"inactive_{kind}"]))) for kind in ("anon", "file")
    )
    used = swap - (event.swap.free_kib or 0)
    return _frame("memory runs out", (anonymous, files, int(kib(Pages(pages["free"])))), total, used)


def _frame(label: str, parts: tuple[int, int, int], total: int, swap_used: int) -> Frame:
    programs, files, free = parts
    kernel = max(total - free - files - programs, 0)
    return Frame(label, {"kernel": kernel, "programs": programs, "files": files, "free": free}, swap_used)


def _thinned(frames: Sequence[Frame]) -> list[Frame]:
    """Leave out as many as are too many, evenly."""
    if len(frames) <= FRAMES:
        return list(frames)
    return [frames[round(i * (len(frames) - 1) / (FRAMES - 1))] for i in range(FRAMES)]
