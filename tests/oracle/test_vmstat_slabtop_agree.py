"""Do vmstat and slabtop print byte for byte what procps's print from the same /proc files?"""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest
from namespace import recorded, said, why_not

from memtwin.procfs import diskstats as diskstats_file
from memtwin.procfs import meminfo as meminfo_file
from memtwin.procfs import slabinfo as slabinfo_file
from memtwin.procfs import stat as stat_file
from memtwin.procfs import vmstat as vmstat_file
from memtwin.procfs.diskstats import Disk, Diskstats
from memtwin.procfs.slabinfo import SlabCache, Slabinfo
from memtwin.render.terminal import show
from memtwin.units import Bytes, Pages
from memtwin.views import slabtop, vmstat, vmstat_disks

PROCPS = r"procps-ng 4\.0\.2\b"
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
FILES = ("stat", "meminfo", "vmstat")


def first(case: dict[str, str], **flags: object) -> str:
    """What we print for ``vmstat`` without a delay."""
    unit = flags.pop("unit", "K")
    look = {"wide": bool(flags.get("wide")), "active": bool(flags.get("active"))}
    return show(vmstat.view(vmstat.Interval(sample(case)), unit=str(unit), **look))


def sample(case: dict[str, str]) -> vmstat.Sample:
    return vmstat.Sample(
        stat_file.parse(case["stat"]),
        meminfo_file.parse(case["meminfo"]),
        vmstat_file.parse(case["vmstat"]),
        PAGE_KIB,
        os.sysconf("SC_CLK_TCK"),
    )


VMSTAT = {
    "": first,
    "-a": lambda case: first(case, active=True),
    "-w": lambda case: first(case, wide=True),
    "-a -w -S m": lambda case: first(case, wide=True, active=True, unit="m"),
    "-S k": lambda case: first(case, unit="k"),
    "-S M": lambda case: first(case, unit="M"),
    "-S b": lambda case: first(case, unit="b"),
    "-s": lambda case: show(vmstat.statistics(sample(case))),
    "-s -S m": lambda case: show(vmstat.statistics(sample(case), "m")),
    "-s -S M": lambda case: show(vmstat.statistics(sample(case), "M")),
    "-f": lambda case: show(vmstat.forks(sample(case))),
}


def odd_stats() -> list[dict[str, str]]:
    """Files of all magnitudes: a machine that never idled, one that just booted, guests, old kernels' short lines."""
    rng = random.Random(3)
    base = recorded(*FILES)[0]
    cases = []
    for _ in range(40):
        top = rng.choice([1, 8, 20, 33])
        fields = rng.choice([10, 10, 9, 8])
        ticks = [int(2 ** rng.uniform(0, top)) - 1 for _ in range(fields)]
        if fields > 8:
            ticks[8] = min(ticks[8], ticks[0])
        if fields > 9:
            ticks[9] = min(ticks[9], ticks[1])
        counts = {name: int(2 ** rng.uniform(0, top)) for name in ("intr", "ctxt", "processes")}
        stat = (
            f"cpu  {' '.join(map(str, ticks))}\ncpu0 {' '.join(map(str, ticks))}\nintr {counts['intr']} 1 2\n"
            f"ctxt {counts['ctxt']}\nbtime 1700000000\nprocesses {counts['processes']}\n"
            f"procs_running {rng.randint(1, 300)}\nprocs_blocked {rng.randint(0, 300)}\nsoftirq 1 0 0\n"
        )
        names = ("pgpgin", "pgpgout", "pswpin", "pswpout")
        rows = "".join(f"{name} {int(2 ** rng.uniform(0, top))}\n" for name in names)
        cases.append({"stat": stat, "meminfo": base["meminfo"], "vmstat": f"nr_free_pages 1\n{rows}pgfault 2\n"})
    return cases


def test_vmstat_prints_what_vmstat_prints(tmp_path: Path) -> None:
    if reason := why_not("vmstat", PROCPS):
        pytest.skip(reason)
    live = {name: Path(f"/proc/{name}").read_text() for name in FILES}
    filtered = re.sub(r"(SwapFree: +)\d+", r"\g<1>18014398509481983", live["meminfo"])  # as lxcfs prints it
    cases = [live, live | {"meminfo": filtered}, *recorded(*FILES), *odd_stats()]
    assert len(cases) >= 12
    answers = said(cases, [f"vmstat {words}" for words in VMSTAT], tmp_path)
    for case, printed in zip(cases, answers, strict=True):
        assert [print_ours(case) for print_ours in VMSTAT.values()] == printed, case["stat"]


def test_a_second_line_is_what_happened_in_the_second(tmp_path: Path) -> None:
    """The files change while vmstat sleeps, so that its second line is of a known interval.

    procps 4.0.2 reads meminfo once and repeats the first line's memory for ever; ours is that of its time.
    """
    if reason := why_not("vmstat", PROCPS):
        pytest.skip(reason)
    cases = [one for one in recorded(*FILES) if "cpu" in one["stat"]]
    pairs = [(a, b) for a, b in pairwise(cases) if grew(a, b)][:3]
    assert pairs
    for number, (before, after) in enumerate(pairs):
        scratch = tmp_path / str(number)
        scratch.mkdir()
        script = ["set -e"]
        for name in FILES:
            (scratch / f"a-{name}").write_text(before[name])
            (scratch / f"b-{name}").write_text(after[name])
            (scratch / name).touch()
            script += [f"mount --bind {scratch}/{name} /proc/{name}", f"cat {scratch}/a-{name} > {scratch}/{name}"]
        script += ["vmstat -n 2 2 &", "sleep 0.7"]
        script += [f"cat {scratch}/b-{name} > {scratch}/{name}" for name in FILES]
        script.append("wait")
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            ["unshare", "-m", "sh"], input="\n".join(script), text=True, check=True, env=env, capture_output=True
        )
        frozen = sample(after)._replace(meminfo=sample(before).meminfo)
        interval = vmstat.Interval(frozen, sample(before), 2)
        assert done.stdout.splitlines()[-1] + "\n" == show(vmstat.view(interval, headings=False))


def grew(before: dict[str, str], after: dict[str, str]) -> bool:
    """Whether *after* is later in the same boot, with paging in between."""
    interval = vmstat.Interval(sample(after), sample(before), 2)
    counts = [interval.grown(name) or 0 for name in ("pswpin", "pswpout", "pgpgin", "pgpgout")]
    return (
        all(count >= 0 for count in counts) and sum(counts) > 0 and sample(after).stat.ctxt > sample(before).stat.ctxt
    )


def odd_slabs() -> list[str]:
    rng = random.Random(4)
    files = []
    for _ in range(30):
        caches = []
        for i in range(rng.randint(1, 40)):
            slabs = int(2 ** rng.uniform(0, rng.choice([1, 8, 24])))
            per = rng.choice([1, 8, 21, 512])
            objects = slabs * per if rng.random() < 0.9 else 0
            active = rng.choice([0, objects, rng.randint(0, objects)])
            size = Bytes(rng.choice([8, 192, 1128, 51488, 104]))
            name = rng.choice(["dentry", "a-cache-with-a-name-that-is-far-too-long", "kmalloc-64", "Acpi-State"])
            live = rng.randint(0, slabs)
            caches.append(
                SlabCache(
                    f"{name}{i}", active, objects, size, per, Pages(rng.choice([1, 2, 8])), 0, 0, 0, live, slabs, 0
                )
            )
        files.append(slabinfo_file.render(Slabinfo(tuple(caches))))
    return files


def test_slabtop_prints_what_slabtop_prints(tmp_path: Path) -> None:
    if reason := why_not("slabtop", PROCPS):
        pytest.skip(reason)
    sorts = [*slabtop.SORTS, "n"]
    cases = [one["slabinfo"] for one in recorded("slabinfo")] + odd_slabs()
    if os.access("/proc/slabinfo", os.R_OK):
        cases.append(Path("/proc/slabinfo").read_text())
    assert len(cases) >= 12
    commands = ["slabtop -o", *(f"slabtop -o -s {sort}" for sort in sorts)]
    answers = said([{"slabinfo": case} for case in cases], commands, tmp_path)
    for case, printed in zip(cases, answers, strict=True):
        caches = slabinfo_file.parse(case).caches
        ours = [show(slabtop.view(slabtop.order(caches, sort), PAGE_KIB * 1024, {})) for sort in ("o", *sorts)]
        assert [plain(text) for text in ours] == [plain(text) for text in printed], case


def plain(text: str) -> str:
    """A last decimal that the tool rounds in single precision is not held against us."""
    return re.sub(r"\(([0-9.]+)%\)", lambda match: f"({float(match[1]):.0f}%)", text)


def test_time_is_stamped_in_the_tools_columns(tmp_path: Path) -> None:
    if reason := why_not("vmstat", PROCPS):
        pytest.skip(reason)
    case = recorded(*FILES)[0]
    ((printed,),) = said([case], ["vmstat -t"], tmp_path)
    stamp = printed.splitlines()[-1][-19:]
    assert abs(time.mktime(time.strptime(stamp, "%Y-%m-%d %H:%M:%S")) - time.time()) < 86400
    assert show(vmstat.view(vmstat.Interval(sample(case)), stamp=("UTC", stamp))) == printed


def odd_disks() -> list[str]:
    rng = random.Random(5)
    names = [*os.listdir("/sys/block"), "vda1", "nvme0n1p2-long-name"]  # noqa: PTH208
    files = []
    for _ in range(20):
        top = rng.choice([1, 10, 20, 40])
        disks = [
            Disk(253, i, name, *(int(2 ** rng.uniform(0, top)) - 1 for _ in range(11)))
            for i, name in enumerate(rng.sample(names, min(len(names), rng.randint(1, 12))))
        ]
        files.append(diskstats_file.render(Diskstats(tuple(disks))))
    return files


def test_disks_are_printed_as_vmstat_prints_them(tmp_path: Path) -> None:
    if reason := why_not("vmstat", PROCPS):
        pytest.skip(reason)
    names = set(os.listdir("/sys/block"))  # noqa: PTH208
    cases = [Path("/proc/diskstats").read_text(), *(one["diskstats"] for one in recorded("diskstats")), *odd_disks()]
    answers = said([{"diskstats": case} for case in cases], ["vmstat -d -n", "vmstat -d -w -n", "vmstat -D"], tmp_path)
    for case, printed in zip(cases, answers, strict=True):
        found = diskstats_file.parse(case).disks
        ours = [
            show(vmstat_disks.disks(found, names)),
            show(vmstat_disks.disks(found, names, wide=True)),
            show(vmstat_disks.summary(found, names)),
        ]
        assert ours == printed, case
    for case in odd_disks():
        disk = diskstats_file.parse(case).disks[0]
        ((printed_one,),) = said([{"diskstats": case}], [f"vmstat -p {disk.name}"], tmp_path)
        assert show(vmstat_disks.partition(disk, names)) == printed_one


def test_caches_are_printed_as_vmstat_m_prints_them(tmp_path: Path) -> None:
    if reason := why_not("vmstat", PROCPS):
        pytest.skip(reason)
    cases = [one["slabinfo"] for one in recorded("slabinfo")][:8] + odd_slabs()
    for case, (printed,) in zip(
        cases, said([{"slabinfo": one} for one in cases], ["vmstat -m -n"], tmp_path), strict=True
    ):
        assert show(vmstat_disks.slabs(slabinfo_file.parse(case).caches, PAGE_KIB * 1024)) == printed, case
