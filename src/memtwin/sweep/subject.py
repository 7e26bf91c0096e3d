"""What is varied: a workload and the machine that it runs on; and the job that each point of a sweep is."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from memtwin.errors import RecordingError, UsageError, quoted
from memtwin.machine.build import read
from memtwin.machine.resize import installed_bytes
from memtwin.run import grow
from memtwin.run.change import ram_bytes, size_bytes, swap_change
from memtwin.run.run import refuse_what_cannot_be_done
from memtwin.run.settings import settings_of
from memtwin.scenario import Scenario, SwapDisk, SwapOff, SwapOn, SwapZram, Zswap, load, parse
from memtwin.sources.recording import Recording, boot_of, runs_in
from memtwin.sources.trace import is_trace
from memtwin.sweep.axes import Axis, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from memtwin.machine.boot import Boot
    from memtwin.run.settings import Settings
    from memtwin.scenario import Swap
    from memtwin.sources.source import Source

Kind = Literal["scenario", "run", "recording", "snapshot", "trace", "live"]
SWAP: Final = "swap"
"""The axis that says which swap areas a machine has."""
RAM: Final = "machine.ram"
_AREA: Final = re.compile(r"(zram|disk):([0-9]{1,15}[KMGT]?|[0-9]{1,3}%)(?::([a-z0-9-]+))?")
_SWAP_USAGE: Final = "none, same, disk:8G, zram:50%, zram:4G:zstd, zswap, or several joined by +"
_MIB: Final = 1 << 20


class Job(NamedTuple):
    """One run: all that a process needs to know of it, on this host or on another."""

    text: str
    """The scenario."""
    path: str
    """What its lines are called in messages."""
    boot: bytes | None
    """The records that the machine is built from, pickled; None: it is made from the scenario's header."""
    settings: tuple[str, ...]
    """As ``--set``."""
    later: tuple[str, ...]
    """Settings below ``vm.``: written when the machine is built, so that machines that differ in them alone are one."""
    swap: str
    """A value of the axis ``swap``, its sizes absolute; empty: as the machine has it."""
    ram_bytes: int | None
    """What a booted machine is left by a balloon; None: it is built as large as *settings* say."""
    is_changed_later: bool
    """Whether RAM and swap change when the machine is built: then machines that differ in them are one too."""
    seed: int
    """0: the plain run; others differ by what a real machine leaves to chance."""
    endurance_bytes: int | None

    @property
    def stem(self) -> Job:
        """What runs from the same built machine have in common."""
        if self.is_changed_later:
            return self._replace(later=(), ram_bytes=None, swap="")
        return self._replace(later=())


class Subject(NamedTuple):
    """A workload and a machine; *boot* None: the machine is made from the scenario's header."""

    name: str
    kind: Kind
    scenario: Scenario
    boot: Boot | None

    @property
    def has_bytes(self) -> int:
        """How much RAM the machine has, what its kernel keeps for itself among it."""
        if self.boot is None:
            return self.scenario.machine.ram_bytes
        return installed_bytes(self.boot)


def subject(
    where: str, growing: Sequence[str], boot: str | None, progress: Callable[[int, int], None] | None = None
) -> Subject:
    """Return what *where* names, on the machine *boot* in place of its own; *growing* as ``--grow`` of ``memtwin run``.

    Raise UsageError for a machine without a workload, or a workload with another.
    """
    kind, scenario, source = _opened(where, boot)
    if scenario is not None and growing:
        raise UsageError(f"{where} has its workload: --grow is for a machine without one", hint="leave --grow out")
    if scenario is None:
        if not growing:
            raise UsageError(
                f"{where} is a machine, and nothing runs on it: say what is to grow",
                hint="--grow NAME=4G; memtwin ps lists the processes",
            )
        scenario = grow.scenario(growing)
    refuse_what_cannot_be_done(scenario)
    return Subject(where, kind, scenario, None if source is None else read(source, progress))


def resolved(found: Subject, axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """Return *axes* with the numbers of ``machine.ram`` in bytes: ``half``, ``50%`` and ``-2G`` are of this machine."""
    return tuple(
        Axis(
            axis.key, tuple(Value(text, ram_bytes(text, found.has_bytes)) for text, _ in axis.values), "bytes"
        ) if axis.key == RAM else axis
        for axis in axes
    )  # fmt: skip


def _opened(where: str, boot: str | None) -> tuple[Kind, Scenario | None, Source | None]:
    """Return what kind of input it is, its workload and its machine, as far as it has them."""
    machine = None if boot is None else boot_of(boot)
    if where == "live":
        return "live", None, machine or boot_of(where)
    path = Path(where)
    if "@" in where and not path.exists():
        is_moment = is_trace(where.rpartition("@")[0])
        return "trace" if is_moment else "snapshot", None, machine or boot_of(where)
    if path.is_file() and not is_trace(path) and ".tar" not in path.suffixes:
        return "scenario", load(where), machine
    try:
        recording = Recording(_first_run(path) if path.is_dir() else path)
    except RecordingError:
        return "trace" if is_trace(path) else "snapshot", None, machine or boot_of(where)
    kind: Kind = "run" if recording.meta.get("twin") else "recording"
    return kind, recording.scenario(), machine or recording.at("boot")


def _first_run(path: Path) -> Path:
    """Return the first run of a directory that holds the runs of one scenario, or else *path* itself."""
    is_run = any((path / name).exists() for name in ("run.json", "scenario.txt"))
    runs = [] if is_run else runs_in(path)
    return runs[0] if runs else path


def job(
    found: Subject, values: Mapping[str, str], settings: Sequence[str], *, seed: int = 0,
    endurance_bytes: int | None = None, boot: bytes | None = None,
) -> Job:  # fmt: skip
    """Return the job of a point: *values* of the axes over *settings*, which all points have; *boot* as :func:`packed`.

    Raise UsageError for a value that is none.
    """
    words = [*settings, *(f"{key}={value}" for key, value in values.items() if key != SWAP)]
    asked = settings_of(words)
    swap = values.get(SWAP, "same")
    ram = ram_bytes(asked.ram, found.has_bytes) if asked.ram else found.has_bytes
    absolute_swap = "" if swap == "same" else absolute(swap, ram)
    is_later = _is_changed_later(found, asked, absolute_swap, ram)
    is_left_out = ("vm.", f"{RAM}=") if is_later else ("vm.",)
    built = tuple(word for word in words if not word.startswith(is_left_out))
    return Job(
        found.scenario.text, found.scenario.path, boot, built,
        tuple(word for word in words if word.startswith("vm.")), absolute_swap,
        ram if is_later and asked.ram else None, is_later, seed, endurance_bytes,
    )  # fmt: skip


def _is_changed_later(found: Subject, asked: Settings, swap: str, ram: int) -> bool:
    """Return whether a machine that is built already can be made what *asked* and *swap* say.

    More RAM, zswap and huge pages are of the boot.
    """
    if found.boot is None or asked.zswap or asked.swaps or asked.thp or ram > found.has_bytes:
        return False
    return not changes_of(found.boot, swap)[1] if swap else True


def packed(found: Subject) -> bytes | None:
    """Return the machine's records as bytes, which travel to the processes that run the jobs."""
    return None if found.boot is None else pickle.dumps(found.boot, protocol=5)


def absolute(word: str, has_bytes: int) -> str:
    """Return a value of the axis ``swap`` with its shares of RAM as sizes in whole MiB; raise UsageError for no such.

    >>> absolute("zram:50%+disk:8G", 3 << 30), absolute("zswap", 1 << 30), absolute("none", 1 << 30)
    ('zram:1536M+disk:8G', 'zswap', 'none')
    """
    parts = word.split("+")
    for part in parts:
        match = _AREA.fullmatch(part)
        if match is None and (part != "zswap" and not (part == "none" and len(parts) == 1)):
            raise UsageError(f"--vary swap: no such swap {quoted(part)}", hint=_SWAP_USAGE)
        if match and match[3]:
            swap_change(f"{match[1]}:4G,algo={match[3]}")
    kinds = [part.partition(":")[0] for part in parts]
    if kinds.count("zram") > 1 or kinds.count("zswap") > 1:
        raise UsageError(f"--vary swap: {quoted(word)} has a second {kinds[0]}", hint=_SWAP_USAGE)
    return "+".join(_absolute(part, has_bytes) for part in parts)


def _absolute(part: str, has_bytes: int) -> str:
    kind, colon, rest = part.partition(":")
    size, more, algorithm = rest.partition(":")
    if size.endswith("%"):
        size = f"{max(has_bytes * int(size[:-1]) // 100 // _MIB, 1)}M"
    return f"{kind}{colon}{size}{more}{algorithm}"


def described(scenario: Scenario, swap: str) -> Scenario:
    """Return *scenario* with the swap areas that *swap* names in the place of its header's.

    Raise UsageError where an operation names an area that is not there then.
    """
    if not swap:
        return scenario
    parts = swap.split("+")
    areas: list[Swap] = []
    for part in parts:
        kind, _, rest = part.partition(":")
        size, _, algorithm = rest.partition(":")
        if kind == "disk":
            number = sum(isinstance(area, SwapDisk) for area in areas) + 1
            areas.append(SwapDisk(size_bytes(size) or 0, rot=0, name="disk" if number == 1 else f"disk{number}"))
        elif kind == "zram":
            areas.append(SwapZram(size_bytes(size) or 0, algo=algorithm or "lzo-rle"))
    if parts == ["zswap"]:
        areas = [area for area in scenario.swaps if isinstance(area, SwapDisk)]
    if "zswap" in parts and not areas:
        raise UsageError("swap=zswap: the machine has no swap area behind it", hint="swap=zswap+disk:8G")
    refuse_operations(scenario, swap, {area.name for area in areas})
    return replace(scenario, swaps=tuple(areas), zswap=(scenario.zswap or Zswap()) if "zswap" in parts else None)


def refuse_operations(scenario: Scenario, swap: str, names: Collection[str]) -> None:
    """Raise UsageError for the first operation on a swap area that is none of *names*."""
    for op in scenario.ops:
        if isinstance(op, SwapOn | SwapOff) and op.area not in names:
            raise UsageError(f"{scenario.path}:{op.lineno}: {op.text}: swap={swap} has no area {op.area}")


def changes_of(boot: Boot, swap: str) -> tuple[list[str], list[str]]:
    """Return the ``--swap`` and the ``--set`` words by which a booted machine gets the swap areas that *swap* names."""
    if not swap:
        return [], []
    parts = swap.split("+")
    have = [area.filename for area in boot.swaps.areas]
    with_zswap = ["swap.zswap.enabled=on"] if "zswap" in parts else []
    if boot.zswap.get("enabled") == "Y" and not with_zswap:
        with_zswap = ["swap.zswap.enabled=off"]
    added = []
    for part in parts:
        kind, _, rest = part.partition(":")
        size, _, algorithm = rest.partition(":")
        if kind in {"disk", "zram"}:
            again = next((name for name in have if kind == "zram" and name.rpartition("/")[2].startswith("zram")), None)
            added.append(f"{again or kind}:{size}{f',algo={algorithm}' if algorithm else ''}")
    if parts == ["zswap"]:
        if not have:
            raise UsageError("swap=zswap: the machine has no swap area behind it", hint="swap=zswap+disk:8G")
        return [], with_zswap
    if "zswap" in parts and not added:
        raise UsageError(f"swap={swap}: zswap has no swap area behind it", hint="swap=zswap+disk:8G")
    made_again = {word.partition(":")[0] for word in added}
    return [*(f"{name}:off" for name in have if name not in made_again), *added], with_zswap


def scenario_of(one: Job) -> Scenario:
    """Return the scenario of a job."""
    return parse(one.text, one.path)


def machine_name(found: Subject) -> str | None:
    """Return what the machine is called; None: it is made from the scenario's header."""
    return None if found.boot is None else found.boot.name
