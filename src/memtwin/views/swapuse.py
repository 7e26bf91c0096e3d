"""``swapuse``: whose memory is in swap: lines that add up to SwapTotal - SwapFree, each slot in one of them.

A slot is taken as long as somebody refers to it::

    a process       a page table entry that names the slot: SwapPss of smaps_rollup (VmSwap of status, where that may
                    not be read, counts a slot that forked processes share once for each of them)
    swap cache      the page was read back and is mapped, and the slot is kept for the day that it leaves again:
                    SwapCached less what no program maps (that is still an entry of a process). After fork a page can
                    be both, in RAM for one process and in swap for another: such slots are the processes' here
    shared memory   SysV segments (/proc/sysvipc/shm), tmpfs, memfd: in no process's VmSwap
    slot caches     from v4.11 to v6.13 each CPU holds up to 64 slots ready and up to 64 that it will give back

Which of the last two the rest is cannot be told from outside, only that the CPUs' share is at most 512 KiB a CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.render.prose import bullets
from memtwin.render.table import Column, Table, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtwin.render.openmetrics import Metric

SLOTS_A_CPU: Final = 2 * 64
"""SWAP_SLOTS_CACHE_SIZE of include/linux/swap_slots.h (v6.1), for slots ready and slots to give back."""


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
    owned = sum(user.kib for user in s.users)
    cached = min(max(s.cached_kib - s.unmapped_kib, 0), max(s.used_kib - owned, 0))
    rest = max(s.used_kib - owned - cached, 0)
    sysv = min(s.sysv_kib or 0, rest)
    rest -= sysv
    held = min(rest, s.cpus * SLOTS_A_CPU * s.page_kib)
    lines = (
        Share("in RAM too, the slot kept (swap cache)", cached),
        Share("SysV shared memory", sysv),
        Share(f"held ready by {s.cpus} CPU{'s' if s.cpus > 1 else ''} (slot caches), or shared memory", held),
        Share("shared memory: tmpfs, memfd", rest - held),
    )
    return tuple(line for line in lines if line.kib)


def told(s: Swapped, rows: int | None) -> str:
    """Return the lines as text, at most *rows* processes (None: all)."""
    if not s.total_kib:
        return "There is no swap area.\n"
    users = sorted((user for user in s.users if user.kib), key=lambda user: (-user.kib, user.pid))
    columns = (Column("WHO"), Column("PID", "right"), Column("KIB", "right"), Column("OF USED", "right"))
    shown = users[:rows]
    lines: list[tuple[str, ...]] = [(one.name, str(one.pid), str(one.kib), _percent(one.kib, s)) for one in shown]
    left = sum(user.kib for user in users[len(shown) :])
    if left:
        lines.append((f"{len(users) - len(shown)} more processes", "", str(left), _percent(left, s)))
    lines += [(line.name, "", str(line.kib), _percent(line.kib, s)) for line in shares(s)]
    lines.append(("used swap (SwapTotal - SwapFree)", "", str(s.used_kib), "100.0%" if s.used_kib else "-"))
    return text(Table(columns, tuple(lines))) + bullets(sentences(s))


def sentences(s: Swapped) -> Iterator[str]:
    """Yield where the swapped memory lies, and how far the lines can be trusted."""
    owned = sum(user.kib for user in s.users)
    if s.zram_slots_kib:
        cost = "" if s.zram_memory_kib is None else f", where they take {s.zram_memory_kib} KiB"
        yield f"{s.zram_slots_kib} KiB of the used slots are on zram, which is RAM{cost}."
    if s.zswapped_kib:
        cost = "" if s.zswap_memory_kib is None else f", where they take {s.zswap_memory_kib} KiB of RAM"
        yield f"{s.zswapped_kib} KiB of it are in zswap's pool{cost}, and not on the disk (yet)."
    both = s.cached_kib - s.unmapped_kib - max(s.used_kib - owned, 0)
    if both > 0 and owned <= s.used_kib:
        yield f"{both} KiB of the processes' slots have their page in RAM too: a forked process has read it back."
    if owned > s.used_kib:
        yield (
            f"The processes add up to {owned} KiB, more than is used: VmSwap, which some were counted by, has a shared "
            "slot once for each process. Root can read SwapPss, which divides them."
        )


def data(s: Swapped) -> dict[str, Any]:
    """Return the lines for JSON."""

    def size(kib: int | None) -> int | None:
        return None if kib is None else kib * 1024

    return {
        "used_bytes": s.used_kib * 1024,
        "processes": [
            {"pid": one.pid, "name": one.name, "swap_bytes": one.kib * 1024, "exact": one.exact} for one in s.users
        ],
        "others": [{"name": line.name, "swap_bytes": line.kib * 1024} for line in shares(s)],
        "zram_slots_bytes": size(s.zram_slots_kib),
        "zram_memory_bytes": size(s.zram_memory_kib),
        "zswap_data_bytes": size(s.zswapped_kib),
        "zswap_memory_bytes": size(s.zswap_memory_kib),
    }


def rows_of(s: Swapped) -> list[dict[str, Any]]:
    """Return the lines as flat rows for CSV."""
    rows = [{"who": one.name, "pid": one.pid, "swap_bytes": one.kib * 1024} for one in s.users]
    return rows + [{"who": line.name, "pid": None, "swap_bytes": line.kib * 1024} for line in shares(s)]


def metrics(s: Swapped) -> list[Metric]:
    """Return the lines as one family."""
    from memtwin.render.openmetrics import Metric  # noqa: PLC0415 - when asked for

    users: Sequence[tuple[dict[str, str], int]] = [
        ({"who": one.name, "pid": str(one.pid)}, one.kib * 1024) for one in s.users
    ]
    others = [({"who": line.name, "pid": ""}, line.kib * 1024) for line in shares(s)]
    return [Metric("memtwin_swap_use_bytes", "gauge", "Used swap by who holds it.", (*users, *others))]


def _percent(kib: int, s: Swapped) -> str:
    return f"{100 * kib / s.used_kib:.1f}%" if s.used_kib else "-"
