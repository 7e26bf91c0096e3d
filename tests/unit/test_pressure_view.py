"""Does ``pressure`` say what the kernel's averages mean, and the share of an interval exactly?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memtwin import cli
from memtwin.procfs.pressure import Pressure, Stall, parse, render
from memtwin.render.grid import texts
from memtwin.sources.recording import Recording
from memtwin.views import pressure as view

RUN = Path(__file__).parents[1] / "recordings" / "03-anon-swap-disk" / "run1.tar.xz"


def stalled(some: int, full: int, total_us: int = 0) -> Pressure:
    return Pressure(Stall(some, 0, 0, total_us), Stall(full, 0, 0, total_us // 2))


def test_the_irq_file_has_only_full() -> None:
    text = "full avg10=0.01 avg60=0.02 avg300=0.03 total=77\n"
    assert parse(text) == Pressure(None, Stall(1, 2, 3, 77))
    assert render(parse(text)) == text


def test_words_follow_the_averages() -> None:
    assert "nothing is done" in " ".join(texts(view.sentences({"memory": stalled(2000, 600)})))
    assert "at least one task waits for memory" in " ".join(texts(view.sentences({"memory": stalled(2000, 400)})))
    assert "Nothing waits" in " ".join(texts(view.sentences({"memory": stalled(900, 400)})))
    assert "Nothing waits" not in " ".join(texts(view.sentences({"cpu": stalled(0, 0), "io": stalled(1000, 0)})))


def test_the_share_of_an_interval_is_what_the_total_grew() -> None:
    grid = view.view({"io": stalled(0, 0, 3_000_000)}, {"io": stalled(0, 0, 1_000_000)}, 4.0).grids[0]
    rows = grid.objects()
    assert [row["interval_percent"] for row in rows] == [50.0, 25.0]
    assert view.view({"io": stalled(0, 0)}).grids[0].objects()[0]["interval_percent"] is None


def test_a_recording_tells_what_its_kernel_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["pressure", "--root", f"{RUN}@f400", "--json"]) == 0
    rows = {(row["resource"], row["kind"]): row for row in json.loads(capsys.readouterr().out)["data"]}
    printed = parse(Recording(RUN).at("f400").read("proc/pressure/memory") or "")
    assert printed.some is not None
    assert rows["memory", "some"]["total_us"] == printed.some.total_us
    assert cli.main(["pressure", "--root", f"{RUN}@f400", "--openmetrics"]) == 0
    told = f"node_pressure_memory_waiting_seconds_total {printed.some.total_us / 1e6}\n"
    assert told in capsys.readouterr().out


@pytest.mark.parametrize("hierarchy", ["sys/fs/cgroup", "sys/fs/cgroup/unified"])
def test_a_cgroup_has_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str], hierarchy: str) -> None:
    folder = tmp_path / hierarchy / "system.slice" / "db.service"
    folder.mkdir(parents=True)
    (folder / "memory.pressure").write_text(render(stalled(2500, 1200, 9)))
    assert cli.main(["pressure", "--root", str(tmp_path), "--cgroup", "system.slice/db.service"]) == 0
    assert "12.00% of the time everything waits for memory" in capsys.readouterr().out
    assert cli.main(["pressure", "--root", str(tmp_path), "--cgroup", "none"]) == 1
    assert "no cgroup none" in capsys.readouterr().err


def test_a_kernel_without_psi_says_how_to_get_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "proc").mkdir()
    assert cli.main(["pressure", "--root", str(tmp_path)]) == 1
    assert "psi=1" in capsys.readouterr().err
