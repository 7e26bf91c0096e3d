"""A recording of a real kernel, or a run of the model: one layout, one reader.

A recording is a directory, or a tar of one, that holds what happened when a scenario ran::

    scenario.txt    the scenario
    run.json        which kernel, command line, whether it came to its end
    ops.jsonl       one JSON object an operation: number, line, outcome, counters' deltas, deaths
    dmesg.txt       the kernel log
    boot/           the machine before the first operation: proc/, sys/, sysctl_vm
    LABEL/          the same at each checkpoint: proc/, sys/, workers.txt, workers/NAME/

A recording that does not reach its scenario's end is refused with what is missing, unless it is read with
``partial=True``.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from memtwin.errors import InputError, RecordingError, SnapshotError, quoted, shortened
from memtwin.procfs import sysctl_vm, uptime
from memtwin.scenario import Scenario, parse
from memtwin.sources.opening import open_source, refuse
from memtwin.sources.source import Source, TarSource, load
from memtwin.sources.trace import Trace, is_trace

_MARKS = ("ops.jsonl", "run.json", "scenario.txt")
_CUT_OFF = "the run did not come to its end: make it again"
_LONGEST_HINT = 1000
_SIGKILL = 9
_CONSTANT = (
    "proc/version",
    "proc/cmdline",
    "proc/cpuinfo",
    "proc/iomem",
    "proc/partitions",
    "proc/mounts",
    "sysctl_vm",
    "sys/block/",
    "sys/kernel/mm/",
    "sys/module/",
)
_OF_RUN = "dmesg.txt"
"""A run keeps one log; what it says after a checkpoint has later stamps."""
_OF_PROCESS = re.compile(r"proc/[0-9]{1,10}/(cgroup|cmdline|comm)", re.ASCII)


class Recording:
    """One run: its checkpoints, each a source of /proc and /sys files, and its log of operations."""

    def __init__(self, path: str | Path, *, partial: bool = False) -> None:
        self.path = str(path)
        source = _rooted(_opened(path, partial=partial))
        if source is None:
            raise _no_recording(self.path)
        self._source = source
        self._partial = partial
        self.meta: dict[str, Any] = self._read_meta()
        self.ops: list[dict[str, Any]] = self._read_ops()
        self.checkpoints: tuple[str, ...] = self._find_checkpoints()
        if not partial:
            self._refuse_if_cut_off()

    @property
    def dmesg(self) -> str | None:
        """The kernel's log; None when the recording has none."""
        return self._source.read("dmesg.txt")

    def read(self, path: str) -> str | None:
        """Return the text of a file of the recording itself; None when it has no such file."""
        return self._source.read(path)

    def scenario(self) -> Scenario:
        """Return the scenario that ran."""
        text = self._source.read("scenario.txt")
        if text is None:
            raise RecordingError(self.path, "scenario.txt is missing", hint=_CUT_OFF)
        return parse(text, f"{self.path}/scenario.txt")

    def at(self, label: str) -> Source:
        """Return the files of checkpoint *label*, so that ``proc/meminfo`` lies right below."""
        if label not in self.checkpoints:
            raise RecordingError(self.path, f"has no checkpoint {quoted(label)}", hint=_listing(self.checkpoints))
        number = self.checkpoints.index(label)
        before = self.checkpoints[number - 1] if number else None
        return _Checkpoint(self._source, label, before, self._settings_at(label))

    def _settings_at(self, label: str) -> dict[str, str]:
        """Return the settings that the scenario has changed before checkpoint *label*, as sysctl_vm has them."""
        changed: dict[str, str] = {}
        for op in self.ops:
            verb, _, rest = str(op.get("op", "")).partition(" ")
            if verb == "checkpoint" and rest == label:
                return changed
            name, equals, value = rest.partition("=")
            if verb == "sysctl" and equals and op.get("outcome") == "ok":
                changed[name] = value.replace(",", "\t")
        return changed if label != "boot" else {}

    def nearest(self, up_s: float) -> str:
        """Return the label of the checkpoint whose time since the machine's boot is nearest to *up_s* seconds.

        This is the clock of the kernel's log and of ``timeline.csv``.
        """
        times = {}
        for label in self.checkpoints:
            at = load(self._source.sub(label), uptime)
            if at is not None:
                times[label] = at.up_cs / 100
        if not times:
            raise RecordingError(self.path, "no checkpoint has proc/uptime", hint=_listing(self.checkpoints))
        latest = max(times.values())
        if up_s >= latest:
            return next(label for label in reversed(times) if times[label] == latest)
        return min(times, key=lambda label: abs(times[label] - up_s))

    def victims(self) -> list[tuple[int, str]]:
        """Return (operation's number, process) of each process that the OOM killer took, in order."""
        return [
            (op["i"], death["name"])
            for op in self.ops
            if op.get("d", {}).get("oom_kill")
            for death in op.get("deaths", ())
            if death.get("signal") == _SIGKILL
        ]

    def outcomes(self) -> dict[int, tuple[str | None, int]]:
        """Return (outcome, errno) of each operation by its number."""
        return {op["i"]: (op.get("outcome"), op.get("errno", 0)) for op in self.ops}

    def _read_meta(self) -> dict[str, Any]:
        text = self._source.read("run.json")
        if text is None and self._partial:
            return {}
        if text is None:
            raise RecordingError(self.path, "run.json is missing", hint=_CUT_OFF)
        try:
            return _object(text)
        except ValueError as problem:
            if self._partial:
                return {}
            raise RecordingError(self.path, f"run.json is damaged: {problem}", hint=_CUT_OFF) from None

    def _read_ops(self) -> list[dict[str, Any]]:
        text = self._source.read("ops.jsonl")
        if text is None and not self._partial:
            raise RecordingError(self.path, "ops.jsonl is missing", hint=_CUT_OFF)
        ops: list[dict[str, Any]] = []
        lines = (text or "").splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            try:
                op = _object(line)
            except ValueError as problem:
                if number < len(lines):
                    raise RecordingError(self.path, f"ops.jsonl line {number} is damaged: {problem}") from None
                if not self._partial:
                    raise RecordingError(self.path, "ops.jsonl ends in half a line", hint=_CUT_OFF) from None
                break
            if not isinstance(op.get("i"), int):
                raise RecordingError(self.path, f"ops.jsonl line {number} has no operation's number `i`")
            if not _is_operation(op):
                raise RecordingError(self.path, f"ops.jsonl line {number} is not what became of an operation")
            ops.append(op)
        return ops

    def _find_checkpoints(self) -> tuple[str, ...]:
        """Return the labels that are there, in the order in which they were taken."""
        done = (str(op.get("op", "")).split() for op in self.ops)
        labels = ["boot", *(words[1] for words in done if len(words) > 1 and words[0] == "checkpoint")]
        try:
            labels.extend(self.scenario().checkpoints)
        except InputError:
            if not self._partial:
                raise
        return tuple(label for label in dict.fromkeys(labels) if self._source.names(label))

    def _refuse_if_cut_off(self) -> None:
        if not self.meta.get("complete", False):
            raise RecordingError(self.path, 'run.json does not say `"complete": true`', hint=_CUT_OFF)
        scenario = self.scenario()
        if len(self.ops) < len(scenario.ops):
            problem = f"ops.jsonl has {len(self.ops)} of {len(scenario.ops)} operations"
            raise RecordingError(self.path, problem, hint=_CUT_OFF)
        skipped = {op.get("op") for op in self.ops if op.get("outcome") == "skipped"}  # the kernel had panicked
        labels = ["boot", *(label for label in scenario.checkpoints if f"checkpoint {label}" not in skipped)]
        lacking = [label for label in labels if label not in self.checkpoints]
        if lacking:
            raise RecordingError(self.path, f"checkpoints are missing: {', '.join(lacking)}", hint=_CUT_OFF)


def _object(text: str) -> dict[str, Any]:
    """Return the JSON object that *text* is; raise ValueError for anything else, whatever its bytes."""
    try:
        text.encode()
        found = json.loads(text, parse_constant=_no_number)
    except UnicodeEncodeError:  # bytes that are no UTF-8, as a source keeps them
        raise ValueError("it is not UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - of the text, not of an argument
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _is_operation(op: dict[str, Any]) -> bool:
    """Whether the members that are read of a line of ops.jsonl are of their types."""
    deaths, deltas = op.get("deaths", ()), op.get("d", {})
    return (
        isinstance(op.get("op", ""), str)
        and isinstance(op.get("outcome"), str | None)
        and isinstance(op.get("errno", 0), int)
        and isinstance(deltas, dict)
        and isinstance(deaths, list | tuple)
        and all(isinstance(death, dict) and isinstance(death.get("name"), str) for death in deaths)
    )


def runs_in(path: str | Path) -> list[Path]:
    """Return the runs of a scenario that lie in the directory *path*: ``run*.tar*`` and run directories."""
    return sorted(
        entry
        for entry in Path(path).glob("run*")
        if (entry.is_dir() and any((entry / mark).exists() for mark in _MARKS))
        or (entry.is_file() and ".tar" in entry.suffixes and entry.suffix != ".tmp")
    )


def resolve(spec: str) -> Source:
    """Return the source that *spec* names: ``RUN@CHECKPOINT``, ``RUN@3.5s``, ``TRACE@03:12``, or what
    :func:`open_source` takes. A trace without a moment is its last sample.
    """
    path, at, label = spec.rpartition("@")
    named = path if at and not _is_there(spec) else spec
    if is_trace(named):
        return Trace(named).at(label if named == path else "last")
    if at and not _is_there(spec):
        recording = Recording(path, partial=True)
        up_s = _seconds(label)
        if up_s is None or label in recording.checkpoints:
            return recording.at(label)
        near = recording.nearest(up_s)
        source = recording.at(near)
        source.note = f"{label} is nearest to the checkpoint {near}"
        return source
    source = open_source(spec)
    if _rooted(source) is not None:
        labels = Recording(spec, partial=True).checkpoints
        raise RecordingError(spec, "is a run: say which checkpoint as RUN@CHECKPOINT", hint=_listing(labels))
    if Path(spec).is_dir() and not source.names("proc") and (runs := runs_in(spec)):
        raise RecordingError(spec, f"holds {len(runs)} runs, not one", hint=f"say {runs[0]}@CHECKPOINT")
    return source


def boot_of(spec: str) -> Source:
    """Return the machine that *spec* names, to boot it; a recording stands for its boot."""
    if "@" not in spec and spec != "live":
        try:
            return Recording(spec).at("boot")
        except RecordingError:
            return resolve(spec)
    return resolve(spec)


def _is_there(spec: str) -> bool:
    """Whether a file has this name; one that is too long for a name is none."""
    with suppress(OSError, ValueError):
        return Path(spec).exists()
    return False


def _seconds(label: str) -> float | None:
    """Return the seconds in a label such as ``3.5s``, or None if it is another label."""
    number = label.removesuffix("s")
    plain = number != label and number.replace(".", "", 1).isdigit() and number.isascii()
    return float(number) if plain else None


def checkpoint_of(recording: Source, label: str) -> Source:
    """Return the files of checkpoint *label* of a recording whose files are *recording*'s."""
    return _Checkpoint(recording, label)


class _Checkpoint(Source):
    """The files of one checkpoint; those that never change are recorded once, at boot, and found there."""

    def __init__(
        self, recording: Source, label: str, before: str | None = None, settings: dict[str, str] | None = None
    ) -> None:
        super().__init__(recording.label(label))
        self._recording, self._label, self._before = recording, label, before
        self._settings = settings or {}
        self._here, self._boot = recording.sub(label), recording.sub("boot")

    @property
    def at_boot(self) -> Source | None:
        return None if self._label == "boot" else _Checkpoint(self._recording, "boot")

    @property
    def before(self) -> Source | None:
        return None if self._before is None else _Checkpoint(self._recording, self._before)

    @property
    def program(self) -> str | None:
        with suppress(ValueError):
            found = _object(self._recording.read("run.json") or "{}").get("guest_c")
            return found if isinstance(found, str) else None
        return None

    def read(self, path: str) -> str | None:
        text = self._recording.read(path) if path == _OF_RUN else self._here.read(path)
        if text is None and path != _OF_RUN and self._here.unread[path] == "absent" and _is_constant(path):
            text = self._boot.read(path)
            if text is not None and path == sysctl_vm.PATH and self._settings:
                text = _changed(text, self._settings)
        if text is None:
            self.unread[path] = (self._recording if path == _OF_RUN else self._here).unread[path]
        else:
            self.unread.pop(path, None)
        return text

    def names(self, path: str = "") -> list[str]:
        return self._here.names(path)


def _changed(text: str, settings: dict[str, str]) -> str:
    """Return the text of sysctl_vm with *settings* in the place of its own."""
    lines = [line.partition(" = ")[::2] for line in text.splitlines()]
    return "".join(f"{name} = {settings.get(name, value)}\n" for name, value in lines)


def _is_constant(path: str) -> bool:
    """Whether the lab and the model record a file at boot only: settings and what the machine is made of.

    What a block device counts (``stat``, ``mm_stat``, ``io_stat``) is of its moment.
    """
    of_process = _OF_PROCESS.fullmatch(path) is not None
    return of_process or (path.startswith(_CONSTANT) and not path.endswith("stat"))


def _opened(path: str | Path, *, partial: bool) -> Source:
    refuse(path)
    try:
        return open_source(path)
    except SnapshotError as problem:
        if not Path(path).is_file():
            raise
        if partial:
            with suppress(SnapshotError):
                salvaged = TarSource(path, salvage=True)
                if salvaged.names():
                    return salvaged
        raise RecordingError(str(path), problem.problem, hint=problem.hint) from problem


def _rooted(source: Source) -> Source | None:
    """Return the source where a recording's own files lie: here, or in the only directory here (a tar's)."""
    if any(source.read(mark) is not None for mark in _MARKS):
        return source
    names = source.names("")
    if len(names) != 1:
        return None
    inner = source.sub(names[0])
    return inner if any(inner.read(mark) is not None for mark in _MARKS) else None


def _no_recording(path: str) -> RecordingError:
    runs = runs_in(path) if Path(path).is_dir() else []
    hint = f"it holds {len(runs)} runs: give one, such as {runs[0]}" if runs else None
    return RecordingError(path, f"is not a recording: it has none of {', '.join(_MARKS)}", hint=hint)


def _listing(labels: tuple[str, ...]) -> str:
    listing = f"its checkpoints are {', '.join(labels)}" if labels else "it has no checkpoint at all"
    return shortened(listing, _LONGEST_HINT)
