"""``memtwin record``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from memtwin import __version__
from memtwin.cli import complete
from memtwin.cli.common import note, write
from memtwin.cli.words import duration, size
from memtwin.errors import InputError, UsageError
from memtwin.render.amount import column
from memtwin.render.words import count
from memtwin.sources import cgroups
from memtwin.sources.costly import Contents, WorkingSets
from memtwin.sources.host import host
from memtwin.sources.opening import open_source
from memtwin.sources.page_tables import Kcore, PageLooks
from memtwin.sources.recorder import Recorder, in_cgroup
from memtwin.sources.trace_writer import Rotation, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTEST_MS: Final = 100
_LONGEST_MS: Final = 3_600_000
_DEAR: Final = 0.25
"""Share of the interval beyond which a tick lengthens it."""


@click.command("record")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    shell_complete=complete.files,
    help="The trace; an existing one is continued.",
)
@click.option("-p", "--pid", "pids", type=int, multiple=True, metavar="PID", shell_complete=complete.pids,
              help="This process and what it starts (may be given more than once).")  # fmt: skip
@click.option(
    "-u", "--user", metavar="USER", shell_complete=complete.users, help="Processes of this user, by name or number."
)
@click.option(
    "--cgroup",
    metavar="PATH",
    shell_complete=complete.cgroups,
    help="Processes of this memory cgroup and those below, as /proc/PID/cgroup.",
)
@click.option("--all", "all_", is_flag=True, help="All processes (the default).")
@click.option("--every", callback=duration, default="1s", show_default=True, metavar="TIME", help="Between samples.")
@click.option("--for", "for_ms", callback=duration, metavar="TIME", help="Stop after this time.")
@click.option("--max-size", callback=size, metavar="SIZE", help="Begin a new file after this size: FILE.1 is the last.")
@click.option("--max-age", callback=duration, metavar="TIME", help="Begin a new file after this time.")
@click.option("--keep", type=click.IntRange(0, 1000), default=7, show_default=True, help="Old files that are kept.")
@click.option(
    "--working-set",
    "working_set",
    callback=duration,
    metavar="TIME",
    help="Also what the processes touch in each TIME (10s): it costs them something, which is said first.",
)
@click.option(
    "--pages",
    "pages",
    callback=duration,
    metavar="TIME",
    help="Also which pages the processes touch and write in each TIME, read of /proc/kcore by root; its price is said.",
)
@click.option(
    "--contents", is_flag=True, help="Also how their pages compress, by a sample a minute; its price is said."
)
@click.option("--no-arguments", is_flag=True, help="Leave out the processes' command lines: they may hold secrets.")
@click.argument("command_line", nargs=-1, metavar="[-- COMMAND...]")
def command(
    output: str, *, pids: tuple[int, ...], user: str | None, cgroup: str | None, every: int, for_ms: int | None,
    max_size: int | None, max_age: int | None, keep: int, command_line: tuple[str, ...], all_: bool,
    no_arguments: bool, working_set: int | None, pages: int | None, contents: bool,
) -> int:  # fmt: skip
    """Record this machine and its processes over time: a trace, which every view reads.

    With -p, -u, --cgroup or a COMMAND the machine and those processes; else all. Each sample is read at one moment and
    written at once: ^C, a kill or a full disk costs at most one. Views show a moment of it with
    --root FILE@03:12 or FILE@-30s. Only its owner may read it.
    """
    asked = [bool(pids), user is not None, cgroup is not None, all_, bool(command_line)]
    if sum(asked) > 1:
        raise UsageError("-p, -u, --cgroup, --all and a COMMAND exclude each other", hint="give one of them")
    if not SHORTEST_MS <= every <= _LONGEST_MS:
        raise UsageError(f"--every: not between {SHORTEST_MS} ms and 1 hour")
    if working_set is not None and working_set < every:
        raise UsageError("--working-set: less than --every", hint=f"give --every {working_set}ms too")
    if pages is not None and working_set is not None:
        raise UsageError("--pages and --working-set exclude each other", hint="both forget what was touched")
    costly: list[WorkingSets | PageLooks | Contents] = []
    costly += [WorkingSets(working_set / 1000)] if working_set is not None else []
    costly += [_page_looks(pages / 1000)] if pages is not None else []
    costly += [Contents()] if contents else []
    uid = _uid(user)
    for pid in pids:
        if not os.path.exists(f"/proc/{pid}"):
            raise UsageError(f"no process {pid}", hint="memtwin ps lists them")
    often = _files_of(cgroup) if cgroup is not None else ()
    writer = Writer(output, _meta(every, working_set), Rotation(max_size, max_age / 1000 if max_age else None, keep))
    child = None
    try:
        if command_line:
            child = _start(command_line)
            pids = (child.pid,)
        wanted = _wanted(pids, uid, cgroup)
        for one in costly:
            note(one.price([pid for pid in _present() if wanted(pid, 0)]))
        recorder = Recorder(every / 1000, wanted, arguments=not no_arguments, often=often, costly=costly)
        try:
            ticks = _Loop(recorder, writer, every / 1000, for_ms, child=child, pids=pids)
            ticks.run()
        finally:
            recorder.close()
    finally:
        writer.close()
        _end(child)
    write(f"{output}: {ticks.summary()}\n")
    refused = sum(one.isdigit() for one in ticks.refused)
    if refused and os.geteuid():
        note(f"of {count(refused, 'process')} smaps_rollup, maps and io may not be read: root may read them")
    return child.returncode if child is not None and child.returncode is not None and child.returncode > 0 else 0


def _page_looks(every_s: float) -> PageLooks:
    """Return what reads page tables; raise UsageError where that cannot be."""
    try:
        return PageLooks(every_s, Kcore())
    except (OSError, InputError) as problem:
        raise UsageError(f"--pages: {problem}", hint="it needs root, and a kernel with /proc/kcore and BTF") from None


def _present() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


class _Loop:
    """The ticks of one recording."""

    def __init__(
        self, recorder: Recorder, writer: Writer, every_s: float, for_ms: int | None, *,
        child: subprocess.Popen[bytes] | None, pids: tuple[int, ...],
    ) -> None:  # fmt: skip
        self._recorder, self._writer, self._every_s, self._child, self._pids = recorder, writer, every_s, child, pids
        self._until = None if for_ms is None else time.monotonic() + for_ms / 1000
        self._full, self._stretch, self._stop = False, 1, False
        self.refused: set[str] = set()
        """Processes of which something may not be read."""
        self._begin, self._cpu = time.monotonic(), time.process_time()

    def run(self) -> None:
        """Take samples until the time is over, the command or the processes ended, or a signal came."""
        kept = {one: signal.signal(one, self._on_signal) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            due = time.monotonic()
            while not self._stop:
                begin = time.monotonic()
                self._sample()
                due = max(due + self._every_s * self._stretch, begin)
                if self._is_over():
                    break
                if self._writer.written > 1:  # the first reads everything
                    self._adapt(time.monotonic() - begin)
                self._sleep(due)
        finally:
            for one, handler in kept.items():
                signal.signal(one, handler)

    def summary(self) -> str:
        """Say what was recorded, and at what price."""
        took = max(time.monotonic() - self._begin, 1e-9)
        share = 100 * (time.process_time() - self._cpu) / took
        lost = f", {self._writer.lost:,} lost as the disk was full" if self._writer.lost else ""
        return (
            f"{self._writer.written:,} samples in {took:.1f} s{lost}, {column(self._writer.size_bytes)}; "
            f"recording took {share:.1f} % of a CPU"
        )

    def _sample(self) -> None:
        unix_ms = time.time_ns() // 1_000_000
        boot_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        made = self._recorder.tick()
        self.refused.update(path.split("/")[1] for path in made.unread if path.startswith("proc/"))
        why = self._writer.add(made, unix_ms, boot_ms)
        if why and not self._full:
            note(f"{self._writer.path}: {why}: samples are lost until there is room")
        self._full = bool(why)

    def _is_over(self) -> bool:
        if self._until is not None and time.monotonic() >= self._until:
            return True
        if self._child is not None and self._child.poll() is not None:
            return True
        return bool(self._pids) and not self._recorder.pids

    def _adapt(self, took_s: float) -> None:
        """Lengthen the interval while a tick takes much of it."""
        if took_s > _DEAR * self._every_s * self._stretch:
            self._stretch = min(self._stretch * 2, 64)
            if self._stretch == 2:
                note(f"a sample takes {took_s:.2f} s: the interval is lengthened")
        elif self._stretch > 1 and took_s < _DEAR * self._every_s * self._stretch / 4:
            self._stretch //= 2

    def _sleep(self, due: float) -> None:
        last = due if self._until is None else min(due, self._until)
        while not self._stop and (left := last - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
            if self._child is not None and self._child.poll() is not None:
                return

    def _on_signal(self, number: int, frame: object) -> None:
        del number, frame
        self._stop = True


def _wanted(pids: tuple[int, ...], uid: int | None, cgroup: str | None) -> Callable[[int, int], bool]:
    """Return what says of a new process whether it is recorded."""
    if pids:
        family = set(pids)

        def of_family(pid: int, parent: int) -> bool:
            if parent in family:
                family.add(pid)
            return pid in family

        return of_family
    if uid is not None:
        return lambda pid, _: _owner(pid) == uid
    if cgroup is not None:
        return in_cgroup(cgroup)
    return lambda _pid, _parent: True


def _files_of(path: str) -> tuple[str, ...]:
    """Return the files that say what is charged to a cgroup; none where memory is not counted by it."""
    found = cgroups.find(open_source("live"), path)
    return () if found is None else cgroups.files_of(found)


def _owner(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def _uid(user: str | None) -> int | None:
    """Return the number of a user; raise UsageError for one that there is not."""
    if user is None or (user.isascii() and user.isdigit()):
        return int(user) if user is not None else None
    import pwd

    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise UsageError(f"no user {user}", hint="give a name of /etc/passwd or a number") from None


def _meta(every_ms: int, working_set_ms: int | None) -> dict[str, Any]:
    """Return what no file says of this machine."""
    facts = host(open_source("live"))
    return {
        "memtwin": __version__,
        "kernel": facts.kernel,
        "page_bytes": facts.page_bytes,
        "ticks_per_s": facts.ticks_per_s,
        "every_ms": every_ms,
        "working_set_ms": working_set_ms,
    }


def _start(command_line: tuple[str, ...]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command_line)  # noqa: S603 - the user's own command
    except OSError as problem:
        raise UsageError(f"{command_line[0]}: {problem.strerror}") from None


def _end(child: subprocess.Popen[bytes] | None) -> None:
    """Pass the end on to the command, and wait for it."""
    if child is not None and child.poll() is None:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            print(f"memtwin: {child.pid} goes on", file=sys.stderr)  # noqa: T201
