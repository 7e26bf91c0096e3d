"""A machine for htop's screens: the memory of a real one whose zram is full, and processes of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from memtwin.sources.recording import resolve

RUN = Path(__file__).parents[1] / "recordings" / "35-zram-then-disk-small" / "run1.tar.xz"
ROOT = f"{RUN}@f350"
_FILES = (
    "meminfo", "vmstat", "zoneinfo", "buddyinfo", "slabinfo", "swaps", "loadavg", "uptime", "stat", "pressure/memory",
    "pressure/io", "pressure/cpu",
)  # fmt: skip
_PF_KTHREAD = 0x00200000


class Fake(NamedTuple):
    """A process: *rss_kib* is its own, half of it shared with as many as share."""

    pid: int
    parent: int
    name: str
    state: str = "S"
    rss_kib: int = 0
    uid: int = 0
    ticks: int = 0
    arguments: str = ""
    flags: int = 0


PROCESSES = (
    Fake(1, 0, "systemd", rss_kib=9000, ticks=120, arguments="/sbin/init splash"),
    Fake(2, 0, "kthreadd", flags=_PF_KTHREAD),
    Fake(40, 2, "kswapd0", flags=_PF_KTHREAD, ticks=900),
    Fake(500, 1, "postgres", rss_kib=60000, uid=7, ticks=4000, arguments="/usr/lib/postgresql/bin/postgres -D /data"),
    Fake(501, 500, "postgres", rss_kib=52000, uid=7, ticks=300, arguments="postgres: checkpointer"),
    Fake(502, 500, "postgres", rss_kib=51000, uid=7, ticks=200, arguments="postgres: walwriter"),
    Fake(600, 1, "nginx", rss_kib=12000, uid=33, ticks=50, arguments="nginx: master process"),
    Fake(601, 600, "nginx", "R", 14000, 33, 7000, "nginx: worker process"),
    Fake(700, 1, "sh", rss_kib=900, arguments="sh -c backup"),
    Fake(701, 700, "backup", "Z"),
    Fake(800, 1, "evil\x1b[31m\n", rss_kib=4000, arguments="evil \x1b]0;title\x07\0交換\0"),
    *(Fake(900 + n, 1, f"job{n:02}", "S", 3000 + 10 * n, 1000, n, f"job --number {n}") for n in range(30)),
)  # fmt: skip


def machine(root: Path) -> Path:
    """Write the machine as a snapshot's directory."""
    source = resolve(ROOT)
    for name in _FILES:
        text = source.read(f"proc/{name}")
        if text is not None:
            (root / "proc" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "proc" / name).write_text(text)
    (root / "sys/block/zram0").mkdir(parents=True)
    (root / "sys/block/zram0/mm_stat").write_text(source.read("sys/block/zram0/mm_stat") or "")
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text(
        "root:x:0:0::/:/bin/sh\npostgres:x:7:7::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\nme:x:1000:1000::/:/bin/sh\n"
    )
    for one in PROCESSES:
        write(root / "proc" / str(one.pid), one)
    return root


def write(home: Path, one: Fake) -> None:
    """Write the files of one process."""
    home.mkdir(exist_ok=True)
    has_memory = one.rss_kib > 0
    pages = one.rss_kib // 4
    fields = (
        f"{one.parent} 1 1 0 -1 {one.flags} 10 0 0 0 {one.ticks} {one.ticks // 3} 0 0 20 0 1 0 {one.pid} "
        f"{one.rss_kib * 4096 if has_memory else 0} {pages}"
    )
    (home / "stat").write_text(f"{one.pid} ({one.name}) {one.state} {fields}\n")
    (home / "statm").write_text(f"{pages * 4} {pages} {pages // 2} 1 0 {pages // 2} 0\n")
    sizes = f"VmSize:\t{one.rss_kib * 4:8} kB\nVmRSS:\t{one.rss_kib:8} kB\nVmSwap:\t{one.rss_kib // 3:8} kB\n"
    ids = "\t".join([str(one.uid)] * 4)
    (home / "status").write_text(
        f"Name:\t{one.name.encode('unicode_escape').decode()}\nUid:\t{ids}\n{sizes * has_memory}"
    )
    (home / "cmdline").write_text(one.arguments.replace(" ", "\0") + "\0" * bool(one.arguments))
    (home / "oom_score").write_text(f"{one.rss_kib // 100}\n")
    (home / "oom_score_adj").write_text("0\n")
    if has_memory:
        half, private = one.rss_kib // 2, one.rss_kib // 3
        (home / "smaps_rollup").write_text(
            f"00400000-7ffe00000 ---p 00000000 00:00 0                  [rollup]\nRss:            {one.rss_kib:8} kB\n"
            f"Pss:            {half:8} kB\nPrivate_Clean:         0 kB\nPrivate_Dirty:  {private:8} kB\n"
            f"Swap:                  0 kB\nSwapPss:        {one.rss_kib // 3:8} kB\n"
        )
