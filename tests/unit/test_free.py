"""Is each "used" what its program prints, and do the explanations say what is true of the machine?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from memtwin import cli
from memtwin.procfs.meminfo import Meminfo, render
from memtwin.render import terminal
from memtwin.render.amount import Scale
from memtwin.render.grid import texts
from memtwin.views import free, free_explained
from memtwin.views.used import FORMULAS, used

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MEMINFO = {
    "MemTotal": 100_000_000, "MemFree": 1_000_000, "MemAvailable": 30_000_000, "Buffers": 2_000_000,
    "Cached": 40_000_000, "SwapCached": 300_000, "SwapTotal": 50_000_000, "SwapFree": 20_000_000,
    "Zswap": 700_000, "Zswapped": 2_100_000, "Shmem": 7_000_000, "Slab": 9_000_000, "SReclaimable": 5_000_000,
    "SUnreclaim": 4_000_000, "CommitLimit": 90_000_000, "Committed_AS": 60_000_000,
}  # fmt: skip
PRINTED = {  # with this file bound over /proc/meminfo
    "procps-4": 70_000_000,  # free of procps 4.0.2 and 4.0.4
    "procps-3.3": 52_000_000,  # free of procps 3.3.17
    "htop": 59_000_000,  # htop 3.0.5 and 3.4.1: 56.3G
    "htop-3.2": 52_000_000,  # htop 3.2.2: 49.6G
    "sar": 48_000_000,  # sar -r of sysstat 12.6.1
}


def test_used_is_what_the_programs_print() -> None:
    assert {name: used(MEMINFO, name) for name in PRINTED} == PRINTED
    assert len({used(MEMINFO, name) for name in FORMULAS}) == 5  # htop 3.2 is the classic, sar is procps 3.3.10's


def test_a_sum_beyond_the_total_falls_back_to_total_minus_free() -> None:
    odd = MEMINFO | {"Cached": 99_000_000, "Shmem": 0}
    assert {used(odd, name) for name in ("procps-3.3", "htop", "htop-3.2", "sar")} == {99_000_000}


def test_what_a_formula_takes_and_the_kernel_does_not_print_makes_it_unknown() -> None:
    assert used({"MemTotal": 10, "MemFree": 4}, "procps-3.3") is None
    assert used({"MemTotal": 10, "MemFree": 4}, "procps-3.2") == 6
    assert used({"MemTotal": 10}) is None


def test_one_line_is_that_of_free_404() -> None:
    printed = "SwapUse    30000000 CachUse    47000000  MemUse    70000000 MemFree     1000000 \n"
    human = "SwapUse        28Gi CachUse        44Gi  MemUse        66Gi MemFree       976Mi \n"
    figures = free.compute(Meminfo(MEMINFO))
    assert terminal.show(free.view(figures, line=True)) == printed
    assert terminal.show(free.view(figures, scale=Scale(human=True), line=True)) == human


def run(capsys: pytest.CaptureFixture[str], root: Path, meminfo: dict[str, int], *args: str) -> str:
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc" / "meminfo").write_text(render(Meminfo(meminfo)))
    assert cli.main(["free", "--root", str(root), *args]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_as_changes_used_and_nothing_else(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = {name: run(capsys, tmp_path, MEMINFO, "--as", name, "-w").splitlines()[1].split() for name in FORMULAS}
    assert {name: int(row[2]) for name, row in rows.items()} == {name: used(MEMINFO, name) for name in FORMULAS}
    assert len({tuple(row[3:6]) for row in rows.values()}) == 1


def test_explain_has_every_formula_and_says_why_free_is_low(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = run(capsys, tmp_path, MEMINFO, "--explain")
    assert all(name in text for name in FORMULAS)
    assert "free is 976Mi, because 44Gi hold contents of files" in text
    assert "6.7Gi of the cache are shared memory" in text
    told = json.loads(run(capsys, tmp_path, MEMINFO, "--explain", "--json"))["data"]
    assert {row["as"]: row["used_bytes"] // 1024 for row in told["used"] if row["as"] in PRINTED} == PRINTED


def test_explain_knows_a_containers_filter_and_an_old_kernel() -> None:
    filtered = Meminfo(MEMINFO | {"MemAvailable": 200_000_000, "SwapFree": 2**54})
    said = " ".join(texts(free_explained.sentences(filtered)))
    assert said.count("lxcfs") == 2
    old = {label: value for label, value in MEMINFO.items() if label != "MemAvailable"}
    assert "has no MemAvailable" in " ".join(texts(free_explained.sentences(Meminfo(old))))


def test_metrics_bear_the_names_of_node_exporter(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = run(capsys, tmp_path, MEMINFO, "--openmetrics")
    assert "\nnode_memory_MemAvailable_bytes 30720000000\n" in text
    assert '\nmemtwin_memory_used_bytes{as="htop"} 60416000000\n' in text
    assert text.endswith("# EOF\n")
