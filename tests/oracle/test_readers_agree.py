"""Do psutil and prometheus-node-exporter read a twin's checkpoint, and do they say what our views say of it?"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from memtwin import cli

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCENARIO = """machine ram=192M cpus=1 kernel=6.1 thp=never
swap zram size=96M algo=lzo-rle prio=100
swap disk name=partition size=256M prio=-2 rot=0
proc A
A mmap heap 200M
A touch heap 0 200M w seq content=text
proc B
B mmap heap 20M
B touch heap 0 20M w seq content=random
checkpoint full
"""
COLLECTORS = ("buddyinfo", "loadavg", "meminfo", "pressure", "slabinfo", "stat", "vmstat", "zoneinfo")
LABEL = re.compile(r'[a-z_]+="[^"]*"')
VIEWS = ("buddyinfo", "loadavg", "meminfo", "pressure", "slabtop", "vmstat", "zoneinfo")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the model, laid out as a machine: proc/, sys/."""
    root = tmp_path_factory.mktemp("twin")
    (root / "scenario.mem").write_text(SCENARIO)
    assert cli.main(["run", str(root / "scenario.mem"), "-o", str(root / "run")]) == 0
    assert cli.main(["snapshot", "--root", f"{root / 'run'}@full", "-o", str(root / "snapshot")]) == 0
    return root / "snapshot"


def told(capsys: pytest.CaptureFixture[str], *args: str) -> dict:  # type: ignore[type-arg]
    assert cli.main([*args, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["data"]  # type: ignore[no-any-return]


def test_psutil_reads_a_checkpoint(
    snapshot: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    psutil = pytest.importorskip("psutil")
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(snapshot / "proc"))
    capsys.readouterr()
    free = told(capsys, "free", "--root", str(snapshot))
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    assert (memory.total, memory.free, memory.available) == tuple(
        free["mem"][f"{name}_bytes"] for name in ("total", "free", "available")
    )
    assert (memory.buffers, memory.cached) == (free["mem"]["buffers_bytes"], free["mem"]["cache_bytes"])
    assert (swap.total, swap.used) == (free["swap"]["total_bytes"], free["swap"]["used_bytes"]) > (0, 0)
    stats = told(capsys, "vmstat", "-s", "--root", str(snapshot))
    assert (swap.sin, swap.sout) == tuple(stats[f"pages_swapped_{way}_count"] * 4096 for way in ("in", "out"))
    ours = {
        one["pid"]: one
        for one in told(capsys, "ps", "--root", str(snapshot), "-o", "PID,VIRT,RES,SHR,PSS,USS,SWAP,COMMAND")
    }
    assert set(psutil.pids()) == set(ours)
    for pid, one in ours.items():
        process = psutil.Process(pid)
        seen = process.memory_full_info()
        assert process.name() == one["command"]
        assert (seen.rss, seen.vms, seen.shared) == (one["res_bytes"], one["virt_bytes"], one["shr_bytes"])
        assert (seen.pss, seen.uss, seen.swap) == (one["pss_bytes"], one["uss_bytes"], one["swap_bytes"])


@pytest.fixture
def exporter(snapshot: Path) -> Iterator[str]:
    """The address of Debian's node exporter over the snapshot, on loopback."""
    program = shutil.which("prometheus-node-exporter")
    if program is None:
        pytest.skip("prometheus-node-exporter is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [program, f"--path.procfs={snapshot}/proc", f"--path.sysfs={snapshot}/sys", "--collector.disable-defaults",
             "--collector.vmstat.fields=.*", f"--web.listen-address=127.0.0.1:{port}",
             *(f"--collector.{name}" for name in COLLECTORS)]  # fmt: skip
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}/metrics"
    finally:
        process.terminate()
        process.wait()


def fetched(address: str) -> str:
    for _ in range(100):
        try:
            with urllib.request.urlopen(address) as answer:
                return answer.read().decode()  # type: ignore[no-any-return]
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the exporter did not answer")


def series(text: str) -> dict[str, float]:
    """Return name{labels in order} and value of every sample of a node."""
    found = {}
    for line in text.splitlines():
        if line.startswith("node_"):
            name, value = line.rsplit(" ", 1)
            head, _, labels = name.partition("{")
            found[f"{head}{sorted(LABEL.findall(labels))}"] = float(value)
    return found


def test_node_exporter_says_what_our_metrics_say(
    exporter: str, snapshot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = series(fetched(exporter))
    succeeded = {name: value for name, value in theirs.items() if name.startswith("node_scrape_collector_success")}
    assert len(succeeded) == len(COLLECTORS)
    assert set(succeeded.values()) == {1.0}
    capsys.readouterr()
    ours: dict[str, float] = {}
    for view in VIEWS:
        assert cli.main([view, "--root", str(snapshot), "--openmetrics"]) == 0
        ours |= series(capsys.readouterr().out)
    asked = {name: value for name, value in theirs.items() if not name.startswith(("node_scrape", "node_exporter"))}
    of_stat = {name for name in asked if name.startswith(("node_cpu", "node_softirqs"))}
    assert set(asked) - set(ours) <= of_stat
    assert len(set(asked) & set(ours)) > 900
    assert {name: ours[name] for name in asked if name in ours} == pytest.approx(
        {name: value for name, value in asked.items() if name in ours}
    )
