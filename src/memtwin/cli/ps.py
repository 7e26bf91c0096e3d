"""``memtwin ps``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from memtwin.cli import complete
from memtwin.cli.common import (
    form_options,
    meminfo_of,
    no_process,
    note,
    open_root,
    repeat,
    root_option,
    sampling_options,
)
from memtwin.errors import SnapshotError, UsageError
from memtwin.procfs import meminfo, uptime
from memtwin.procfs.pid import oom_score, oom_score_adj, smaps_rollup, stat, status
from memtwin.sources.host import host
from memtwin.sources.processes import HIDDEN, are_hidden, processes
from memtwin.sources.source import load
from memtwin.views import ps as view

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.render.grid import View
    from memtwin.sources.processes import SourceProcess
    from memtwin.sources.source import Source

_FIELDS: Final = ", ".join(view.FIELDS)


@click.command("ps")
@click.option(
    "-o",
    "--fields",
    default=",".join(view.DEFAULT),
    metavar="FIELDS",
    help=f"Columns, of {_FIELDS}.",
    shell_complete=complete.several_of(view.FIELDS),
)
@click.option(
    "--sort",
    "keys",
    default="-RES",
    metavar="KEYS",
    shell_complete=complete.several_of(view.FIELDS, signs="-+"),
    help="Fields to sort by; - for descending order.",
    show_default=True,
)
@click.option(
    "-p",
    "--pid",
    "pids",
    type=int,
    multiple=True,
    shell_complete=complete.pids,
    help="This process (may be given more than once).",
)
@click.option("-u", "--user", shell_complete=complete.users, help="Processes of this user, by name or number.")
@click.option("-n", "--top", type=click.IntRange(min=1), metavar="N", help="The first N.")
@click.option("-k", "--kernel-threads", is_flag=True, help="Kernel threads too: they have no memory of their own.")
@click.option("--bytes", "in_bytes", is_flag=True, help="Sizes in bytes.")
@click.option("--noheadings", is_flag=True, help="No line of headings.")
@click.option(
    "--explain",
    is_flag=True,
    help="Why VIRT, RES and SHR do not add up; with -p, what a process maps, and why it has no huge pages.",
)
@sampling_options
@root_option
@form_options
def command(
    root: str, form: str | None, seconds: float | None, count: int | None,
    *, fields: str, keys: str, pids: tuple[int, ...], user: str | None, top: int | None,
    kernel_threads: bool, in_bytes: bool, noheadings: bool, explain: bool,
) -> None:  # fmt: skip
    """Print processes and their memory.

    VIRT is address space, RES what is in RAM, SHR the part of it that may be shared, PSS RES with shared pages divided
    (only this adds up), USS what its end would free. Other users' PSS and USS take root.
    """
    source = open_root(root)
    if explain:
        repeat(lambda: _explain(source, pids), form, source, seconds, count)
        return
    names = view.choose_fields(fields)

    def make() -> View:
        shown = _select(source, names, keys, pids, user, kernel_threads=kernel_threads)
        return view.view(shown[:top], names, in_bytes=in_bytes)

    repeat(make, form, source, seconds, count, headings=not noheadings)


def _select(
    source: Source, names: Sequence[str], keys: str, pids: tuple[int, ...], user: str | None, *, kernel_threads: bool
) -> list[view.ProcessRecords]:
    """Return the processes that are asked for, in order; raise if those of *pids* are not there."""
    asked = {*names, *view.choose_fields(",".join(key.strip().lstrip("+-") for key in keys.split(",")))}
    found = view.order(_found(source, view.needs(asked) | ({"user"} if user else set()), pids), keys)
    if pids and not found:
        raise no_process(source, *pids)
    shown = [one for one in found if kernel_threads or pids or not one.is_kernel_thread]
    return [one for one in shown if user is None or user in {one.user, (one.status.get("Uid") or "").split("\t")[0]}]


def _explain(source: Source, pids: tuple[int, ...]) -> View:
    from memtwin.views import ps_explained

    if not pids:
        found = list(_found(source, {"rollup"}, ()))
        memory = meminfo_of(source)
        return ps_explained.view_machine(found, memory)
    if len(pids) > 1:
        raise UsageError("--explain with -p explains one process", hint="give one -p")
    from memtwin.procfs.pid import smaps
    from memtwin.sysfs import transparent_hugepage

    process = next((one for one in processes(source) if one.pid == pids[0]), None)
    record = process.load(smaps) if process else None
    if process is None or record is None:
        path = f"{process.root}/smaps" if process else f"proc/{pids[0]}"
        why = source.unread.get(path, "absent")
        hint = (
            "a snapshot has smaps unless it was taken with --no-smaps, a run never"
            if why == "absent" and process
            else None
        )
        raise SnapshotError(source.owner, f"{path}: {why}", hint=hint)
    return ps_explained.view_process(
        record, transparent_hugepage.chosen(source.read(transparent_hugepage.ENABLED) or "")
    )


def _found(source: Source, wanted: set[str], pids: tuple[int, ...]) -> Iterator[view.ProcessRecords]:
    """Yield the processes with the files that are *wanted*; those that end meanwhile are left out."""
    memory, up, facts = load(source, meminfo), load(source, uptime), host(source)
    machine = view.MachineTotals(
        memory.get("MemTotal") if memory else None,
        up.up_cs / 100 if up else None,
        facts.ticks_per_s,
    )
    users = _users(source) if "user" in wanted else {}
    hidden = 0
    for process in processes(source):
        if pids and process.pid not in pids:
            continue
        record = process.load(status)
        if record is None:
            hidden += source.unread.get(f"{process.root}/status") == "Permission denied"
            continue
        yield _process(process, record, wanted, users, machine)
    if hidden:
        note(f"{hidden} processes of other users are hidden (hidepid): root sees them")
    elif are_hidden(source):
        note(HIDDEN)


def _process(
    process: SourceProcess, record: status.Status, wanted: set[str], users: dict[str, str], machine: view.MachineTotals
) -> view.ProcessRecords:
    has_memory = record.kib("VmSize") is not None
    uid = (record.get("Uid") or "").split("\t")[0]
    score = process.load(oom_score) if "oom" in wanted else None
    adjustment = process.load(oom_score_adj) if "oom" in wanted else None
    groups = (process.read("cgroup") or "").splitlines() if "cgroup" in wanted else []
    return view.ProcessRecords(
        process.pid,
        record,
        process.load(stat) if "stat" in wanted else None,
        rollup_of(process) if "rollup" in wanted and has_memory else None,
        score.value if score else None,
        adjustment.value if adjustment else None,
        users.get(uid, uid or None) if "user" in wanted else None,
        _memory_cgroup(groups),
        " ".join((process.read("cmdline") or "").split("\0")).strip() or None if "args" in wanted else None,
        machine,
    )


def rollup_of(process: SourceProcess) -> smaps_rollup.SmapsRollup | None:
    """Return smaps_rollup, or the sums of smaps where there is none: before Linux 4.14, and in most reports."""
    found = process.load(smaps_rollup)
    if found is not None or process.source.unread.get(f"{process.root}/smaps_rollup") != "absent":
        return found
    from memtwin.procfs.pid import smaps

    record = process.load(smaps)
    return smaps.roll_up(record) if record else None


def _memory_cgroup(lines: list[str]) -> str | None:
    """Return the cgroup that limits memory: v1's line of the memory controller, else v2's."""
    named = [line.split(":", 2) for line in lines if line.count(":") >= 2]
    first = next((path for _, controllers, path in named if "memory" in controllers.split(",")), None)
    return first or next((path for number, _, path in named if number == "0"), None)


def _users(source: Source) -> dict[str, str]:
    """Return names by number, as the source's own /etc/passwd has them."""
    rows = (line.split(":") for line in (source.read("etc/passwd") or "").splitlines())
    return {words[2]: words[0] for words in rows if len(words) > 2}
