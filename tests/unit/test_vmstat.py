"""Does ``vmstat`` keep its forms apart, and does it say what procps's hides?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from memtwin import cli
from memtwin.sources.recording import Recording

if TYPE_CHECKING:
    import pytest

RUN = Path(__file__).parents[1] / "recordings" / "03-anon-swap-disk" / "run1.tar.xz"
ROOT = f"{RUN}@f400"


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = cli.main(["vmstat", *args])
    return code, *capsys.readouterr()


def test_rates_in_json_are_by_the_time_and_not_by_the_cpus_ticks(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--root", ROOT, "--json")
    told = json.loads(out)["data"]
    source = Recording(RUN).at("f400")
    up_s = float((source.read("proc/uptime") or "").split()[0])
    swapped = int((source.read("proc/vmstat") or "").split("pswpout ")[1].split("\n")[0])
    assert code == 0
    assert told["seconds"] is None
    assert told["swap_out_bytes_per_s"] == round(swapped * 4096 / up_s, 2) > 0


def test_explain_tells_of_reclaim_that_the_columns_hide(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "--root", ROOT, "--explain")
    count = (Recording(RUN).at("f400").read("proc/vmstat") or "").split("pgscan_direct ")[1].split("\n")[0]
    assert f"pgscan_direct: {count} since boot" in out
    assert "average since boot" in out


def test_samples_are_one_object_each_and_headings_come_once(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "--json", "1", "2")
    first, second = (json.loads(line)["data"] for line in out.splitlines())
    assert (first["seconds"], second["seconds"]) == (None, 1)
    assert second["interrupts_per_s"] >= 0
    _, out, _ = run(capsys, "--csv", "1", "2")
    assert [line.split(",")[1] for line in out.splitlines()] == ["seconds", "", "1"]
    _, out, _ = run(capsys, "-n", "-y", "1", "1")
    assert len(out.splitlines()) == 3


def test_a_saved_moment_has_no_second_sample(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "--root", ROOT, "1", "3")
    assert code == 2
    assert "is one moment" in err


def test_stats_have_units_in_their_keys(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "--root", ROOT, "-s", "--json")
    told = json.loads(out)["data"]
    total = int((Recording(RUN).at("f400").read("proc/meminfo") or "").split()[1])
    assert told["total_memory_bytes"] == total * 1024
    assert "forks_count" in told


def test_metrics_have_every_row_of_vmstat(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "--root", ROOT, "--openmetrics")
    rows = [line.split()[0] for line in (Recording(RUN).at("f400").read("proc/vmstat") or "").splitlines()]
    assert all(f"\nnode_vmstat_{row} " in out for row in rows)
    assert "\nnode_context_switches_total " in out


def test_what_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "-y")[0] == 2
    assert run(capsys, "--openmetrics", "1", "2", "--root", ROOT)[0] == 2
    code, _, err = run(capsys, "--root", str(RUN.parent / "none"))
    assert code == 1
    assert err.startswith("memtwin: ")


def test_disks_in_json_have_bytes_and_what_is_in_flight(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--root", ROOT, "-d", "--json")
    rows = json.loads(out)["data"]
    first = (Recording(RUN).at("f400").read("proc/diskstats") or "").splitlines()[0].split()
    assert code == 0
    assert (rows[0]["name"], rows[0]["read_bytes"]) == (first[2], int(first[5]) * 512)
    assert run(capsys, "--root", ROOT, "-p", "/dev/none")[0] == 2
    assert run(capsys, "--root", ROOT, "-m")[1].startswith("Cache ")
