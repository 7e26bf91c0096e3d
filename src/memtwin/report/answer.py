"""What happened to a machine, in a few sentences with their figures: the first thing of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.procfs.swaps import SwapArea, Swaps
from memtwin.render.words import count, listed, seconds, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.render.course import Area, Course
    from memtwin.report.gathered import Gathered, Moment

_MOST_KILLS = 3
_PAGE_KIB = 4


def sentences(found: Gathered) -> tuple[str, ...]:
    """Return what happened, the most important first."""
    course = found.course
    if course is None:
        return (*found.findings, *_kills(found), *_moment(found.moments[-1]), *_about(found))
    return (*_kills(found), *_shortest(found, course), *_swap(course), *_waited(course), *_about(found))


def _kills(found: Gathered) -> Iterator[str]:
    yield from found.kills[:_MOST_KILLS]
    if len(found.kills) > _MOST_KILLS:
        yield f"{len(found.kills) - _MOST_KILLS} more kills are in its log."
    if found.kills or found.course is None:
        return
    killed = [event for event in found.course.events if event.letter == "X"]
    if killed:
        first = seconds(killed[0].time_ns)
        yield f"Processes were killed for lack of memory, the first {first} after the beginning: {killed[0].text}."
    elif "oom_kill" in found.course.counts or found.operations is not None:
        yield "No process was killed for lack of memory."
    else:
        yield "Whether a process was killed is not in these files."


def _shortest(found: Gathered, course: Course) -> Iterator[str]:
    """When programs and the kernel left least for others."""
    left = [part for part in course.parts if part.group in {"free", "cache"} and not part.name.startswith("shared")]
    kib = [sum(part.kib[number] for part in left) for number in range(len(course.times_ns))]
    at = min(range(len(kib)), key=kib.__getitem__)
    programs = sum(part.kib[at] for part in course.parts if part.group == "programs")
    swapped = sum(area.used_kib[at] or 0 for area in course.areas)
    in_swap = f", {size(swapped)} were in swap" if swapped else ""
    yield (
        f"Least was left at {seconds(course.times_ns[at])} of the {found.sort}: {size(kib[at])} of "
        f"{size(course.total_kib)} RAM were free or page cache; programs had {size(programs)} in RAM{in_swap}."
    )


def _swap(course: Course) -> Iterator[str]:
    for area in course.areas:
        used, whole = _most(area), max(one or 0 for one in area.size_kib)
        if used:
            share = 100 * used / whole if whole else 0.0
            yield f"{area.name.rpartition('/')[2]} had at most {size(used)} of {size(whole)} in use ({share:.0f} %)."
    compressed = next((part for part in course.parts if part.name.startswith("compressed")), None)
    if compressed is not None and (most := max(compressed.kib)):
        yield f"What was compressed took at most {size(most)} of RAM."


def _most(area: Area) -> int:
    return max(one or 0 for one in area.used_kib)


def _waited(course: Course) -> Iterator[str]:
    last = {name: values[-1] for name, values in course.counts.items() if values[-1] is not None}
    parts = []
    if "pgmajfault" in last:
        parts.append(count(last["pgmajfault"] or 0, "major fault"))
    if "pswpout" in last and "pswpin" in last:
        out, into = (last[name] or 0 for name in ("pswpout", "pswpin"))
        parts.append(f"{size(out * _PAGE_KIB)} swapped out, {size(into * _PAGE_KIB)} swapped in")
    if "psi_some" in last:
        some, full = last["psi_some"] or 0, last.get("psi_full") or 0
        share = 100 * some * 1000 / course.times_ns[-1]
        parts.append(
            f"some task waited for memory for {seconds(some * 1000)} ({share:.1f} % of the time), all at once for "
            f"{seconds(full * 1000)}"
        )
    if parts:
        yield f"In {seconds(course.times_ns[-1])}: {'; '.join(parts)}."


def _moment(moment: Moment) -> Iterator[str]:
    memory = moment.memory
    if memory is None or not memory.get("MemTotal"):
        return
    total, left = memory["MemTotal"], memory.get("MemAvailable")
    if left is not None:
        free = size(memory.get("MemFree", 0))
        yield f"{size(left)} of {size(total)} RAM were available ({100 * left / total:.0f} %), {free} free."
    areas = moment.swaps or Swaps()
    for area in areas.areas:
        yield _in_use(area)
    if moment.tasks:
        largest = moment.tasks[0]
        in_swap = f" and {size(largest.swap_kib)} in swap" if largest.swap_kib else ""
        yield (
            f"The largest of {count(len(moment.tasks), 'process')}: {largest.name} ({largest.pid}) with "
            f"{size(largest.rss_kib)} in RAM{in_swap}."
        )


def _in_use(area: SwapArea) -> str:
    return f"{area.filename.rpartition('/')[2]} had {size(area.used_kib)} of {size(area.size_kib)} in use."


def _about(found: Gathered) -> Iterator[str]:
    kernel = f"Linux {found.kernel}" if found.kernel else "a kernel that is not named"
    if found.operations is not None:
        done, failed = found.operations
        bad = f", {failed:,} without success" if failed else ", all with success"
        where = "the model of" if found.sort == "run" else "a real kernel,"
        yield f"{count(done, 'operation')} on {where} {kernel}{bad}."
    elif found.course is not None:
        yield f"{count(len(found.course.times_ns), 'sample')} of {kernel}."
    else:
        yield f"One moment of {kernel}."
    if found.lacking:
        yield f"Not in these files: {listed(found.lacking)}."
