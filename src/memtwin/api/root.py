"""A machine at one moment: its files, its records, its views."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from memtwin.api.columns import Columns
from memtwin.cli.asked import views_of
from memtwin.errors import UsageError
from memtwin.render import grid, terminal
from memtwin.sources.processes import processes
from memtwin.sources.recording import resolve
from memtwin.sources.source import load

if TYPE_CHECKING:
    from memtwin.sources.processes import SourceProcess
    from memtwin.sources.source import Source

_SUFFIXES = {"_bytes": "bytes", "_kib": "KiB", "_pages": "pages", "_ns": "ns", "_us": "us", "_ms": "ms", "_s": "s",
             "_percent": "%", "_count": "count"}  # fmt: skip


_COLUMNS = 100


class View:
    """What a command shows of a machine: figures and their meaning.

    ``str(view)`` is the text that the command prints on a terminal of 100 columns.
    """

    def __init__(self, view: grid.View) -> None:
        self._view = view

    @property
    def name(self) -> str:
        """The view's name, such as ``free`` or ``swaps``."""
        return self._view.name

    @property
    def data(self) -> Any:
        """All figures, as in ``data`` of the command's ``--json``: a name ends with its unit; None is not known."""
        return self._view.data()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of ``--csv``: the view's first list, or one row with all figures."""
        _, rows = grid.rows_for_csv(self._view)
        return [rows] if isinstance(rows, dict) else rows

    @property
    def sentences(self) -> list[str]:
        """What the figures mean, in sentences."""
        return list(grid.texts(self._view.sentences))

    def columns(self) -> Columns:
        """Return :attr:`rows` as columns."""
        rows = self.rows
        names = list(dict.fromkeys(name for row in rows for name in row))
        units = {name: next((unit for end, unit in _SUFFIXES.items() if name.endswith(end)), "") for name in names}
        return Columns({name: [row.get(name) for row in rows] for name in names}, units)

    def __str__(self) -> str:
        return terminal.show(self._view, headings=True, for_programs=False, look=terminal.Look(_COLUMNS)).rstrip("\n")

    def __repr__(self) -> str:
        return f"View({self.name!r}: {len(self.rows)} rows)"


class Root:
    """A machine at one moment, read on demand: this host as it runs, a snapshot, a checkpoint of a run.

    :func:`memtwin.open_root` opens one, and :meth:`memtwin.Run.at` gives those of a run.

    >>> import memtwin
    >>> host = memtwin.open_root("live")
    >>> host.record("meminfo")["MemTotal"] > 100_000  # kB, as /proc/meminfo has it
    True
    >>> host.view("free").data["mem"]["total_bytes"] > 100_000_000
    True
    """

    def __init__(self, source: Source) -> None:
        source.lenient = True
        self._source = source

    @property
    def name(self) -> str:
        """The name that messages use for it."""
        return self._source.owner

    @property
    def unread(self) -> dict[str, str]:
        """Why a file could not be read: its path, and ``absent``, ``Permission denied``, or what is damaged in it."""
        return dict(self._source.unread)

    def read(self, path: str) -> str | None:
        """Return the text of the file at *path*, such as ``proc/meminfo``; None if it is absent or may not be read."""
        return self._source.read(path)

    def record(self, name: str, **fields: int | str) -> Any:
        """Return the record of a file of /proc, or None if the machine has no such file.

        *name* is the file's: ``meminfo``, ``vmstat``, ``zoneinfo``, ``buddyinfo``, ``swaps``, ..., with its fields
        where it has some: ``record("pressure", resource="memory")``, ``record("status", pid=1)``. A record's numbers
        have the kernel's own units, as the file does: kB in meminfo, pages or events in vmstat.
        """
        room = "memtwin.procfs.pid" if "pid" in fields else "memtwin.procfs"
        schemas = {found.name for found in iter_modules(import_module(room).__path__) if not found.ispkg}
        module = import_module(f"{room}.{name}") if name in schemas else None
        if module is None or not hasattr(module, "PATH"):
            raise UsageError(
                f"no record {name!r}", hint="meminfo, vmstat, zoneinfo, swaps, ...; of a process with pid="
            )
        if "pid" in fields:  # of a run, its files do not lie in proc/PID
            process = next((one for one in processes(self._source) if one.pid == fields["pid"]), None)
            return process.load(module) if process else None
        try:
            path = module.PATH.format(**fields)
        except KeyError as lacking:
            raise UsageError(f"the record {name!r} needs {lacking.args[0]}=") from None
        return load(self._source, module, path)

    def processes(self) -> list[SourceProcess]:
        """Return the processes, in the order of their pids: ``pid``, ``name``, and ``read("status")`` of each."""
        return list(processes(self._source))

    def view(self, name: str, *words: str) -> View:
        """Return what the command *name* shows; *words* are the rest of its command line.

        >>> import memtwin
        >>> ps = memtwin.open_root().view("ps", "--sort=-RES", "-n", "1")
        >>> ps.rows[0]["res_bytes"] > 0
        True
        """
        return View(views_of(name, words, self._source)[-1])

    def __repr__(self) -> str:
        return f"Root({self.name!r})"


def open_root(where: str = "live") -> Root:
    """Open a machine, as ``--root`` does.

    *where* is ``live`` (this host), a snapshot (a directory or a tar), a sosreport, a file of /proc, ``RUN@LABEL`` of a
    run or a recording, ``TRACE@MOMENT`` of a trace. Raise an InputError for what is none of these.

    >>> import memtwin
    >>> memtwin.open_root()
    Root('this host')
    >>> memtwin.open_root("nothing.tar.xz")
    Traceback (most recent call last):
    memtwin.errors.SnapshotError: nothing.tar.xz: No such file or directory
    """
    return Root(resolve(where))
