"""``swapuse``: whose memory is in swap: lines that add up to SwapTotal - SwapFree, each slot in one of them.

A slot is in use as long as something refers to it::

    a process       a page table entry that names the slot: SwapPss of smaps_rollup (VmSwap of status, where that may
                    not be read, counts a slot that forked processes share once for each of them)
    swap cache      the page was read back and is mapped, and the slot is kept for the day that it leaves again:
                    SwapCached less what no program maps (that is still an entry of a process). After fork a page can
                    be both, in RAM for one process and in swap for another: such slots are the processes' here
    shared memory   SysV segments (/proc/sysvipc/shm), tmpfs, memfd: in no process's VmSwap
    huge pages      one that was swapped out as a whole keeps its 512 slots while it is in the swap cache in one piece,
                    though parts of it are mapped again or gone (vmstat: thp_swpout, thp_swpout_fallback)
    slot caches     from v4.11 to v6.13 each CPU holds up to 64 slots ready and up to 64 to be freed

Which of the last three the rest is cannot be known from outside, only that the CPUs' share is at most 512 KiB a CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import KIB, PERCENT_1
from memtwin.render.grid import NUMBER, Column, Form, Grid, Sentence, View, figures
from memtwin.render.words import count
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.render.openmetrics import Metric

SLOTS_A_CPU: Final = 2 * 64
"""SWAP_SLOTS_CACHE_SIZE of include/linux/swap_slots.h (v6.1), for slots ready and slots to be freed."""


class User(NamedTuple):
    """A process and its swap; *exact* if slots that are shared are divided among those who share them."""

    pid: int
    name: str
    kib: int
    exact: bool


class Swapped(NamedTuple):
    """What is known of one moment, in KiB. *sysv_kib* and the last two are None where their files are missing."""

    total_kib: int
    free_kib: int
    cached_kib: int
    unmapped_kib: int
    users: tuple[User, ...]
    cpus: int
    page_kib: int
    sysv_kib: int | None = None
    zram_slots_kib: int | None = None
    zram_memory_kib: int | None = None
    zswapped_kib: int | None = None
    zswap_memory_kib: int | None = None
    has_processes: bool = True
    """Whether any process of the machine is in its files: a report may have none."""
    has_huge: bool = False
    """Whether huge pages were swapped out, as a whole or in parts."""

    @property
    def used_kib(self) -> int:
        """Slots that are taken; a container's filter may show more free than there are."""
        return max(self.total_kib - self.free_kib, 0)


class Share(NamedTuple):
    """One line: who, and how much."""

    name: str
    kib: int


def shares(s: Swapped) -> tuple[Share, ...]:
    """Return the lines that are not processes; with the processes they add up to the used swap, or come near."""
    if not s.has_processes:
        sysv = min(s.sysv_kib or 0, s.used_kib)
        unknown = Share("not known: no processes in these files", s.used_kib - sysv)
        return tuple(line for line in (Share("SysV shared memory", sysv), unknown) if line.kib)
    owned = sum(user.kib for user in s.users)
    cached = min(max(s.cached_kib - s.unmapped_kib, 0), max(s.used_kib - owned, 0))
    rest = max(s.used_kib - owned - cached, 0)
    sysv = min(s.sysv_kib or 0, rest)
    rest -= sysv
    held = min(rest, s.cpus * SLOTS_A_CPU * s.page_kib)
    lines = (
        Share("in RAM too, the slot kept (swap cache)", cached),
        Share("SysV shared memory", sysv),
        Share(f"slot caches of {count(s.cpus, 'CPU')}, or shared memory", held),
        Share(f"{'kept by huge pages, or ' if s.has_huge else ''}shared memory: tmpfs, memfd", rest - held),
    )
    return tuple(line for line in lines if line.kib)


def view(s: Swapped, rows: int | None = None) -> View:
    """Return the lines, in a terminal at most *rows* processes (None: all)."""
    processes = tuple((one.pid, one.name, bytes_of(one.kib), one.exact) for one in s.users)
    others = tuple((line.name, bytes_of(line.kib)) for line in shares(s))
    sizes = {
        "zram_slots_bytes": s.zram_slots_kib, "zram_memory_bytes": s.zram_memory_kib,
        "zswap_data_bytes": s.zswapped_kib, "zswap_memory_bytes": s.zswap_memory_kib,
    }  # fmt: skip
    swap = Column("swap_bytes")
    flat = (
        *((name, pid, size) for pid, name, size, _ in processes),
        *((name, None, size) for name, size in others),
    )  # fmt: skip
    data = (
        figures(used_bytes=bytes_of(s.used_kib)),
        Grid((Column("pid"), Column("name"), swap, Column("exact")), processes, "processes", form=Form.JSON),
        Grid((Column("name"), swap), others, "others", form=Form.JSON),
        figures(**{name: bytes_of(kib) for name, kib in sizes.items()}),
        Grid((Column("who"), Column("pid"), swap), flat, form=Form.CSV),
    )
    if not s.total_kib:
        return View("swapuse", data, metrics=lambda: [_metric(s)], text="There is no swap area.\n")
    return View("swapuse", (_sheet(s, rows), *data), tuple(sentences(s)), lambda: [_metric(s)])


def _sheet(s: Swapped, rows: int | None) -> Grid:
    """Return the lines in one column that ends with their sum, the processes with most swap first."""
    users = sorted((user for user in s.users if user.kib), key=lambda user: (-user.kib, user.pid))
    shown = users[:rows]
    lines: list[tuple[str, int | str, int]] = [(one.name, one.pid, one.kib) for one in shown]
    left = sum(user.kib for user in users[len(shown) :])
    if left:
        lines.append((f"{len(users) - len(shown)} more processes", "", left))
    lines += [(line.name, "", line.kib) for line in shares(s)]
    lines.append(("used swap (SwapTotal - SwapFree)", "", s.used_kib))
    columns = (
        Column(None, "WHO"),
        Column(None, "PID", NUMBER),
        Column(None, "KIB", KIB),
        Column(None, "OF USED", PERCENT_1),
    )
    cells = tuple((who, pid, bytes_of(kib), 100 * kib / s.used_kib if s.used_kib else None) for who, pid, kib in lines)
    return Grid(columns, cells, form=Form.TERMINAL)


def sentences(s: Swapped) -> Iterator[Sentence]:
    """Yield where the swapped memory lies, and how exact the lines are."""
    owned = sum(user.kib for user in s.users)
    if s.zram_slots_kib:
        cost = "" if s.zram_memory_kib is None else f", where they take {s.zram_memory_kib} KiB"
        yield Sentence(f"{s.zram_slots_kib} KiB of the used slots are on zram, which is RAM{cost}.", _SWAPS)
    if s.zswapped_kib:
        cost = "" if s.zswap_memory_kib is None else f", where they take {s.zswap_memory_kib} KiB of RAM"
        yield Sentence(
            f"{s.zswapped_kib} KiB of it are in zswap's pool{cost}, and not on the disk (yet).",
            ("proc/meminfo: Zswapped",),
        )
    both = s.cached_kib - s.unmapped_kib - max(s.used_kib - owned, 0)
    if both > 0 and owned <= s.used_kib:
        yield Sentence(
            f"{both} KiB of the processes' slots have their page in RAM too: a forked process has read it back.",
            ("proc/meminfo: SwapCached", "proc/PID/status: VmSwap"),
        )
    if owned <= s.used_kib:
        return
    more = f"The processes add up to {owned} KiB, more than is used:"
    if all(user.exact for user in s.users):
        why = "meminfo and the processes' files are read one after another, and swap changed in between."
        yield Sentence(f"{more} {why}", ("proc/meminfo: SwapTotal", "proc/PID/smaps_rollup: SwapPss"))
    else:
        why = (
            "VmSwap, which some were counted by, has a shared slot once for each process. Root can read SwapPss, which "
        )
        yield Sentence(f"{more} {why}divides them.", ("proc/meminfo: SwapTotal", "proc/PID/status: VmSwap"))


_SWAPS: Final = ("proc/swaps: Filename",)


def _metric(s: Swapped) -> Metric:
    from memtwin.render.openmetrics import Metric

    users: Sequence[tuple[dict[str, str], int]] = [
        ({"who": one.name, "pid": str(one.pid)}, bytes_of(one.kib)) for one in s.users
    ]
    others = [({"who": line.name, "pid": ""}, bytes_of(line.kib)) for line in shares(s)]
    return Metric("memtwin_swap_use_bytes", "gauge", "Used swap by who holds it.", (*users, *others))
