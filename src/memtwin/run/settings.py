"""What a run's machine is: ``--set`` over a snapshot over the scenario's header."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from memtwin.errors import HostMemoryError, InputError, NotModelledError, ScenarioError, UsageError
from memtwin.linux import features
from memtwin.linux.kernel import sysctl
from memtwin.linux.records import Outcome
from memtwin.machine import checks, describe, huge_pages, resize
from memtwin.machine.boot import Boot
from memtwin.machine.build import build, build_from, read
from memtwin.run.change import change_swaps, ram_bytes, squeeze
from memtwin.scenario import SetSysctl, SwapDisk, Zswap, parse
from memtwin.units import PAGE_BYTES, PAGE_KIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from memtwin.machine.machine import Machine
    from memtwin.run.change import SwapChange
    from memtwin.scenario import MachineLine, Scenario
    from memtwin.sources.source import Source

LRU_GEN = ("lru_gen.enabled", "lru_gen.min_ttl_ms")
"""Files below /sys/kernel/mm/lru_gen that a header or an operation may write as it does a setting below vm."""
SYSFS = (*LRU_GEN, *sorted(huge_pages.NAMES))
"""The same, with those of huge pages."""
IPC = tuple(f"kernel.{setting.name}" for setting in sysctl.IPC)
"""Settings of shared memory that a header or an operation may write."""
SPEEDS = (0.01, 100.0)
"""Of processors, beside those that costs were measured on."""
_MOST_RAM = f"{checks.MOST_FRAMES >> 18}G"
_MOST_SWAP = f"{checks.MOST_SLOTS >> 18}G"


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``--set`` asks for: RAM, sizes and priorities of swap areas by name, settings below ``vm.``, zswap."""

    ram: str | None = None
    """As it was written: a size, or one relative to what the machine has."""
    swaps: dict[str, dict[str, int]] = field(default_factory=dict)
    sysctl: dict[str, str] = field(default_factory=dict)
    zswap: dict[str, str] = field(default_factory=dict)
    lru_gen: str | None = None
    """on or off: which policy reclaims."""
    thp: str | None = None
    """always, madvise or never: when huge pages are used."""
    cpu_speed: float = 1.0
    """How fast the processors are beside the one that costs were measured on."""
    seed: int = 0
    """Of what a real machine leaves to chance; no ``--set`` sets it."""


def settings_of(words: Sequence[str]) -> Settings:
    """Read ``KEY=VALUE`` words: ``vm.NAME``, ``machine.ram``, ``swap.disk.size``, ``swap.zram.prio`` and their like.

    ``machine.lru_gen`` chooses the reclaim policy; ``machine.cpu_speed`` makes the processors faster or slower.
    ``swap.zswap.WORD`` takes the words of a scenario's ``swap zswap`` line, and ``enabled``.
    """
    ram: str | None = None
    lru_gen: str | None = None
    thp: str | None = None
    cpu_speed = 1.0
    areas: dict[str, dict[str, int]] = {}
    sysctls: dict[str, str] = {}
    zswap: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        parts = key.split(".")
        if not equals or not value:
            raise UsageError(f"--set {word}: expected KEY=VALUE", hint="for example --set vm.overcommit_memory=2")
        if parts[0] == "vm":
            sysctls[key.removeprefix("vm.")] = _sysctl_value(word, key.removeprefix("vm."), value)
        elif key == "machine.ram":
            ram_bytes(value, 0)
            ram = value
        elif key == "machine.lru_gen":
            lru_gen = _one_of(word, value, ("on", "off"))
        elif key == "machine.thp":
            thp = _one_of(word, value, tuple(huge_pages.ENABLED))
        elif key == "machine.cpu_speed":
            cpu_speed = _speed(word, value)
        elif len(parts) == 3 and parts[:2] == ["swap", "zswap"]:
            zswap[parts[2]] = _zswap_word(word, parts[2], value)
        elif len(parts) == 3 and parts[0] == "swap" and parts[2] in {"size", "prio"}:
            number = _size(word, value) if parts[2] == "size" else _priority(word, value)
            areas.setdefault(parts[1], {})[parts[2]] = number
        else:
            raise UsageError(
                f"--set {word}: no such setting",
                hint="vm.NAME, machine.ram, machine.lru_gen, machine.thp, machine.cpu_speed, swap.NAME.size, "
                "swap.NAME.prio and swap.zswap.WORD are",
            )
    return Settings(ram, areas, sysctls, zswap, lru_gen, thp, cpu_speed)


def keys() -> Iterator[tuple[str, str]]:
    """Yield ``KEY=`` of each setting, and what it is; those of swap areas have the areas' names."""
    yield "machine.ram=", f"a size up to {_MOST_RAM}, -2G, 50%, half"
    yield "machine.thp=", "always, madvise or never: when huge pages are used"
    yield "machine.cpu_speed=", "0.5: processors half as fast as those that costs were measured on"
    yield from ((f"vm.{setting.name}=", setting.meaning) for setting in sysctl.SETTINGS)
    yield "swap.zswap.enabled=", "on or off"


def _one_of(word: str, value: str, words: tuple[str, ...]) -> str:
    if value not in words:
        raise UsageError(f"--set {word}: expected {', '.join(words[:-1])} or {words[-1]}")
    return value


def _speed(word: str, value: str) -> float:
    low, high = SPEEDS
    try:
        speed = float(value)
    except ValueError:
        speed = math.nan
    if not low <= speed <= high:
        raise UsageError(f"--set {word}: expected a number from {low} to {high}", hint="0.5: half as fast")
    return speed


def _zswap_word(word: str, key: str, value: str) -> str:
    """Check a word of zswap's as a scenario's header would be."""
    if key == "enabled":
        if value in {"on", "off"}:
            return value
        raise UsageError(f"--set {word}: expected on or off")
    try:
        parse(f"swap zswap {key}={value}")
    except ScenarioError as problem:
        raise UsageError(f"--set {word}: expected {problem.expected}", hint=problem.hint) from None
    return value


def zswap_parameters(header: Zswap | None, changed: Mapping[str, str]) -> dict[str, str]:
    """Zswap's parameters by the kernel's names: those of a header's line, then what ``--set`` changes; both mean on."""
    settings = {"enabled": "on"}
    if header:
        settings |= {
            "max_pool_percent": str(header.max_pool_percent),
            "accept_threshold": str(header.accept_threshold),
            "compressor": header.compressor,
            "zpool": header.zpool,
            "same_filled": "on" if header.same_filled else "off",
        }
    settings |= changed
    names = {"accept_threshold": "accept_threshold_percent", "same_filled": "same_filled_pages_enabled"}
    return {names.get(key, key): {"on": "Y", "off": "N"}.get(value, value) for key, value in settings.items()}


def check_zswap(machine: Machine, header: Zswap) -> None:
    """Refuse a header whose zswap is not the snapshot's, as far as the snapshot says."""
    have, asked = machine.boot.zswap, zswap_parameters(header, {})
    if have.get("enabled") != "Y" or any(have.get(name, value) != value for name, value in asked.items()):
        said, has = (", ".join(f"{name}={value}" for name, value in values.items()) for values in (asked, have))
        raise UsageError(
            f"the scenario's zswap has {said}, that of the snapshot {machine.boot.name} {has or 'is not there'}",
            hint="boot from a snapshot with the same zswap, change the header, or --set swap.zswap.enabled=on",
        )


def _size(word: str, value: str) -> int:
    match = re.fullmatch(r"(\d{1,15})([KMG]?)", value)
    if not match:
        raise UsageError(f"--set {word}: expected a size such as 512M or 2G")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


def _priority(word: str, value: str) -> int:
    if not re.fullmatch(r"-?\d{1,5}", value):
        raise UsageError(f"--set {word}: expected a priority, -32768..32767")
    return int(value)


def _sysctl_value(word: str, name: str, value: str) -> str:
    """Check a setting below ``vm.`` as a write would be; a comma stands for a blank, as in a scenario."""
    text = value.replace(",", " ")
    try:
        sysctl.find(name).parse(text)
    except InputError as problem:
        raise UsageError(f"--set {word}: {problem}") from None
    return text


def check_sysctls(scenario: Scenario) -> None:
    """Refuse a header's settings that cannot be written, and operations on settings that the model does not know."""
    for setting in scenario.sysctls:
        if setting.name in SYSFS:
            continue
        name = setting.name.removeprefix("vm.")
        line = _text(scenario, setting.lineno)
        try:
            known = sysctl.find_ipc(setting.name) if setting.name in IPC else sysctl.find(name)
        except InputError as problem:
            raise NotModelledError(f"{scenario.path}:{setting.lineno}", f"{line!r}", hint=str(problem)) from None
        try:
            known.parse(setting.value)
        except InputError:
            if not _is_shown(known, setting.value):
                raise ScenarioError(scenario.path, setting.lineno, line, known.allowed) from None
    for op in scenario.ops:
        if isinstance(op, SetSysctl) and op.name not in {*LRU_GEN, *IPC, *huge_pages.NAMES}:
            try:
                sysctl.find(op.name.removeprefix("vm."))
            except InputError as problem:
                raise NotModelledError(f"{scenario.path}:{op.lineno}", f"{op.text!r}", hint=str(problem)) from None


def _is_shown(setting: sysctl.Setting, text: str) -> bool:
    """Whether a file may show *text* though it cannot be written: then the header may say it of a snapshot."""
    try:
        setting.parse(text, written=False)
    except InputError:
        return False
    return True


def apply_sysctls(machine: Machine, scenario: Scenario, settings: Settings) -> None:
    """Write the header's settings where the machine does not have them already, then those of ``--set``."""
    for setting in scenario.sysctls:
        if setting.name in IPC:
            machine.write_ipc(setting.name, setting.value)
            continue
        if setting.name in SYSFS:
            _write_sysfs(machine, scenario, setting.name, setting.value, setting.lineno)
            continue
        known = sysctl.find(setting.name.removeprefix("vm."))
        shown = known.parse(setting.value, written=False)
        if known.parse(machine.sysctl[known.name], written=False) != shown:
            try:
                machine.write_sysctl(known.name, setting.value)
            except InputError as problem:
                raise InputError(f"{scenario.path}:{setting.lineno}: {problem}") from None
    for name, value in settings.sysctl.items():
        machine.write_sysctl(name, value)


def _write_sysfs(machine: Machine, scenario: Scenario, name: str, value: str, lineno: int) -> None:
    """Write a header's setting of huge pages or of generations; what the kernel would refuse is an error."""
    try:
        if name in LRU_GEN:
            machine.write_lru_gen(name.removeprefix("lru_gen."), value)
        else:
            huge_pages.write(machine.state, name, value)
    except InputError as problem:
        raise ScenarioError(scenario.path, lineno, _text(scenario, lineno), str(problem)) from None


def swap_areas(scenario: Scenario, settings: Settings) -> tuple[describe.PlannedSwap, ...]:
    """The scenario's swap areas with what ``--set`` changes, in order of activation."""
    known = {swap.name: swap for swap in scenario.swaps}
    for name in settings.swaps:
        if name not in known:
            raise UsageError(
                f"--set swap.{name}: the scenario has no such swap area",
                hint=f"it has {', '.join(known)}" if known else "add one with --swap, as --swap zram:4G",
            )
    areas = []
    chosen = -1
    devices = scenario.swap_devices
    for name, swap in known.items():
        change = settings.swaps.get(name, {})
        prio = change.get("prio", swap.prio)
        if prio < 0 and swap.on:
            chosen -= 1
            prio = chosen
        size_bytes = change.get("size", swap.size_bytes)
        if isinstance(swap, SwapDisk):
            areas.append(describe.PlannedSwap(devices[name], size_bytes, prio, on=swap.on, rotational=swap.rot))
        else:
            areas.append(describe.PlannedSwap(devices[name], size_bytes, prio, algorithm=swap.algo))
    return tuple(areas)


def note_header(machine: Machine, header: MachineLine) -> None:
    """Note what a scenario's header says of the machine and the snapshot overrides."""
    present = resize.present_bytes(machine.boot)
    slack = (8 << 20) + present // 50
    have = machine.state.cpu_count
    wrong = []
    if "ram" in header.given and abs(header.ram_bytes - present) > slack:
        wrong.append(f"ram={header.ram_bytes >> 20}M, it has {present >> 20} MiB")
    if "cpus" in header.given and header.cpus != have:
        wrong.append(f"cpus={header.cpus}, it has {have}")
    if wrong:
        machine.note(f"the scenario says machine {'; '.join(wrong)}: the snapshot {machine.boot.name} is the machine")


def check_swaps(machine: Machine, scenario: Scenario) -> None:
    """Refuse a scenario whose swaps are not the snapshot's."""
    asked = sorted((swap.size_bytes // PAGE_BYTES - 1) * PAGE_KIB for swap in scenario.swaps if swap.on)
    have = sorted(int(area.size_kib) for area in machine.boot.swaps.areas)
    if asked != have:
        raise UsageError(
            f"the scenario's swaps hold {asked} kB, those of the snapshot {machine.boot.name} {have or 'none'}",
            hint="boot from a snapshot with the same swap areas, or change the scenario's header",
        )


def header_notes(machine: Machine, header: MachineLine, settings: Settings) -> tuple[str, ...]:
    """What a header's ``machine`` line asks for that the machine will not have, unless the snapshot's own note says."""
    words = []
    if header.cmdline and not set(header.cmdline) <= set(machine.boot.texts.get("proc/cmdline", "").split()):
        words.append(f"cmdline={','.join(header.cmdline)}")
    if not words:
        return kernel_notes(machine, header, settings)
    asked = f"the scenario asks for {' '.join(words)}, which nothing in the model depends on"
    return (*kernel_notes(machine, header, settings), asked)


def kernel_notes(machine: Machine, header: MachineLine, settings: Settings) -> tuple[str, ...]:
    """What a header says of the kernel and the machine's snapshot has otherwise."""
    boot = machine.boot
    words = []
    if features.version_of(f"version {header.kernel}") not in {None, (6, 1), boot.release}:
        words.append(f"kernel={header.kernel}")
    if header.lru_gen is not None and (header.lru_gen == "on") != boot.multi_gen_lru:
        words.append(f"lru_gen={header.lru_gen}")
    if "thp" in header.given and not settings.thp and huge_pages.enabled(machine.state) != header.thp:
        words.append(f"thp={header.thp}")
    if not words:
        return ()
    policy = "the multi-gen LRU" if boot.multi_gen_lru else "active and inactive lists"
    has = f"Linux {'.'.join(map(str, boot.release))}, {policy} and huge pages {huge_pages.enabled(machine.state)}"
    return (f"the scenario asks for {' '.join(words)}; the machine is {boot.name}'s, with {has}",)


def check_sizes(scenario: Scenario, settings: Settings) -> None:
    """Refuse sizes that the model cannot number; those of files and areas of a header the language refuses itself."""
    if settings.ram and ram_bytes(settings.ram, scenario.machine.ram_bytes) > checks.MOST_FRAMES * PAGE_BYTES:
        raise UsageError(f"--set machine.ram={settings.ram}: at most {_MOST_RAM}")
    if scenario.machine.ram_bytes > checks.MOST_FRAMES * PAGE_BYTES:
        raise NotModelledError(_line(scenario, scenario.machine.lineno), "so much RAM", hint=f"at most {_MOST_RAM}")
    for name, change in settings.swaps.items():
        if not 2 <= change.get("size", 2 * PAGE_BYTES) // PAGE_BYTES <= checks.MOST_SLOTS:
            raise UsageError(f"--set swap.{name}.size={change['size']}: expected 8K..{_MOST_SWAP}")


def _text(scenario: Scenario, lineno: int) -> str:
    return scenario.text.splitlines()[lineno - 1].strip() if lineno else ""


def _line(scenario: Scenario, lineno: int) -> str:
    """Where a line of the scenario is, and its text."""
    return f"{scenario.path}:{lineno}: {_text(scenario, lineno)}"


def _asks(scenario: Scenario, boot: Source | Boot | None, settings: Settings, filename: str) -> str:
    """What asks for an area that is called *filename*, or, if it is empty, for RAM: a line, a word, or the snapshot."""
    for name, device in scenario.swap_devices.items():
        if filename and device == filename:
            if "size" in settings.swaps.get(name, {}):
                return f"--set swap.{name}.size={settings.swaps[name]['size']}"
            return _line(scenario, next(swap.lineno for swap in scenario.swaps if swap.name == name))
    if settings.ram and not filename:
        return f"--set machine.ram={settings.ram}"
    return boot.name if boot else _line(scenario, scenario.machine.lineno)


def use_huge_pages(machine: Machine, word: str | None) -> None:
    """Write *word* to ``transparent_hugepage/enabled``, if it says otherwise; None: as the machine has it."""
    if word is None or word == huge_pages.enabled(machine.state):
        return
    try:
        huge_pages.write(machine.state, "thp.enabled", word)
    except InputError as problem:
        raise UsageError(f"machine thp={word}: {problem}") from None


def prepare(
    scenario: Scenario,
    boot: Source | Boot | None,
    settings: Settings,
    swaps: Sequence[SwapChange] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Machine:
    """Build the machine: ``--set`` over the snapshot over the scenario's header, then what *swaps* change of it.

    *progress* gets the number of processes read and of all.
    """
    try:
        machine = _prepare(scenario, boot, settings, progress)
        use_huge_pages(machine, settings.thp or (scenario.machine.thp if boot is None else None))
        change_swaps(machine, swaps)
    except HostMemoryError as problem:
        raise problem.at(_asks(scenario, boot, settings, problem.filename)) from None
    for text in header_notes(machine, scenario.machine, settings):
        machine.note(text)
    return machine


def _prepare(
    scenario: Scenario, boot: Source | Boot | None, settings: Settings, progress: Callable[[int, int], None] | None
) -> Machine:
    asked = scenario.zswap or settings.zswap
    zswap = zswap_parameters(scenario.zswap, settings.zswap) if asked else None
    header = scenario.machine
    chances: dict[str, Any] = {"seed": settings.seed, "cpu_speed": settings.cpu_speed}
    parts: dict[str, Any]
    if boot is None:
        ram = ram_bytes(settings.ram, header.ram_bytes) if settings.ram else header.ram_bytes
        if header.cpus > describe.MAX_CPUS:
            raise NotModelledError(
                f"{scenario.path}:{header.lineno}",
                f"machine cpus={header.cpus} without a snapshot",
                hint=f"{describe.MAX_CPUS} at most, or give --boot a snapshot of a machine with as many cpus",
            )
        kernel = (header.kernel, settings.lru_gen or header.lru_gen)
        parts = {"swap_areas": swap_areas(scenario, settings), "zswap": zswap, "kernel": kernel}
        return build(describe.ground(), ram_bytes=ram, cpus=header.cpus, **chances, **parts)
    parts = {
        "swap_areas": swap_areas(scenario, settings) if settings.swaps else None,
        "zswap": zswap if settings.zswap else None,
    }
    source = replace(boot if isinstance(boot, Boot) else read(boot, progress), **chances)
    if settings.lru_gen:
        parts["kernel"] = (".".join(map(str, source.release)), settings.lru_gen)
    machine = build_from(source, **parts)
    if settings.ram:
        machine = _with_ram(machine, settings.ram, source, parts)
    else:
        note_header(machine, header)
    if scenario.swaps and not settings.swaps:
        check_swaps(machine, scenario)
    if scenario.zswap and not settings.zswap:
        check_zswap(machine, scenario.zswap)
    return machine


def _with_ram(machine: Machine, word: str, read: Boot, parts: Mapping[str, Any]) -> Machine:
    """Return a booted machine of another size: a balloon takes memory away, more is free in the highest zone."""
    has = resize.present_bytes(machine.boot)
    asked = ram_bytes(word, has)
    if asked > has:
        return build_from(read, ram_bytes=asked, **parts)
    squeeze(machine, asked)
    return machine


def write(machine: Machine, op: SetSysctl) -> int:
    """Write a setting while the machine runs; returns an Outcome."""
    try:
        if op.name in huge_pages.NAMES:
            huge_pages.write(machine.state, op.name, op.value)
        elif op.name in LRU_GEN:
            machine.write_lru_gen(op.name.removeprefix("lru_gen."), op.value)
        elif op.name in IPC:
            machine.write_ipc(op.name, op.value)
        else:
            machine.write_sysctl(op.name.removeprefix("vm."), op.value)
    except InputError:
        return Outcome.EINVAL
    return Outcome.OK
