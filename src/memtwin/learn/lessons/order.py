"""Two swap areas: which fills, and what moves between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.learn import chapter
from memtwin.learn.lesson import Lesson, Reading, Sizes, Turn, amount
from memtwin.learn.question import Number, size

if TYPE_CHECKING:
    from memtwin.learn.found import Found

_AREA = 512


def _story(s: Sizes) -> str:
    back = f" Then it reads the first {s['back']}M again." if s["back"] else ""
    return (
        f"P writes {s['fill']}M of text, far more than RAM. There are two swap areas of {_AREA}M: zram has priority 100, "
        f"the disk has {s['disk']}.{back}"
    )


def _scene(s: Sizes) -> tuple[str, ...]:
    return (
        "machine ram=512M",
        f"swap zram size={_AREA}M prio=100",
        f"swap disk size={_AREA}M prio={s['disk']}",
        "proc P",
        f"P mmap heap {s['fill']}M",
        f"P touch heap 0 {s['fill']}M w seq content=text ; checkpoint filled",
        *([f"P touch heap 0 {s['back']}M r seq"] if s["back"] else []),
        "checkpoint after",
    )


def _asks(_: Sizes) -> Number:
    return size("How much of the disk's swap area is in use now?", _AREA)


def _read(found: Found, s: Sizes) -> Reading:
    zram, disk = found.at("after").areas
    before = found.at("filled").areas[1]
    figures = {
        "zram": zram.used_kib, "zram_size": zram.size_kib, "disk": disk.used_kib, "disk_size": disk.size_kib,
        "disk_before": before.used_kib, "prio_zram": zram.priority, "prio_disk": disk.priority,
    }  # fmt: skip
    return Reading(disk.used_kib, figures, usual=(zram.used_kib + disk.used_kib) // 2)


def _holds(r: Reading, s: Sizes) -> bool:
    if r["prio_zram"] == r["prio_disk"]:
        return abs(r["zram"] - r["disk"]) < (r["zram"] + r["disk"]) // 5
    first, rest = ("zram", "disk") if r["prio_zram"] > r["prio_disk"] else ("disk", "zram")
    filled_in_order = r[rest] < r[f"{rest}_size"] // 10 or r[first] > r[f"{first}_size"] * 9 // 10
    nothing_moved_up = r["disk"] >= r["disk_before"] * 9 // 10
    return filled_in_order and nothing_moved_up


def _reason(r: Reading, s: Sizes) -> tuple[str, ...]:
    used = f"zram has {amount(r['zram'])} of {amount(r['zram_size'])}, the disk {amount(r['disk'])} of {amount(r['disk_size'])}"
    if r["prio_zram"] == r["prio_disk"]:
        return (f"{used}: areas of one priority take pages in turn.",)
    why = f"{used}: the area with the higher priority is filled first, and the other takes what no longer fits."
    if s["back"]:
        return (
            why,
            f"The disk had {amount(r['disk_before'])} before the reading. What lies on the slow area stays there until its "
            "owner uses it: nothing moves to a faster area by itself.",
        )
    return (why,)


LESSON = Lesson(
    key="order",
    title="Two swap areas",
    sections=(chapter.VIRTUAL, chapter.FILES),
    hook="swapon --show lists two areas, and one of them has not been touched in weeks.",
    sizes={"fill": (700, 720, 690), "back": (0,), "disk": (-2,)},
    story=_story,
    scene=_scene,
    asks=_asks,
    read=_read,
    holds=_holds,
    reason=_reason,
    chapter="Swap is a file system partition, here split into two parts; the disk has a very low priority.",
    so="A swap area holds no file system. The two are not halves either: the one with the higher priority is used until it is "
    "full.",
    turns=lambda _: (
        Turn("P reads the first 300M again", {"back": 300}),
        Turn("both areas have priority 100", {"disk": 100}),
        Turn("the disk has priority 200", {"disk": 200}),
    ),
    own="memtwin swaps --explain",
    elsewhere="it needs its own two swap areas",
)
