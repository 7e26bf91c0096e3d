"""``/proc/stat``: where the CPUs' time went, interrupts, switches and forks since boot.

Layout: ``cpu`` and two blanks with the sum over all CPUs, then a line ``cpuN`` for each; ``intr`` and
``softirq`` begin with their sum. Times are in ticks of 1/100 second (USER_HZ), in the order of
:data:`CPU_FIELDS`. Lines that are not known are kept and printed back in place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memtwin.procfs.text import Lines, join, put_back

SOURCE = ("fs/proc/stat.c", "v6.1")
PATH = "proc/stat"

CPU_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
"""What the numbers of a cpu line are; guest is part of user, guest_nice of nice."""

_CPU = re.compile(r"cpu[0-9]{1,9}", re.ASCII)
_SCALARS = ("ctxt", "btime", "processes", "procs_running", "procs_blocked")


@dataclass(frozen=True, slots=True)
class Stat:
    """CPU times in ticks, counts since boot, tasks that run or wait for I/O now; btime: seconds since 1970.

    *cpu* is the sum, *cpus* each CPU that is online by number. *unknown*: (index of the line, line).
    """

    cpu: tuple[int, ...]
    cpus: dict[int, tuple[int, ...]]
    intr_total: int
    intr: tuple[int, ...]
    ctxt: int
    btime: int
    processes: int
    procs_running: int
    procs_blocked: int
    softirq_total: int | None  # since v2.6.31
    softirq: tuple[int, ...]
    unknown: tuple[tuple[int, str], ...] = ()


def parse(text: str, path: str = PATH) -> Stat:
    """Read stat; *path* names it in errors."""
    lines = Lines(text, path)
    rows: dict[str, tuple[int, ...]] = {}
    cpus: dict[int, tuple[int, ...]] = {}
    unknown = []
    for index, line in enumerate(lines):
        name, _, rest = line.partition(" ")
        if _CPU.fullmatch(name) and int(name[3:]) not in cpus:
            cpus[int(name[3:])] = _numbers(lines, name, rest)
        elif name in {"cpu", "intr", "softirq", *_SCALARS} and name not in rows:
            rows[name] = _numbers(lines, name, rest)
        else:
            unknown.append((index, line))
    for name in ("cpu", "intr", *_SCALARS):
        if name not in rows:
            lines.lineno += 1
            lines.line = ""
            raise lines.bad(f"a line {name}")
    intr, softirq = rows["intr"], rows.get("softirq")
    ctxt, btime, processes, running, blocked = (rows[name][0] for name in _SCALARS)
    return Stat(
        rows["cpu"],
        cpus,
        intr[0],
        intr[1:],
        ctxt,
        btime,
        processes,
        running,
        blocked,
        softirq[0] if softirq else None,
        softirq[1:] if softirq else (),
        tuple(unknown),
    )


def render(record: Stat) -> str:
    """Return the text that the kernel prints, as show_stat() does."""
    lines = [_line("cpu ", *record.cpu)]
    lines += [_line(f"cpu{number}", *times) for number, times in record.cpus.items()]
    lines.append(_line("intr", record.intr_total, *record.intr))
    lines += [f"{name} {getattr(record, name)}" for name in _SCALARS]
    if record.softirq_total is not None:
        lines.append(_line("softirq", record.softirq_total, *record.softirq))
    return join(put_back(lines, record.unknown))


def _line(name: str, *numbers: int) -> str:
    return f"{name} {' '.join(map(str, numbers))}"


def _numbers(lines: Lines, name: str, rest: str) -> tuple[int, ...]:
    expected = f"{name} and " + ("one number" if name in _SCALARS else "numbers")
    numbers = lines.numbers(rest.split(), expected)
    if not numbers or (name in _SCALARS and len(numbers) != 1):
        raise lines.bad(expected)
    return numbers
