"""Changes to a booted machine that the command line asks for: less or more RAM, swap areas, disks.

``machine.ram`` may be a size (``8G``), relative to what the machine has (``-2G``, ``+4G``), a share (``50%``) or
``half``. ``--swap`` adds an area (``zram:8G,algo=zstd,prio=100``, ``disk:8G,prio=-2``, ``file:4G``), or changes one
that the snapshot has by its name in /proc/swaps: ``/dev/sda2:off``, ``/dev/sda2:4G``, ``/dev/sda2,prio=5``. They are
done in the order in which they stand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from memtwin.errors import NotModelledError, UsageError
from memtwin.linux.kernel.sched import core as sched
from memtwin.linux.kernel.sched import cputime
from memtwin.linux.mm import swapon
from memtwin.linux.records import Outcome
from memtwin.machine import checks, compressed_lengths, resize, swap_areas
from memtwin.units import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.machine.machine import Machine

SETTLE_NS: Final = 1_000_000_000
"""How long a machine is idle after memory was taken away: kswapd, which that has woken, ends before anything runs."""
_UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_SIZE: Final = re.compile(r"([0-9]{1,15})([KMGT]?)")
_KINDS: Final = ("zram", "disk", "file")
_USAGE: Final = "for example --swap zram:8G,algo=zstd,prio=100, --swap disk:8G, --swap /dev/sda2:off"


def size_bytes(word: str) -> int | None:
    """Return the bytes in ``512M`` or ``2G``; None: it is no size.

    >>> size_bytes("2G"), size_bytes("2 G")
    (2147483648, None)
    """
    match = _SIZE.fullmatch(word)
    return int(match[1]) << _UNITS[match[2]] if match else None


def ram_bytes(word: str, has_bytes: int) -> int:
    """Return how much RAM ``machine.ram=WORD`` asks for on a machine that has *has_bytes*.

    >>> ram_bytes("half", 8 << 30) >> 30, ram_bytes("-2G", 8 << 30) >> 30, ram_bytes("25%", 8 << 30) >> 30
    (4, 6, 2)
    """
    if word == "half":
        return has_bytes // 2
    if match := re.fullmatch(r"([0-9]{1,4})%", word):
        return has_bytes * int(match[1]) // 100
    sign = word[:1] if word[:1] in {"+", "-"} else ""
    size = size_bytes(word.removeprefix(sign))
    if size is None:
        expected = "a size such as 8G, -2G, +4G, 50% or half"
        raise UsageError(f"--set machine.ram={word}: expected {expected}")
    return has_bytes + size if sign == "+" else has_bytes - size if sign else size


def squeeze(machine: Machine, asked_bytes: int, *, as_booted: bool = False) -> None:
    """Take memory away until a machine has *asked_bytes* of RAM.

    *as_booted*: as one that has so little from its boot on, whose kernel then takes less for itself.
    """
    less_bytes = resize.present_bytes(machine.boot) - asked_bytes
    if as_booted:
        has = resize.installed_bytes(machine.boot)
        less_bytes = (has - resize.boot_bytes(has)) - (asked_bytes - resize.boot_bytes(asked_bytes))
    if asked_bytes < resize.LEAST_PAGES * PAGE_BYTES:
        raise UsageError(f"machine.ram={asked_bytes}: at least 64 MiB are left to a machine")
    resize.take_away(machine, less_bytes // PAGE_BYTES, lambda: settle(machine))


def settle(machine: Machine) -> None:
    """Let a machine be idle for a second, until kswapd sleeps."""
    since = machine.state.clock_ns
    cputime.begin_operation(machine.state)
    sched.sleep_until(machine.state, since + SETTLE_NS)
    cputime.account_sleep(machine.state, since)


@dataclass(frozen=True, slots=True)
class SwapChange:
    """One ``--swap``: *name* is a kind of a new area or an area's name in /proc/swaps; None leaves what is there."""

    word: str
    name: str
    size_bytes: int | None = None
    off: bool = False
    prio: int | None = None
    algorithm: str | None = None


def swap_change(word: str) -> SwapChange:
    """Read one ``--swap`` word."""
    head, *options = word.split(",")
    name, colon, amount = head.partition(":")
    off, size = amount == "off", size_bytes(amount)
    if not name or (colon and not off and size is None) or (off and name in _KINDS):
        raise UsageError(f"--swap {word}: expected KIND:SIZE or AREA:SIZE or AREA:off", hint=_USAGE)
    if name in _KINDS and size is None:
        raise UsageError(f"--swap {word}: expected the size of the new area", hint=_USAGE)
    if size is not None and not 2 <= size // PAGE_BYTES <= checks.MOST_SLOTS:
        raise UsageError(f"--swap {word}: expected a size of 8K..{checks.MOST_SLOTS >> 18}G")
    prio, algorithm = None, None
    for option in options:
        key, _, value = option.partition("=")
        if key == "prio" and re.fullmatch(r"-?[0-9]{1,5}", value) and -32768 <= int(value) <= 32767:
            prio = int(value)
        elif key == "algo" and value in compressed_lengths.TABLE and name.rpartition("/")[2].startswith("zram"):
            algorithm = value
        else:
            known = ", ".join(compressed_lengths.TABLE)
            raise UsageError(f"--swap {word}: expected prio=-32768..32767, and for zram algo={known}", hint=_USAGE)
    if colon == "" and prio is None:
        raise UsageError(f"--swap {word}: expected what to change of it", hint=_USAGE)
    return SwapChange(word, name, size, off, prio, algorithm)


def change_swap(machine: Machine, change: SwapChange) -> None:
    """Carry out one ``--swap``; raises UsageError where the kernel refuses it."""
    if change.name in _KINDS:
        _add(machine, change)
        return
    area = next((area for area in machine.areas if area.filename == change.name), None)
    if area is None:
        names = ", ".join(area.filename for area in machine.areas) or "none"
        raise UsageError(f"--swap {change.word}: the machine has no swap area {change.name}", hint=f"it has {names}")
    if not change.off and change.size_bytes is None:
        swapon.set_priority(machine.state, area.number, change.prio or 0)
        machine.changes.append(f"{area.filename} has priority {change.prio}.")
        return
    info = swapon.area_info(machine.state, area.number)
    code = swap_areas.switch_off(machine, area.filename, machine.rest)
    if code != Outcome.OK:
        why = f"{resize.outcome(code)}: what lies there finds no room"
        raise UsageError(f"--swap {change.word}: {area.filename} cannot be turned off ({why})")
    came = f"{info.inuse >> 8:,} MiB came back from it"
    if change.off:
        machine.changes.append(f"{area.filename} was turned off: {came}.")
        return
    machine.areas.remove(area)
    if change.algorithm:
        machine.boot.texts[f"sys/block/{area.filename.rpartition('/')[2]}/comp_algorithm"] = f"[{change.algorithm}]\n"
    prio = info.prio if change.prio is None else change.prio
    swap_areas.switch_on(machine, area.filename, change.size_bytes or 0, prio)
    machine.changes.append(f"{area.filename} was made again with {(change.size_bytes or 0) >> 20:,} MiB: {came}.")


def _add(machine: Machine, change: SwapChange) -> None:
    """Add an area of a kind."""
    taken = {area.filename for area in machine.areas}
    if change.name == "zram" and any(area.zram for area in machine.areas):
        raise NotModelledError(f"--swap {change.word}", "a second zram device", hint="resize the one that is there")
    patterns = {"zram": "/dev/zram{}", "disk": "/dev/swapdisk{}", "file": "/swapfile{}"}
    filename = next(name for n in range(64) if (name := patterns[change.name].format(n)) not in taken)
    device = filename.rpartition("/")[2]
    texts = machine.boot.texts
    texts[f"sys/block/{device}/queue/rotational"] = "0\n"
    if change.name == "zram":
        texts[f"sys/block/{device}/comp_algorithm"] = f"[{change.algorithm or 'lzo-rle'}]\n"
        texts[f"sys/block/{device}/disksize"] = f"{change.size_bytes}\n"
    usual = 100 if change.name == "zram" else -2
    prio = usual if change.prio is None else change.prio
    code = swap_areas.switch_on(machine, filename, change.size_bytes or 0, prio)
    if code != Outcome.OK:
        raise UsageError(f"--swap {change.word}: {resize.outcome(code)}")
    words = f"{filename} with {(change.size_bytes or 0) >> 20:,} MiB was added"
    machine.changes.append(f"{words}, priority {swapon.area_info(machine.state, machine.areas[-1].number).prio}.")


def change_swaps(machine: Machine, changes: Sequence[SwapChange]) -> None:
    """Carry out every ``--swap``, in order."""
    for change in changes:
        change_swap(machine, change)
