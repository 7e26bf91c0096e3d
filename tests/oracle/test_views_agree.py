"""Do free and swaps print byte for byte what free and swapon print from the same /proc files?"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from namespace import recorded, said, why_not

from memtwin.procfs import meminfo as meminfo_file
from memtwin.procfs import swaps as swaps_file
from memtwin.render import terminal
from memtwin.render.amount import Scale
from memtwin.units import Kib
from memtwin.views import free, swaps

FREE = {  # arguments of the tool: the same for us
    "": (Scale(), {}),
    "-w": (Scale(), {"wide": True}),
    "-b -l -t -v": (Scale(0), {"lohi": True, "total": True, "committed": True}),
    "-k -t": (Scale(1), {"total": True}),
    "-m -v": (Scale(2), {"committed": True}),
    "-g": (Scale(3), {}),
    "--tebi": (Scale(4), {}),
    "--pebi": (Scale(5), {}),
    "--kilo": (Scale(1, 1000), {}),
    "--mega": (Scale(2, 1000), {}),
    "--giga -w": (Scale(3, 1000), {"wide": True}),
    "--tera": (Scale(4, 1000), {}),
    "--si": (Scale(1, 1000), {}),
    "-b --si": (Scale(0, 1000), {}),
    "-h -t -v": (Scale(human=True), {"total": True, "committed": True}),
    "-h --si -t -v -l": (Scale(base=1000, human=True), {"total": True, "committed": True, "lohi": True}),
}
SWAPON = {
    "--show": lambda one: terminal.show(swaps.view(one)),
    "--show --bytes": lambda one: terminal.show(swaps.view(one, in_bytes=True)),
    "--show --noheadings": lambda one: terminal.show(swaps.view(one), headings=False),
    "--show --raw": lambda one: terminal.show(swaps.view(one), for_programs=True),
    "--show=PRIO,used,NAME": lambda one: terminal.show(swaps.view(one, swaps.choose_columns("PRIO,used,NAME"))),
    "--show=SIZE --raw --noheadings": lambda one: terminal.show(
        swaps.view(one, ("SIZE",)), headings=False, for_programs=True
    ),
}


def odd_meminfos() -> list[str]:
    """Return files of all magnitudes, some with figures that contradict each other."""
    rng = random.Random(1)
    labels = (
        "MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapTotal", "SwapFree", "Shmem",
        "SReclaimable", "CommitLimit", "Committed_AS",
    )  # fmt: skip
    files = []
    for _ in range(60):
        top = rng.choice([8, 14, 22, 30, 40])
        files.append({label: int(2 ** rng.uniform(0, top)) for label in labels})
    high = {"HighTotal": 500, "HighFree": 700, "LowTotal": 9000, "LowFree": 100}
    files += [{**files[0], **high}, {k: v for k, v in files[1].items() if k != "MemAvailable"}]
    behind_lxcfs = {"MemTotal": 131072, "MemFree": 65536, "MemAvailable": 400000, "SwapTotal": 0, "SwapFree": 2**54 - 1}
    files += [{**files[2], **behind_lxcfs}, {**files[3], "SwapTotal": 100, "SwapFree": 500}]
    return [meminfo_file.render(meminfo_file.Meminfo(one)) for one in files]


def odd_swaps() -> list[str]:
    rng = random.Random(2)
    names = [
        "/dev/vdb",
        "/swapfile",
        "/dev/mapper/vg-swap",
        "/a b",
        "/x (deleted)",
        "/naïve-交換",
        "/e\x1b[31m\tz",
    ]
    files = []
    for _ in range(80):
        areas = [
            swaps_file.SwapArea(
                rng.choice(names),
                rng.choice(["partition", "file"]),
                Kib(int(2 ** rng.uniform(0, rng.choice([12, 20, 30, 38])))),
                Kib(rng.choice([0, 1, int(2 ** rng.uniform(0, 28)), (1 << rng.randint(8, 20)) - rng.randint(0, 60)])),
                rng.choice([-2, -3, 0, 5, 100, 32767]),
            )
            for _ in range(rng.randint(1, 4))
        ]
        files.append(swaps_file.render(swaps_file.Swaps(tuple(areas))))
    return files


def test_free_prints_what_free_prints(tmp_path: Path) -> None:
    reason = why_not("free", r"procps-ng 4\.0\.[1-4]\b")
    if reason:
        pytest.skip(reason)
    cases = [Path("/proc/meminfo").read_text(), *(one["meminfo"] for one in recorded("meminfo")), *odd_meminfos()]
    answers = said([{"meminfo": case} for case in cases], [f"free {words}" for words in FREE], tmp_path)
    for case, printed in zip(cases, answers, strict=True):
        figures = free.compute(meminfo_file.parse(case))
        ours = [terminal.show(free.view(figures, scale=scale, **flags)) for scale, flags in FREE.values()]
        assert ours == printed, case


def test_swaps_prints_what_swapon_show_prints(tmp_path: Path) -> None:
    reason = why_not("swapon", r"util-linux 2\.3[6-9]|util-linux 2\.4")
    if reason:
        pytest.skip(reason)
    shows = SWAPON.copy()
    if why_not("swapon", r"util-linux 2\.3[6-9]"):  # 2.41 of Debian 13: a heading that is not printed takes no room
        del shows["--show --noheadings"]
    cases = [*(one["swaps"] for one in recorded("swaps") if one["swaps"].count("\n") > 1), *odd_swaps()]
    answers = said([{"swaps": case} for case in cases], [f"swapon {words}" for words in shows], tmp_path)
    for case, printed in zip(cases, answers, strict=True):
        record = swaps_file.parse(case)
        assert [show(record) for show in shows.values()] == printed, case


def test_a_file_without_swap_areas_prints_nothing(tmp_path: Path) -> None:
    reason = why_not("swapon", "util-linux 2")
    if reason:
        pytest.skip(reason)
    cases = [{"swaps": swaps_file.HEADING + "\n"}, {"swaps": ""}]
    assert said(cases, ["swapon --show"], tmp_path) == [[""], [""]]


def test_uuid_and_label_are_those_of_the_header(tmp_path: Path) -> None:
    if (reason := why_not("swapon", r"util-linux 2\.3[6-9]|util-linux 2\.4")) or not shutil.which("mkswap"):
        pytest.skip(reason or "mkswap is not installed")
    rows = [swaps_file.HEADING]
    for number, words in enumerate((["-L", "my-swap"], [], ["-U", "12345678-1234-1234-1234-123456789abc", "-L", "é"])):
        area = tmp_path / f"area{number}"
        area.write_bytes(bytes(1 << 20))
        area.chmod(0o600)
        subprocess.run(["mkswap", *words, area], check=True, capture_output=True)
        rows.append(
            swaps_file.render(
                swaps_file.Swaps((swaps_file.SwapArea(str(area), "file", Kib(1020), Kib(0), -2 - number),))
            ).splitlines()[1]
        )
    case = {"swaps": "\n".join(rows) + "\n"}
    program = f"{sys.executable} -c 'import sys; from memtwin.cli import main; sys.exit(main())' swaps"
    for words in ("--show=NAME,UUID,LABEL,PRIO", "--show=LABEL,UUID --raw --noheadings"):
        ((theirs, ours),) = said([case], [f"swapon {words}", f"{program} {words}"], tmp_path)
        assert ours == theirs
        assert "my-swap" in ours
