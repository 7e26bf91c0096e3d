"""``vmstat``: processes, memory, swap, I/O and CPU in one line, as vmstat of procps-ng 4.0.2 (Debian 12) prints it.

A sample is /proc/stat, /proc/meminfo and /proc/vmstat of one moment. A line of an interval of *s* whole seconds::

    r b     procs_running, procs_blocked           swpd free buff cache   as free: cache = Cached + SReclaimable
    si so   pswpin, pswpout in KiB a second        bi bo                  pgpgin, pgpgout in KiB a second
    in cs   intr, ctxt a second                    us sy id wa st gu      percent of the CPUs' ticks; us without guests

all rounded half up. The first line, since boot, divides by the ticks of all CPUs and not by the time: on *n* CPUs its
rates are 1/n of the true ones. The table does the same; JSON has the true rates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.procfs.counters import COUNTERS
from memtwin.render.grid import NUMBER, Column, Form, Grid, Sentence, Shape, Style, Value, View, figures
from memtwin.units import bytes_of
from memtwin.views.used import cache, used, used_swap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from memtwin.procfs.meminfo import Meminfo
    from memtwin.procfs.stat import Stat
    from memtwin.procfs.vmstat import Vmstat
    from memtwin.render.openmetrics import Metric

UNITS: Final = {"b": 1, "B": 1, "k": 1000, "K": 1024, "m": 1000**2, "M": 1024**2}
"""Bytes of the unit that ``-S`` names."""
_UNSIGNED: Final = 1 << 32
_ORDER: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
_NARROW: Final = (2, 2, 6, 6, 6, 6, 4, 4, 5, 5, 4, 4, 2, 2, 2, 2, 2)
_WIDE: Final = (4, 4, 12, 12, 12, 12, 4, 4, 5, 5, 4, 4, 3, 3, 3, 3, 3, 3)
_HEAD: Final = (
    "procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----",
    f"--procs-- {'-' * 23}memory{'-' * 22} ---swap-- -----io---- -system-- {'-' * 10}cpu{'-' * 10}",
)
_STAMP: Final = " -----timestamp-----"


class Sample(NamedTuple):
    """One moment; *page_kib* is the page size, *up_s* the seconds since boot if known."""

    stat: Stat
    meminfo: Meminfo
    vmstat: Vmstat
    page_kib: int = 4
    ticks_per_s: int = 100
    up_s: float | None = None


class Interval(NamedTuple):
    """What happened up to *now*: since *before*, *seconds* ago, or since boot."""

    now: Sample
    before: Sample | None = None
    seconds: int = 0

    def grown(self, name: str) -> int | None:
        """How much a row of /proc/vmstat grew; ``allocstall`` is the sum over the zones."""
        after, start = _row(self.now.vmstat, name), _row(self.before.vmstat, name) if self.before else 0
        return None if after is None or start is None else after - start

    def ticks(self) -> dict[str, int]:
        """The CPUs' ticks by kind; fields that an old kernel lacks are 0, and idle never runs backwards."""
        after = dict(zip(_ORDER, (*self.now.stat.cpu, *(0,) * len(_ORDER)), strict=False))
        if self.before is None:
            return after
        start = dict(zip(_ORDER, (*self.before.stat.cpu, *(0,) * len(_ORDER)), strict=False))
        return {name: max(after[name] - start[name], 0) for name in _ORDER}

    @property
    def length_s(self) -> float | None:
        """The interval in seconds; since boot: the uptime."""
        return self.now.up_s if self.before is None else float(self.seconds)


def view(
    interval: Interval, *, unit: str = "K", wide: bool = False, active: bool = False,
    stamp: tuple[str, str] | None = None, headings: bool = True, explain: bool = False,
) -> View:  # fmt: skip
    """Return one line of figures; *stamp*, for ``-t``, is the name of the time zone and the time.

    *headings* puts the two lines of headings above it; *explain* adds what vmstat does not show.
    """
    third, fourth = ("inact", "active") if active else ("buff", "cache")
    names = ["r", "b", "swpd", "free", third, fourth, "si", "so", "bi", "bo", "in", "cs", "us", "sy", "id", "wa", "st"]
    widths = _WIDE if wide else _NARROW
    if wide:
        names.append("gu")
    columns = [Column(None, name, NUMBER, width, grow=False) for name, width in zip(names, widths, strict=True)]
    cells: tuple[Value, ...] = _cells(interval, unit, wide=wide, active=active)
    head = _HEAD[wide]
    if stamp is not None:
        columns.append(Column(None, stamp[0], Style(str, "right"), 19, grow=False))
        cells = (*cells, stamp[1])
        head += _STAMP
    line = Grid(tuple(columns), (cells,), form=Form.TERMINAL, title=f"{head}\n" if headings else "", headings=headings)
    said = tuple(sentences(interval)) if explain else ()
    return View("vmstat", (line, figures(**_data(interval))), said, lambda: metrics(interval.now))


def statistics(now: Sample, unit: str = "K") -> View:
    """Return ``vmstat -s``: amounts and counts since boot, one a line."""
    sizes = [
        (f"{_key(name)}_bytes", bytes_of(kib), None if kib is None else _scaled(kib, unit),
         f"{unit} {name}")
        for name, kib in _amounts(now).items()
    ]  # fmt: skip
    counts = [(f"{_key(name)}_count", count, count, name) for name, count in _counts(now).items()]
    return View("vmstat-stats", (_listing([*sizes, *counts]),), metrics=lambda: metrics(now))


def forks(now: Sample) -> View:
    """Return ``vmstat -f``: the processes started since boot; JSON has all of ``-s``."""
    whole = statistics(now)
    line = _listing([("forks_count", now.stat.processes, now.stat.processes, "forks")])._replace(form=Form.TERMINAL)
    return whole._replace(grids=(line, whole.grids[0]._replace(form=Form.DATA)))


def _listing(rows: Sequence[tuple[Value, ...]]) -> Grid:
    columns = (Column(""), Column(""), Column(None, "", NUMBER, 13, grow=False), Column(None, ""))
    return Grid(columns, rows, shape=Shape.PAIRS, headings=False)


def _key(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_")


def _amounts(now: Sample) -> dict[str, int | None]:
    """Return what ``-s`` prints of memory, in KiB."""
    m = now.meminfo
    return {
        "total memory": m.get("MemTotal"),
        "used memory": used(m, "procps-4"),
        "active memory": m.get("Active"),
        "inactive memory": m.get("Inactive"),
        "free memory": m.get("MemFree"),
        "buffer memory": m.get("Buffers"),
        "swap cache": cache(m),
        "total swap": m.get("SwapTotal"),
        "used swap": used_swap(m),
        "free swap": m.get("SwapFree"),
    }


def _counts(now: Sample) -> dict[str, int | None]:
    """Return what ``-s`` counts since boot."""
    ticks = Interval(now).ticks()
    return {
        "non-nice user cpu ticks": ticks["user"],
        "nice user cpu ticks": ticks["nice"],
        "system cpu ticks": ticks["system"],
        "idle cpu ticks": ticks["idle"],
        "IO-wait cpu ticks": ticks["iowait"],
        "IRQ cpu ticks": ticks["irq"],
        "softirq cpu ticks": ticks["softirq"],
        "stolen cpu ticks": ticks["steal"],
        "non-nice guest cpu ticks": ticks["guest"],
        "nice guest cpu ticks": ticks["guest_nice"],
        "K paged in": now.vmstat.get("pgpgin"),
        "K paged out": now.vmstat.get("pgpgout"),
        "pages swapped in": now.vmstat.get("pswpin"),
        "pages swapped out": now.vmstat.get("pswpout"),
        "interrupts": now.stat.intr_total,
        "CPU context switches": now.stat.ctxt,
        "boot time": now.stat.btime,
        "forks": now.stat.processes,
    }


def sentences(interval: Interval) -> Iterator[Sentence]:
    """Yield what vmstat does not show, and what the figures mean."""
    length = interval.length_s
    over = "since boot" if interval.before is None else f"in {interval.seconds} s"
    for name, counter in COUNTERS.items():
        count = interval.grown(name) if counter.shortage else 0
        if count:
            rate = f", {count / length:.1f} a second" if length else ""
            yield Sentence(
                f"{name}: {count} {over}{rate}: {counter.shortage}.", (_evidence(interval.now.vmstat, name),)
            )
    yield from _judged(interval)


def _data(interval: Interval) -> dict[str, Any]:
    """Return the interval as figures: bytes, true rates a second, percent; ``seconds`` null since boot."""
    now, length = interval.now, interval.length_s
    swap, free, buffers, cached = _memory(now.meminfo, active=False)
    inactive, active = _memory(now.meminfo, active=True)[2:]
    page_bytes = bytes_of(now.page_kib)

    def rate(count: int | None, each: int = 1) -> float | None:
        return None if count is None or not length else round(count * each / length, 2)

    before = interval.before.stat if interval.before else None
    shares = dict(zip(("us", "sy", "id", "wa", "st", "gu"), _shares(interval.ticks()), strict=True))
    sizes = {
        "swap_used": None if now.meminfo.get("SwapFree", 0) > now.meminfo.get("SwapTotal", 0) else swap,
        "free": free,
        "buffers": buffers,
        "cache": cached,
        "inactive": inactive,
        "active": active,
    }
    return {
        "seconds": None if interval.before is None else interval.seconds,
        "running_count": now.stat.procs_running,
        "blocked_count": now.stat.procs_blocked,
        **{f"{name}_bytes": bytes_of(kib) for name, kib in sizes.items()},
        "swap_in_bytes_per_s": rate(interval.grown("pswpin"), page_bytes),
        "swap_out_bytes_per_s": rate(interval.grown("pswpout"), page_bytes),
        "paged_in_bytes_per_s": rate(interval.grown("pgpgin"), 1024),
        "paged_out_bytes_per_s": rate(interval.grown("pgpgout"), 1024),
        "interrupts_per_s": rate(now.stat.intr_total - (before.intr_total if before else 0)),
        "switches_per_s": rate(now.stat.ctxt - (before.ctxt if before else 0)),
        **{f"cpu_{name}_percent": share for name, share in shares.items()},
        **{f"{name}_count": interval.grown(name) for name, counter in COUNTERS.items() if counter.shortage},
    }


def metrics(now: Sample) -> list[Metric]:
    """Return every row of /proc/vmstat and the counts of /proc/stat under node_exporter's names."""
    from memtwin.render.openmetrics import Metric, gauge

    families = [
        Metric(f"node_vmstat_{name}", "unknown", f"/proc/vmstat information field {name}.", (({}, value),))
        for name, value in now.vmstat.items()
    ]
    counts = {"intr": now.stat.intr_total, "context_switches": now.stat.ctxt, "forks": now.stat.processes}
    families += [
        Metric(f"node_{name}", "counter", f"{name} since boot.", (({}, count),)) for name, count in counts.items()
    ]
    families.append(gauge("node_procs_running", "Number of processes in runnable state.", now.stat.procs_running))
    families.append(gauge("node_procs_blocked", "Number of processes blocked waiting for I/O.", now.stat.procs_blocked))
    families.append(gauge("node_boot_time_seconds", "Unix time of last boot.", now.stat.btime))
    return families


def _row(vmstat: Mapping[str, int], name: str) -> int | None:
    """Return a row; those that newer kernels count by zone (``allocstall_normal``) are summed."""
    if name in vmstat:
        return vmstat[name]
    parts = [value for label, value in vmstat.items() if label.startswith(f"{name}_")]
    return sum(parts) if parts else None


def _cells(interval: Interval, unit: str, *, wide: bool, active: bool) -> tuple[int | None, ...]:
    """Return the figures of one line, rounded as the tool rounds them."""
    now, shares = interval.now, _shares(interval.ticks())
    memory = (None if kib is None else _scaled(kib, unit) for kib in _memory(now.meminfo, active=active))
    return (
        now.stat.procs_running, now.stat.procs_blocked, *memory, *_rates(interval, unit),
        *(shares if wide else shares[:-1]),
    )  # fmt: skip


def _evidence(vmstat: Mapping[str, int], name: str) -> str:
    """Return the row that a counter is read from; of those that are summed, the first."""
    row = name if name in vmstat else next((label for label in vmstat if label.startswith(f"{name}_")), name)
    return f"proc/vmstat: {row}"


def _memory(m: Meminfo, *, active: bool) -> tuple[int | None, ...]:
    pair = (m.get("Inactive"), m.get("Active")) if active else (m.get("Buffers"), cache(m))
    return (used_swap(m), m.get("MemFree"), *pair)


def _scaled(kib: int, unit: str) -> int:
    """Return *kib* in *unit*, in single precision as the tool computes it: beyond 16 GiB not every KiB shows."""
    return int(_single(_single(_single(kib) / UNITS[unit]) * 1024))


def _single(value: float) -> float:
    from struct import pack, unpack

    (rounded,) = unpack("f", pack("f", value))
    return float(rounded)


def _rates(interval: Interval, unit: str) -> Iterator[int | None]:
    """Yield si so bi bo in cs, rounded as the tool rounds them."""
    now, before = interval.now, interval.before
    times, over = (now.ticks_per_s, sum(_kinds(interval.ticks())) or 1) if before is None else (1, interval.seconds)

    def rate(count: int | None) -> int | None:
        return None if count is None else (count * times + over // 2) // over % _UNSIGNED

    for name in ("pswpin", "pswpout"):
        pages = interval.grown(name)
        yield rate(None if pages is None else _scaled(pages * now.page_kib, unit))
    yield rate(interval.grown("pgpgin"))
    yield rate(interval.grown("pgpgout"))
    yield rate(now.stat.intr_total - (before.stat.intr_total if before else 0))
    yield rate(now.stat.ctxt - (before.stat.ctxt if before else 0))


def _kinds(ticks: Mapping[str, int]) -> tuple[int, int, int, int, int]:
    return (
        ticks["user"] + ticks["nice"],
        ticks["system"] + ticks["irq"] + ticks["softirq"],
        ticks["idle"],
        ticks["iowait"],
        ticks["steal"],
    )


def _shares(ticks: Mapping[str, int]) -> tuple[int, ...]:
    """Return us sy id wa st gu in percent; a machine without a tick was idle."""
    user, system, idle, wait, steal = _kinds(ticks)
    guest = ticks["guest"] + ticks["guest_nice"]
    whole = user + system + idle + wait + steal
    if not whole:
        whole = idle = 1
    return tuple((100 * part + whole // 2) // whole for part in (user - guest, system, idle, wait, steal, guest))


def _judged(interval: Interval) -> Iterator[Sentence]:
    now, cpus = interval.now, len(interval.now.stat.cpus)
    swapped_in, swapped_out = interval.grown("pswpin"), interval.grown("pswpout")
    swap_rows = ("proc/vmstat: pswpin", "proc/vmstat: pswpout")
    if interval.before is None:
        divided = f", and its rates are divided by the {cpus} CPUs too" if cpus > 1 else ""
        yield Sentence(
            f"The first line is an average since boot{divided}: `memtwin vmstat 1 5` shows what goes on now.", ()
        )
    elif swapped_in and swapped_out:
        yield Sentence(
            "Pages are read from swap while others are written there (si and so): programs use more memory than there "
            "is. If this lasts, they spend their time waiting for the swap device.",
            swap_rows,
        )
    elif swapped_out:
        yield Sentence(
            "Pages are written to swap and none are read back: memory that is not used makes room. This is how it "
            "should be.",
            swap_rows,
        )
    if now.stat.procs_blocked > cpus > 0:
        yield Sentence(
            f"b is {now.stat.procs_blocked}: more tasks wait for a disk or swap than there are CPUs ({cpus}).",
            ("proc/stat: procs_blocked",),
        )
    if interval.grown("allocstall") and interval.before is not None:
        yield Sentence(
            "allocstall grows: kswapd does not keep up, and programs reclaim memory before they go on.",
            (_evidence(now.vmstat, "allocstall"),),
        )
