"""The few settings of a machine that are wrong or worth changing, each with its evidence and the command to change it.

Every rule asks for the rows that it needs. What is not known is not judged: the rule says nothing, and is listed as
such. Nothing is changed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.procfs import meminfo, pressure, swaps, sysctl_vm, uptime, vmstat
from memtwin.render.grid import Column, Form, Grid, Sentence, View
from memtwin.render.words import size
from memtwin.sources.host import host
from memtwin.sources.source import load
from memtwin.sysfs.zram import mm_stat
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from memtwin.sources.source import Source

WRONG: Final = "wrong"
CHANGE: Final = "worth changing"
HARMLESS: Final = "harmless"
LEVELS: Final = (WRONG, CHANGE, HARMLESS)
_SMALL_RAM_KIB: Final = 4 << 20
_MUCH_ANON: Final = 0.6
_NEAR: Final = 0.9
_STALLED: Final = 1000
"""Hundredths of a percent of the time in which every task waited for memory: ten percent."""
_DIRECT: Final = 0.1
_DAY_S: Final = 86_400
_HEAVY_BYTES: Final = 20 << 30
"""Swap written in a day beyond which an SSD's life is worth a thought."""
_ENOUGH_BYTES: Final = 64 << 20
"""Data that zram must hold for its ratio to mean something."""
_LEAST_SCANNED: Final = 10_000


class Effect(NamedTuple):
    """What a change does: *known* from the rows, or *change*, words of ``--vary`` for the model, or *why_not*."""

    known: str | None = None
    change: tuple[tuple[str, str], ...] = ()
    why_not: str | None = None


class Advice(NamedTuple):
    """One finding: what, how grave, its evidence, and the command that changes it (None: there is nothing to do)."""

    name: str
    level: str
    evidence: Sentence
    command: str | None = None
    effect: Effect = Effect(why_not="there is nothing to change")


class Unknown(Exception):  # noqa: N818 - what happened, not an error of anybody
    """A rule lacks a row."""


class Machine:
    """The records that rules ask for; a row that is not there raises :class:`Unknown`."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._records: dict[Any, Any] = {}

    def record(self, module: Any, **fields: str) -> Any:
        """Return a record, or raise Unknown."""
        key = (module, *fields.values())
        if key not in self._records:
            self._records[key] = load(self.source, module, **fields)
        if self._records[key] is None:
            raise Unknown(module.PATH.format(**fields))
        return self._records[key]

    def memory(self, row: str) -> int:
        """Return a row of meminfo, in KiB or a count."""
        return self._row(meminfo, row)

    def counter(self, row: str) -> int:
        """Return a counter of vmstat."""
        return self._row(vmstat, row)

    def counters(self) -> Mapping[str, int]:
        """Return all counters of vmstat."""
        found: Mapping[str, int] = self.record(vmstat)
        return found

    def text(self, path: str) -> str:
        """Return a file's text."""
        found = self.source.read(path)
        if found is None:
            raise Unknown(path)
        return found.strip()

    def number(self, path: str) -> int:
        """Return the number that a file holds; a setting of a run is in its sysctl_vm."""
        name = path.removeprefix("proc/sys/vm/")
        settings = load(self.source, sysctl_vm) if name != path and self.source.read(path) is None else None
        text = self.text(path) if settings is None else settings.get(f"vm.{name}", "")
        if not (text.isascii() and text.isdigit()):
            raise Unknown(path)
        return int(text)

    def _row(self, module: Any, row: str) -> int:
        value = self.record(module).get(row)
        if value is None:
            raise Unknown(f"{module.PATH}: {row}")
        return int(value)


def no_swap(machine: Machine) -> Advice | None:
    """Without swap anonymous memory stays in RAM whatever it is used for: files pay for it."""
    anon, total = machine.memory("AnonPages"), machine.memory("MemTotal")
    if machine.memory("SwapTotal") or anon < _MUCH_ANON * total:
        return None
    why = (
        f"{size(anon)} of {size(total)} are anonymous, and there is no swap: none of it can be moved out, used or not."
    )
    rests = ("proc/meminfo: SwapTotal", "proc/meminfo: AnonPages", "proc/meminfo: MemTotal")
    command = "modprobe zram && zramctl -f -s 50%RAM -a zstd, mkswap and swapon -p 100 it; or a swap file"
    return Advice("no swap", CHANGE, Sentence(why, rests), command, Effect(change=(("swap", "zram:50%"),)))


def zswap_before_zram(machine: Machine) -> Advice | None:
    """Two stores that compress, one behind the other: each page is compressed, unpacked and compressed again."""
    zram = [area.filename for area in machine.record(swaps).areas if area.filename.startswith("/dev/zram")]
    if not zram or machine.text("sys/module/zswap/parameters/enabled") not in {"Y", "1"}:
        return None
    why = f"zswap is on in front of {', '.join(zram)}: what zswap writes back is unpacked and compressed a second time."
    rests = ("sys/module/zswap/parameters/enabled", "proc/swaps")
    effect = Effect(why_not="what a page costs that is compressed twice is not modelled")
    command = "echo N > /sys/module/zswap/parameters/enabled"
    return Advice("zswap before zram", WRONG, Sentence(why, rests), command, effect)


def zram_larger_than_ram(machine: Machine) -> Advice | None:
    """A disksize is no memory: filled at today's ratio it takes what the ratio says."""
    total = bytes_of(machine.memory("MemTotal"))
    for area in machine.record(swaps).areas:
        device = area.filename.removeprefix("/dev/")
        if not device.startswith("zram"):
            continue
        held = machine.record(mm_stat, device=device)
        disk_bytes = machine.number(f"sys/block/{device}/disksize")
        if held.orig_data_size < _ENOUGH_BYTES or held.mem_limit:
            continue
        full = disk_bytes * held.mem_used_total // held.orig_data_size
        if full > total // 2:
            why = (
                f"{device} has room for {size(disk_bytes >> 10)}; at its present ratio of "
                f"{held.orig_data_size / held.mem_used_total:.1f} that takes {size(full >> 10)} of RAM, "
                f"which has {size(total >> 10)}."
            )
            rests = (f"sys/block/{device}/mm_stat", f"sys/block/{device}/disksize", "proc/meminfo: MemTotal")
            return Advice("zram larger than RAM bears", CHANGE, Sentence(why, rests),
                          f"echo {total // 2} > /sys/block/{device}/mem_limit",
                          Effect(known=f"it takes {size(total // 2 >> 10)} of RAM at most, not {size(full >> 10)}"),
            )  # fmt: skip
    return None


def huge_pages_unused(machine: Machine) -> Advice | None:
    """A pool of huge pages is taken from RAM whether a program asks for it or not."""
    total, free = machine.memory("HugePages_Total"), machine.memory("HugePages_Free")
    if not total or free != total or machine.memory("HugePages_Rsvd"):
        return None
    pool = size(total * machine.memory("Hugepagesize"))
    why = f"The pool of huge pages has {pool}, and none of it is used or reserved."
    rests = ("proc/meminfo: HugePages_Total", "proc/meminfo: HugePages_Free", "proc/meminfo: HugePages_Rsvd")
    effect = Effect(known=f"{pool} more are available at once")
    return Advice("huge pages unused", CHANGE, Sentence(why, rests), "sysctl vm.nr_hugepages=0", effect)


def thp_on_small_ram(machine: Machine) -> Advice | None:
    """Huge pages for all on a small machine: memory that a program never touches is taken in pieces of 2 MiB."""
    total = machine.memory("MemTotal")
    if "[always]" not in machine.text("sys/kernel/mm/transparent_hugepage/enabled") or total >= _SMALL_RAM_KIB:
        return None
    huge = machine.memory("AnonHugePages")
    if not huge:
        return None
    why = f"All programs get huge pages on a machine with {size(total)}; {size(huge)} are in such pages."
    rests = ("sys/kernel/mm/transparent_hugepage/enabled", "proc/meminfo: AnonHugePages", "proc/meminfo: MemTotal")
    command = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"
    effect = Effect(why_not="how much of its huge pages a program has touched is in no file of /proc")
    return Advice("huge pages on small RAM", CHANGE, Sentence(why, rests), command, effect)


def bursts_beyond_watermarks(machine: Machine) -> Advice | None:
    """Where programs reclaim for themselves, kswapd wakes too late for the bursts: the gap is too narrow."""
    direct, kswapd = machine.counter("pgscan_direct"), machine.counter("pgscan_kswapd")
    if direct < _LEAST_SCANNED or direct < _DIRECT * (direct + kswapd):
        return None
    factor = machine.number("proc/sys/vm/watermark_scale_factor")
    if factor >= 100:
        return None
    why = (
        f"Of the pages scanned since boot, programs that had to wait scanned {100 * direct // (direct + kswapd)} %: "
        f"kswapd wakes too late (watermark_scale_factor is {factor})."
    )
    rests = ("proc/vmstat: pgscan_direct", "proc/vmstat: pgscan_kswapd", "proc/sys/vm/watermark_scale_factor")
    effect = Effect(change=(("vm.watermark_scale_factor", "100"),))
    return Advice("watermarks too close", CHANGE, Sentence(why, rests), "sysctl vm.watermark_scale_factor=100", effect)


def heavy_swap_writes(machine: Machine) -> Advice | None:
    """Much written to a swap disk in a day: slow on a rotational one, wear on an SSD."""
    areas = [area for area in machine.record(swaps).areas if not area.filename.startswith("/dev/zram")]
    up_s = machine.record(uptime).up_cs / 100
    written = machine.counter("pswpout") * (host(machine.source).page_kib << 10)
    if not areas or len(areas) < len(machine.record(swaps).areas) or up_s < 3600:
        return None  # what of it went to zram is not known
    a_day = written * _DAY_S / up_s
    if a_day < _HEAVY_BYTES:
        return None
    why = f"{size(int(a_day) >> 10)} a day are written to {', '.join(area.filename for area in areas)}."
    rests = ("proc/vmstat: pswpout", "proc/uptime", "proc/swaps")
    swap_mib = max(machine.memory("SwapTotal") >> 10, 1)
    effect = Effect(change=(("swap", f"zram:50%+disk:{swap_mib}M"),))
    command = "zram before the disk: swapon -p 100 /dev/zram0"
    return Advice("much swap written", CHANGE, Sentence(why, rests), command, effect)


def swap_idle(machine: Machine) -> Advice | None:
    """Used swap that nothing waits for is memory that is not needed: no fault."""
    used = machine.memory("SwapTotal") - machine.memory("SwapFree")
    some = machine.record(pressure, resource="memory").some
    if not used or some is None or some.avg60_hundredths:
        return None
    why = f"{size(used)} of swap are used, and nothing waited for memory in the last minute: that is harmless."
    rests = ("proc/meminfo: SwapTotal", "proc/meminfo: SwapFree", "proc/pressure/memory")
    return Advice("swap used but idle", HARMLESS, Sentence(why, rests))


def commit_limit_near(machine: Machine) -> Advice | None:
    """With strict accounting an allocation fails at the limit, however much is free."""
    if machine.number("proc/sys/vm/overcommit_memory") != 2:
        return None
    limit, used = machine.memory("CommitLimit"), machine.memory("Committed_AS")
    if used < _NEAR * limit:
        return None
    why = f"{size(used)} of {size(limit)} are promised, and overcommit is off: the next allocation may fail."
    rests = ("proc/meminfo: Committed_AS", "proc/meminfo: CommitLimit", "proc/sys/vm/overcommit_memory")
    wider = machine.memory("MemTotal") * 80 // 100 + machine.memory("SwapTotal")
    effect = Effect(known=f"CommitLimit is {size(wider)} instead of {size(limit)}, huge page pools apart")
    command = "sysctl vm.overcommit_ratio=80, or add swap"
    return Advice("commit limit near", WRONG, Sentence(why, rests), command, effect)


def stalled(machine: Machine) -> Advice | None:
    """Everything waits for memory: the machine thrashes now."""
    full = machine.record(pressure, resource="memory").full
    if full is None or full.avg60_hundredths < _STALLED:
        return None
    why = f"In the last minute all tasks waited for memory {full.avg60_hundredths / 100:.0f} % of the time."
    command = "memtwin ps --sort -RES -n 5 says who has it; stop one, or add memory"
    effect = Effect(why_not="which program is stopped is for you to say")
    return Advice("thrashing", WRONG, Sentence(why, ("proc/pressure/memory: full avg60",)), command, effect)


RULES: Final[tuple[Callable[[Machine], Advice | None], ...]] = (
    stalled, commit_limit_near, zswap_before_zram, no_swap, zram_larger_than_ram, huge_pages_unused, thp_on_small_ram,
    bursts_beyond_watermarks, heavy_swap_writes, swap_idle,
)  # fmt: skip


def examine(source: Source) -> tuple[list[Advice], list[str]]:
    """Return what is found, the gravest first, and for each rule that could not be asked what it lacked."""
    machine = Machine(source)
    found: list[Advice] = []
    lacking: list[str] = []
    for rule in RULES:
        try:
            advice = rule(machine)
        except Unknown as problem:
            lacking.append(f"{rule.__name__.replace('_', ' ')} ({problem})")
            continue
        if advice is not None:
            found.append(advice)
    return sorted(found, key=lambda one: LEVELS.index(one.level)), lacking


def _effect(one: Advice, predicted: Mapping[str, str] | None) -> str:
    """Return what the change does, or why that is not said."""
    if one.effect.known:
        return f"changed, {one.effect.known}"
    if one.effect.why_not:
        return f"what a change does cannot be said: {one.effect.why_not}"
    if predicted is None:
        return "memtwin doctor --predict 60s runs the change on the model"
    return predicted.get(one.name, "what a change does was not predicted")


def view(found: list[Advice], lacking: list[str], predicted: Mapping[str, str] | None = None) -> View:
    """Return the view of what was found and what was not judged; *predicted* are effects by the finding's name."""
    columns = (
        Column("name", "FINDING"), Column("level", "LEVEL"), Column("command", "COMMAND", prose=True),
        Column("effect"),
    )  # fmt: skip
    effects = {one.name: _effect(one, predicted) for one in found}
    rows = tuple((one.name, one.level, one.command, effects[one.name]) for one in found)
    sentences = [one.evidence for one in found]
    sentences += [
        Sentence(f"{one.name}: {effects[one.name]}.", one.evidence.rests_on) for one in found if one.level != HARMLESS
    ]
    if not found:
        sentences.append(Sentence(f"None of {len(RULES) - len(lacking)} rules finds anything.", ()))
    if lacking:
        sentences.append(Sentence(f"Not judged, for lack of a row: {'; '.join(lacking)}.", ()))
    return View("doctor", (
        Grid(columns, rows, form=Form.TERMINAL if rows else Form.NONE),
        Grid(columns, rows, "findings", form=Form.DATA),
        Grid((Column("rule"),), tuple((one,) for one in lacking), "not_judged", form=Form.JSON),
    ), tuple(sentences))  # fmt: skip
