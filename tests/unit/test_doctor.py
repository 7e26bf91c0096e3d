"""Does each rule of `doctor` find its fault, stay silent beside it, and say what it could not judge?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memtwin import cli
from memtwin.diagnose.doctor import RULES, examine
from memtwin.procfs import meminfo
from memtwin.sources.recording import resolve

MEMINFO = {
    "MemTotal": 8_000_000, "AnonPages": 1_000_000, "SwapTotal": 2_000_000, "SwapFree": 2_000_000, "AnonHugePages": 0,
    "CommitLimit": 6_000_000, "Committed_AS": 3_000_000, "HugePages_Total": 0, "HugePages_Free": 0, "HugePages_Rsvd": 0,
    "Hugepagesize": 2048,
}  # fmt: skip
STALLS = (
    "some avg10=0.00 avg60={some}.00 avg300={some}.00 total=1\nfull avg10=0.00 avg60={full}.00 avg300=0.00 total=1\n"
)
HEALTHY = {
    "proc/vmstat": "pgscan_kswapd 1000000\npgscan_direct 100\npswpout 0\n",
    "proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
    "proc/uptime": "100000.00 100000.00\n",
    "proc/pressure/memory": STALLS.format(some=1, full=0),
    "proc/sys/vm/overcommit_memory": "0\n",
    "proc/sys/vm/watermark_scale_factor": "10\n",
    "sys/module/zswap/parameters/enabled": "N\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
}
ZRAM = HEALTHY["proc/swaps"] + "/dev/zram0                              partition\t2000000\t\t1000\t\t100\n"
DISK = HEALTHY["proc/swaps"] + "/dev/sda2                               partition\t2000000\t\t1000\t\t-2\n"


def machine(root: Path, files: dict[str, str], **rows: int) -> Path:
    text = meminfo.render(meminfo.Meminfo(MEMINFO | rows))
    for path, content in (HEALTHY | {"proc/meminfo": text} | files).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


def test_a_healthy_machine(tmp_path: Path) -> None:
    assert examine(resolve(str(machine(tmp_path, {})))) == ([], [])


FAULTS: dict[str, tuple[dict[str, str], dict[str, int], str]] = {
    "no swap": ({}, {"SwapTotal": 0, "SwapFree": 0, "AnonPages": 6_000_000}, "worth changing"),
    "zswap before zram": (
        {"proc/swaps": ZRAM, "sys/module/zswap/parameters/enabled": "Y\n", "sys/block/zram0/disksize": "2048000000\n",
         "sys/block/zram0/mm_stat": "0 0 0 0 0 0 0 0 0\n"}, {}, "wrong"),
    "zram larger than RAM bears": (
        {"proc/swaps": ZRAM, "sys/block/zram0/disksize": "16000000000\n",
         "sys/block/zram0/mm_stat": "200000000 90000000 100000000 0 100000000 0 0 0 0\n"}, {}, "worth changing"),
    "huge pages unused": ({}, {"HugePages_Total": 512, "HugePages_Free": 512}, "worth changing"),
    "huge pages on small RAM": (
        {"sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never\n"},
        {"MemTotal": 1_900_000, "AnonHugePages": 300_000}, "worth changing"),
    "watermarks too close": (
        {"proc/vmstat": "pgscan_kswapd 1000\npgscan_direct 90000\npswpout 0\n"}, {}, "worth changing"),
    "much swap written": (
        {"proc/swaps": DISK, "proc/vmstat": "pgscan_kswapd 1\npgscan_direct 0\npswpout 9000000\n"}, {},
        "worth changing"),
    "swap used but idle": (
        {"proc/pressure/memory": STALLS.format(some=0, full=0)},
        {"SwapFree": 1_500_000}, "harmless"),
    "commit limit near": ({"proc/sys/vm/overcommit_memory": "2\n"}, {"Committed_AS": 5_900_000}, "wrong"),
    "thrashing": (
        {"proc/pressure/memory": STALLS.format(some=50, full=30)},
        {}, "wrong"),
}  # fmt: skip


def test_every_rule_has_its_fault_here() -> None:
    assert len(FAULTS) == len(RULES)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_nothing_else(name: str, tmp_path: Path) -> None:
    files, rows, level = FAULTS[name]
    found, lacking = examine(resolve(str(machine(tmp_path, files, **rows))))
    assert [(one.name, one.level) for one in found] == [(name, level)]
    assert found[0].evidence.rests_on
    assert (found[0].command is None) == (level == "harmless")
    assert lacking == []


def test_what_is_not_known_is_not_judged(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal:        8000000 kB\n")
    found, lacking = examine(resolve(str(tmp_path)))
    assert found == []
    assert len(lacking) == len(RULES)


def test_exit_codes_and_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "c").mkdir()
    healthy = str(machine(tmp_path / "a", {}))
    change = str(machine(tmp_path / "b", {}, HugePages_Total=512, HugePages_Free=512))
    files, rows, _ = FAULTS["thrashing"]
    wrong = str(machine(tmp_path / "c", files, **rows))
    assert [cli.main(["doctor", "--check", "--root", root]) for root in (healthy, change, wrong)] == [0, 3, 4]
    assert cli.main(["doctor", "--root", wrong]) == 0
    capsys.readouterr()
    assert cli.main(["doctor", "--json", "--root", change]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["data"]["findings"][0]["command"] == "sysctl vm.nr_hugepages=0"
    assert told["data"]["not_judged"] == []
    assert told["sentences"][0]["rests_on"][0] == "proc/meminfo: HugePages_Total"
    assert cli.main(["doctor", "--openmetrics", "--root", change]) == 2
    assert cli.main(["doctor", "--root", str(tmp_path / "none")]) == 1
    assert cli.main(["doctor"]) == 0


MACHINES = Path(__file__).parents[1] / "machines"


def test_what_a_change_does_is_predicted_with_its_unit(capsys: pytest.CaptureFixture[str]) -> None:
    """The machine is built, its largest process grows, with and without the change."""
    assert cli.main(["doctor", "--root", str(MACHINES / "thrash"), "--predict", "60s", "--json"]) == 0
    found = {one["name"]: one["effect"] for one in json.loads(capsys.readouterr().out)["data"]["findings"]}
    assert found["zram larger than RAM bears"] == "changed, it takes 109 MiB of RAM at most, not 127 MiB"
    predicted = found["watermarks too close"]
    assert predicted.startswith("the twin predicts, if A takes 7 MiB more in 60 s, all that is available: ")
    assert " s -> " in predicted or " MiB -> " in predicted


def test_why_a_prediction_cannot_be_made_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Too little time, a machine that the model refuses, none that could grow: a sentence each; and nothing unasked."""
    thrash = ["doctor", "--root", str(MACHINES / "thrash")]
    assert cli.main([*thrash, "--predict", "1ms"]) == 0
    assert "0.001 s were not enough for the model" in " ".join(capsys.readouterr().out.split())
    assert cli.main(thrash) == 0
    assert "memtwin doctor --predict 60s runs the change on the model" in " ".join(capsys.readouterr().out.split())
    assert cli.main(["doctor", "--root", str(MACHINES / "leak"), "--predict", "60s"]) == 0
    assert "cannot be said: the model refuses it" in " ".join(capsys.readouterr().out.split())
    (tmp_path / "bare").mkdir()
    rows = {"AnonPages": 6_000_000, "SwapTotal": 0, "SwapFree": 0, "MemAvailable": 900_000}
    bare = str(machine(tmp_path / "bare", {}, **rows))
    assert cli.main(["doctor", "--root", bare, "--predict", "60s"]) == 0
    assert "it has no process that could grow" in " ".join(capsys.readouterr().out.split())
    assert cli.main([*thrash, "--predict", "soon"]) == 2
    assert "is no time" in capsys.readouterr().err
