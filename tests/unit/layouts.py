"""Reports of the OOM killer that nobody's machine printed, in the layouts of kernels from 2.6.32 to 6.18.

Written for these tests from what each kernel prints: which lines, which columns, which units. It imports nothing of
memtwin.
"""

from __future__ import annotations

from typing import NamedTuple

PAGE_KIB = 4


class Proc(NamedTuple):
    """A process: memory in pages, page tables in pages."""

    pid: int
    name: str
    rss: int
    tables: int = 10
    swap: int = 0
    adj: int = 0
    uid: int = 1000

    @property
    def total_vm(self) -> int:
        """Address space: some more than is used."""
        return self.rss + self.swap + 500


SMALL = Proc(301, "cron", 400, uid=0)
SPARED = Proc(302, "sshd", 1500, adj=-1000, uid=0)
WEB = Proc(410, "tmux: server", 9000, tables=40)
HOG = Proc(777, "java", 60000, tables=150)
PROCS = (SMALL, SPARED, WEB, HOG)
SWAPPED = (SMALL, SPARED, WEB, HOG._replace(swap=5000))


class Layout(NamedTuple):
    """What a generation of kernels prints."""

    name: str
    kernel: str
    columns: str
    row: str
    score: str = ""
    """Words with the score in the line before the kill, before 5.1."""
    kill: str = "total-vm:{vm}kB, anon-rss:{rss}kB, file-rss:0kB, shmem-rss:0kB"
    cpu: str = "CPU: 1 PID: {pid} Comm: {name} Not tainted {kernel} #1"
    has_constraint: bool = True
    mask: str = "gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO), order=0, oom_score_adj=0"
    nodes: bool = True
    zone_more: str = ""


_OLD_MASK = "gfp_mask=0x280da, order=0, oom_score_adj=0"
_SCORE = "Kill process {pid} ({name}) score {score} or sacrifice child"
_OLD_KILL = "total-vm:{vm}kB, anon-rss:{rss}kB, file-rss:0kB"
_KILL = f"{_OLD_KILL}, shmem-rss:0kB, UID:{{uid}} pgtables:{{tab}}kB oom_score_adj:{{adj}}"
_OLD_ROW = "[{p.pid:5d}] {p.uid:5d} {p.pid:5d} {p.total_vm:8d} {p.rss:8d} "
_ROW = "[{p.pid:7d}] {p.uid:5d} {p.pid:5d} {p.total_vm:8d} {p.rss:8d} "
_BYTES = "{bytes:8d} {p.swap:8d}         {p.adj:5d} {p.name}"
_COLUMNS = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"
LAYOUTS = (
    Layout(
        "2.6.32", "2.6.32-754.el6.x86_64", "[ pid ]   uid  tgid total_vm      rss cpu oom_adj oom_score_adj name",
        _OLD_ROW + "{cpu:3d} {oom_adj:7d} {p.adj:13d} {p.name}", score=_SCORE, kill=_OLD_KILL,
        cpu="Pid: {pid}, comm: {name} Not tainted {kernel} #1", has_constraint=False,
        mask="gfp_mask=0x280da, order=0, oom_adj=0, oom_score_adj=0", nodes=False,
    ),
    Layout(
        "3.10", "3.10.0-1160.el7.x86_64", "[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name",
        _OLD_ROW + "{p.tables:7d} {p.swap:8d} {p.adj:13d} {p.name}", score=_SCORE, has_constraint=False,
        mask=_OLD_MASK, nodes=False,
    ),
    Layout(
        "4.4", "4.4.0-210-generic", "[ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name",
        _OLD_ROW + "{ptes:7d} {pmds:7d} {p.swap:8d} {p.adj:13d} {p.name}", score=_SCORE, kill=_OLD_KILL,
        has_constraint=False, mask=_OLD_MASK, nodes=False,
    ),
    Layout(
        "4.19", "4.19.0-27-amd64", _COLUMNS, _ROW + _BYTES, score=_SCORE, has_constraint=False,
        mask="gfp_mask=0x6280ca(GFP_HIGHUSER_MOVABLE|__GFP_ZERO), nodemask=(null), order=0, oom_score_adj=0",
    ),
    Layout("5.4", "5.4.0-150-generic", _COLUMNS, _ROW + _BYTES, kill=_KILL),
    Layout("6.1", "6.1.0-42-amd64", _COLUMNS, _ROW + _BYTES, kill=_KILL, zone_more=" boost:0kB"),
    Layout(
        "6.12", "6.12.48+deb13-amd64",
        _COLUMNS.replace(" pgtables", " rss_anon rss_file rss_shmem pgtables"),
        _ROW + "{p.rss:8d} {zero:8d} {zero:9d} " + _BYTES, kill=_KILL, zone_more=" boost:0kB",
        cpu="CPU: 1 UID: 1000 PID: {pid} Comm: {name} Not tainted {kernel} #1 PREEMPT(voluntary)",
    ),
)  # fmt: skip

MEMORY_KIB = 4 * 100_000
RESERVED_PAGES = 5_000
SWAP_KIB = 40_000


def report(
    layout: Layout, procs: tuple[Proc, ...] = PROCS, *, victim: Proc = HOG, asker: Proc = WEB, score: int = 1
) -> list[str]:
    """Return the lines of a global OOM, without any prefix."""
    return [
        *_head(layout, asker),
        *_memory(layout),
        *_verdict(layout, procs, victim, score, "Out of memory", "global_oom"),
    ]


def memcg_report(
    layout: Layout, procs: tuple[Proc, ...] = PROCS, *, victim: Proc = HOG, limit: int = 300_000, swap_limit: int = 0
) -> list[str]:
    """Return the lines of a cgroup's OOM, version 2, without any prefix; sizes in kB."""
    return [
        *_head(layout, victim),
        f"memory: usage {limit}kB, limit {limit}kB, failcnt 77",
        f"swap: usage 0kB, limit {swap_limit}kB, failcnt 0",
        "Memory cgroup stats for /system.slice/shop.service:",
        f"anon {(limit - 9000) * 1024}", "file 2097152", "kernel 6291456", "kernel_stack 1048576", "pagetables 2097152",
        "percpu 0", "sock 0", "shmem 1048576", "slab_reclaimable 1048576", "slab_unreclaimable 2097152", "slab 3145728",
        "workingset_refault_anon 0", "pgfault 1234567",
        *_verdict(
            layout, procs, victim, 1, "Memory cgroup out of memory", "oom_memcg=/system.slice/shop.service", memcg=True
        ),
    ]  # fmt: skip


def _head(layout: Layout, asker: Proc) -> list[str]:
    return [
        f"{asker.name} invoked oom-killer: {layout.mask}",
        f"{asker.name} cpuset=/ mems_allowed=0",
        layout.cpu.format(pid=asker.pid, name=asker.name, kernel=layout.kernel),
        "Hardware name: Acme Anvil 9000/X, BIOS 1.2 01/02/2019",
        "Call Trace:",
        " dump_stack+0x46/0x60",
        " out_of_memory+0x1f1/0x520",
        " ? get_page_from_freelist+0x16b/0x1600",
        " do_anonymous_page+0x124/0xac0",
    ]


def _memory(layout: Layout) -> list[str]:
    node = "Node 0 active_anon:280000kB inactive_anon:20000kB active_file:100kB inactive_file:60kB unevictable:0kB"
    more, sizes, marks = layout.zone_more, "present:15992kB", "min:6020kB low:7525kB high:9030kB"
    dma, dma32 = ("", "") if layout.nodes else (" kernel_stack:0kB", " kernel_stack:1600kB")
    small = "0*16kB 0*32kB 0*64kB 1*128kB (M) 1*256kB (M) 1*512kB (M) 1*1024kB (M) 0*2048kB 0*4096kB"
    none = "0*8kB 0*16kB 0*32kB 0*64kB 0*128kB 0*256kB 0*512kB 0*1024kB 0*2048kB 0*4096kB"
    return [
        "Mem-Info:",
        "active_anon:70000 inactive_anon:5000 isolated_anon:0",
        " active_file:25 inactive_file:15 isolated_file:0",
        " unevictable:0 dirty:1 writeback:0",
        " slab_reclaimable:2000 slab_unreclaimable:3000",
        " mapped:300 shmem:1000 pagetables:210 bounce:0",
        " free:1990 free_pcp:10 free_cma:0",
        *([f"{node} kernel_stack:1600kB all_unreclaimable? yes"] if layout.nodes else []),
        f"Node 0 DMA free:1960kB{more} min:60kB low:72kB high:84kB active_anon:13000kB {sizes} managed:15360kB{dma}",
        "lowmem_reserve[]: 0 480 480 480",
        f"Node 0 DMA32 free:6000kB{more} {marks} active_anon:287000kB present:384008kB managed:364640kB{dma32}",
        "lowmem_reserve[]: 0 0 0 0",
        f"Node 0 DMA: 2*4kB (U) 4*8kB (UM) {small} = 1960kB",
        f"Node 0 DMA32: 1500*4kB (UME) {none} = 6000kB",
        "Node 0 hugepages_total=0 hugepages_free=0 hugepages_surp=0 hugepages_size=2048kB",
        "1040 total pagecache pages",
        "0 pages in swap cache",
        "Free swap  = 0kB",
        f"Total swap = {SWAP_KIB}kB",
        f"{MEMORY_KIB // PAGE_KIB} pages RAM",
        "0 pages HighMem/MovableOnly",
        f"{RESERVED_PAGES} pages reserved",
    ]


def _verdict(
    layout: Layout, procs: tuple[Proc, ...], victim: Proc, score: int, message: str, place: str, *, memcg: bool = False
) -> list[str]:
    lines = ["Tasks state (memory values in pages):"] if layout.has_constraint else []
    lines.append(layout.columns)
    lines += [
        layout.row.format(p=p, cpu=1, oom_adj=0, ptes=p.tables - 3, pmds=3, bytes=p.tables * 4096, zero=0)
        for p in procs
    ]
    if layout.has_constraint:
        kind = "CONSTRAINT_MEMCG" if memcg else "CONSTRAINT_NONE"
        lines.append(
            f"oom-kill:constraint={kind},nodemask=(null),cpuset=/,mems_allowed=0,{place},"
            f"task_memcg=/system.slice/shop.service,task={victim.name},pid={victim.pid},uid={victim.uid}"
        )
    kill = layout.kill.format(
        vm=victim.total_vm * PAGE_KIB, rss=victim.rss * PAGE_KIB, uid=victim.uid, tab=victim.tables * 4, adj=victim.adj
    )
    if layout.score:
        said = layout.score.format(pid=victim.pid, name=victim.name, score=score)
        return [*lines, f"{message}: {said}", f"Killed process {victim.pid} ({victim.name}) {kill}"]
    return [*lines, f"{message}: Killed process {victim.pid} ({victim.name}) {kill}"]
