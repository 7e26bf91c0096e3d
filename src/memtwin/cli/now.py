"""``memtwin`` alone: reads a machine for :mod:`memtwin.diagnose.now` and shows one screen."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from memtwin.cli.common import LIVE, look_of_stdout, memory_of, note, number, open_root, show
from memtwin.diagnose.doctor import Machine, Unknown
from memtwin.diagnose.now import Facts, Kill, examine, nearest
from memtwin.diagnose.now_view import Page, view
from memtwin.errors import InputError
from memtwin.procfs import pressure, swaps, uptime, vmstat
from memtwin.sources import cgroups
from memtwin.sources.host import host
from memtwin.sources.processes import HIDDEN, are_hidden, are_kept
from memtwin.sources.source import load
from memtwin.units import bytes_of
from memtwin.views import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from memtwin.oom.live import Candidate
    from memtwin.procfs.meminfo import Meminfo
    from memtwin.sources.cgroups import Group
    from memtwin.sources.source import Source
    from memtwin.views.limits import Limit

_LOGS: Final = ("dmesg.txt", "sos_commands/kernel/dmesg", "var/log/dmesg")
"""Where a saved machine may have its kernel log."""


_WINDOW_S: Final = 0.03
"""How long counters of this host are watched at least."""


def tell(root: str, form: str | None) -> None:
    """Show what is wrong with the machine of *root* now."""
    source = open_root(root)
    memory = memory_of(source, "MemTotal")
    begun = time.monotonic()
    before = load(source, vmstat) if source.is_live else None
    groups, candidates, facts = list(cgroups.limited(source)), _candidates(source), host(source)
    if before is not None:
        time.sleep(max(begun + _WINDOW_S - time.monotonic(), 0.0))
    machine, seconds, earlier = Machine(source), time.monotonic() - begun, source.before
    counters = _known(machine.counters)
    if earlier is not None and (passed := _seconds_between(earlier, source)):
        before, seconds = load(earlier, vmstat), passed
    found = examine(Facts(
        machine, groups, facts.page_kib, lambda: _last_kill(source), _log_command(root), before, seconds, earlier,
    ))  # fmt: skip
    up = load(source, uptime)
    page = Page(
        f"this host ({os.uname().nodename})" if source.is_live else source.owner, facts.kernel,
        up.up_cs / 100 if up else None, found, memory, load(source, swaps), load(source, pressure, resource="memory"),
        _swapped(counters, before, seconds, facts.page_kib), before is not None, _nearest(source, memory, groups),
        candidates, counters.get("oom_kill") if counters else None, _log_command(root),
        None if source.is_live else root,
    )  # fmt: skip
    show(view(page, look_of_stdout()), form, source)
    if are_hidden(source):
        note(HIDDEN)


def _seconds_between(earlier: Source, source: Source) -> float | None:
    """Return how long after *earlier* the machine of *source* was; None where that is not known."""
    first, last = load(earlier, uptime), load(source, uptime)
    return (last.up_cs - first.up_cs) / 100 if first and last and last.up_cs > first.up_cs else None


def _known(read: Callable[[], Mapping[str, int]]) -> Mapping[str, int] | None:
    try:
        return read()
    except Unknown:
        return None


def _candidates(source: Source) -> list[Candidate] | None:
    """Return who would die first; None where a source keeps no processes."""
    from memtwin.cli.oom_live import first_to_die

    return first_to_die(source) if are_kept(source) else None


def _nearest(source: Source, memory: Meminfo, groups: list[Group]) -> list[Limit]:
    """Return the machine's own limits and those of cgroups, the fullest first."""
    own = limits.of_machine(memory, number(source, "proc/sys/vm/overcommit_memory"))
    return sorted((*own, *nearest(groups)), key=lambda one: -(one.share or 0))


def _swapped(
    now: Mapping[str, int] | None, before: Mapping[str, int] | None, seconds: float, page_kib: int
) -> tuple[float, float] | None:
    """Return bytes swapped in and out: a second since *before*, else since boot."""
    if now is None or "pswpin" not in now or "pswpout" not in now:
        return None
    moved = [bytes_of((now[name] - (before or {}).get(name, 0)) * page_kib) for name in ("pswpin", "pswpout")]
    return (moved[0] / seconds, moved[1] / seconds) if before else (float(moved[0]), float(moved[1]))


def _last_kill(source: Source) -> Kill | None:
    """Return the last kill in the kernel log up to the source's moment; raise Unknown where there is no log."""
    from memtwin.oom.read import clock
    from memtwin.oom.read.parse import events_of
    from memtwin.oom.read.shape import restored
    from memtwin.oom.tell import headline
    from memtwin.oom.why.analysis import analyses

    up = load(source, uptime)
    last: Kill | None = None
    for one in analyses(events_of(restored(_log(source)))):
        stamp = clock.seconds(one.event.stamp)
        age = up.up_cs / 100 - stamp[1] if up and stamp and stamp[0] == "uptime" else None
        if age is None or age >= -1:
            last = Kill(headline(one), None if age is None else max(age, 0.0))
    return last


def _log(source: Source) -> Iterable[str]:
    from memtwin.oom.read import logs

    if source.is_live:
        try:
            return list(logs.of_kernel())
        except InputError:
            raise Unknown(f"{logs.KMSG}: root may read it") from None
    for path in _LOGS:
        text = source.read(path)
        if text is not None:
            return text.split("\n")
    raise Unknown("its kernel log")


def _log_command(root: str) -> str:
    """Return the command that reads the kernel's log: of this host, of a run, or saved in a file."""
    if root == LIVE:
        return "memtwin oom"
    from pathlib import Path

    log = next((f"{root}/{path}" for path in _LOGS if Path(root, path).exists()), "LOG")
    run, at, _ = root.rpartition("@")
    return f"memtwin oom {log}" if log != "LOG" or not at else f"memtwin oom --run {run}"
