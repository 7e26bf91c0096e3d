"""Do real programs on a model that runs show its figures as they move? Through FUSE, in a namespace of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from namespace import why_not

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from tmux import Tmux

from memtwin.procfs import meminfo
from memtwin.replay.clock import RunningMachine
from memtwin.run.run import machine_for
from memtwin.scenario import load
from memtwin.sources.mounted import Tree
from memtwin.sources.source import DirectorySource
from memtwin.sources.source import load as load_record

if TYPE_CHECKING:
    from collections.abc import Iterator

MAIN = "import sys; from memtwin.cli import main; sys.exit(main())"
SCENARIO = """\
machine ram=256M
swap zram size=96M prio=100
proc A
A mmap heap 120M
A touch heap 0 120M w seq content=half
proc B
B mmap more 70M
B touch more 0 70M w seq content=text
sleep 3
B exit
sleep 900
"""


@pytest.fixture(autouse=True)
def fuse() -> None:
    try:
        pytest.importorskip("mfusepy")
    except OSError as problem:  # the package is there, libfuse is not
        pytest.skip(str(problem))
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse is not there, or not ours")
    if reason := why_not("free", "procps"):
        pytest.skip(reason)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "day.mem"
    path.write_text(SCENARIO)
    return path


def run(scenario: Path, *words: str, speed: str = "100") -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "exec", "--speed", speed, str(scenario), "--", *words],
        capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def at_the_end(scenario: Path) -> dict[str, int]:
    """meminfo of the machine when B has ended: it does not move any more."""
    parsed = load(scenario)
    machine = RunningMachine(parsed, lambda: machine_for(parsed, None), 1e6)
    machine.newest()
    time.sleep(0.01)
    found = load_record(machine.newest(), meminfo)
    machine.close()
    assert found is not None
    return dict(found.items())


def test_free_moves_and_ends_where_the_model_does(scenario: Path) -> None:
    code, out, err = run(scenario, "sh", "-c", "free -k; sleep 1.5; free -k", speed="2")
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines() if line.startswith("Mem:")]
    assert rows[0][3] != rows[1][3]
    end = at_the_end(scenario)
    _, out, _ = run(scenario, "sh", "-c", "sleep 0.3; free -k", speed="1e6")
    shown = [line.split() for line in out.splitlines()]
    assert [int(word) for word in shown[1][1:4:2]] == [end["MemTotal"], end["MemFree"]]
    assert [int(word) for word in shown[2][1:4]] == [
        end["SwapTotal"], end["SwapTotal"] - end["SwapFree"], end["SwapFree"],
    ]  # fmt: skip


def test_procps_and_util_linux_read_it(scenario: Path) -> None:
    if not shutil.which("swapon"):
        pytest.skip("swapon is not installed")
    end = at_the_end(scenario)
    programs = (
        "sleep 0.3", "vmstat", "swapon --show --bytes --noheadings 2>/dev/null", "top -b -n 1 -w 100",
        "ps -eo pid,comm,rss", "slabtop -o -s c",
    )  # fmt: skip
    code, out, err = run(scenario, "sh", "-c", "; ".join(programs), speed="1e6")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert int(lines[2].split()[3]) == end["MemFree"]
    assert lines[3].split()[:3] == ["/dev/zram0", "partition", str(end["SwapTotal"] << 10)]
    assert any(
        re.search(rf"MiB Mem : *{end['MemTotal'] / 1024:.1f} total, *{end['MemFree'] / 1024:.1f} free", x)
        for x in lines
    )
    rows = [line.split() for line in lines if len(line.split()) == 3 and line.split()[1] == "A"]
    assert rows
    assert int(rows[0][2]) > 1000
    assert any("inode_cache" in line for line in lines)


def test_psutil_reads_it_again_and_again(scenario: Path) -> None:
    pytest.importorskip("psutil")
    code = (
        "import psutil, time\n"
        "seen = []\n"
        "for _ in range(4):\n    seen.append(psutil.virtual_memory().free); time.sleep(0.6)\n"
        "print(len(set(seen)) > 1, sorted(p.name() for p in psutil.process_iter() if p.name() in 'AB'))"
    )
    _, out, err = run(scenario, sys.executable, "-c", code, speed="2")
    assert out.startswith("True"), (out, err)
    assert "'A'" in out


def test_node_exporter_serves_it(scenario: Path) -> None:
    if not shutil.which("prometheus-node-exporter"):
        pytest.skip("node_exporter is not installed")
    end = at_the_end(scenario)
    program = (
        "prometheus-node-exporter --collector.disable-defaults --collector.meminfo --collector.vmstat "
        "--web.listen-address=127.0.0.1:9971 >/dev/null 2>&1 & p=$!; "
        f'for i in 1 2 3 4 5 6 7 8 9; do sleep 0.3; {sys.executable} -c "import urllib.request as u; '
        "print(u.urlopen('http://127.0.0.1:9971/metrics').read().decode())\" 2>/dev/null && break; done; kill $p"
    )
    _, out, _ = run(scenario, "sh", "-c", program, speed="1e6")
    found = re.search(r"^node_memory_MemFree_bytes (\S+)$", out, re.MULTILINE)
    assert found
    assert float(found[1]) == end["MemFree"] << 10


def test_glances_reads_it(scenario: Path) -> None:
    glances = os.environ.get("MEMTWIN_GLANCES") or shutil.which("glances")
    if not glances:
        pytest.skip("glances is not installed")
    end = at_the_end(scenario)
    words = (glances, "--stdout", "mem.total,mem.free,memswap.used", "--stop-after", "1")
    until = f"until grep -q '^MemFree: *{end['MemFree']} kB' /proc/meminfo; do sleep 0.1; done"
    _, out, err = run(scenario, "timeout", "60", "sh", "-c", f"{until}; {' '.join(words)}", speed="1e6")
    found = dict(re.findall(r"^(\S+): (\d+)$", out, re.MULTILINE))
    used = end["SwapTotal"] - end["SwapFree"]
    free = found.pop("mem.free", "")
    assert found == {"mem.total": str(end["MemTotal"] << 10), "memswap.used": str(used << 10)}, err
    release = subprocess.run([glances, "--version"], capture_output=True, text=True, check=True).stdout
    old = "Glances v3" in release  # which calls available memory free
    assert int(free) >> 10 == end["MemAvailable" if old else "MemFree"]


def test_htop_draws_it(scenario: Path, tmp_path: Path) -> None:
    if not shutil.which("htop"):
        pytest.skip("htop is not installed")
    end = at_the_end(scenario)
    with Tmux(tmp_path, "exec", "--speed", "1e6", str(scenario), "--", "htop", columns=90, rows=18) as terminal:
        picture = terminal.until(" A")
        total = f"/{end['MemTotal'] / 1024:.0f}M]"
        assert any("Mem[" in line and total in line for line in picture)
        assert any("/96.0M]" in line for line in picture)
        assert any(re.search(r"81 root .* A$", line) for line in picture)
        terminal.press("q")
        assert terminal.ended() == 0


def test_nothing_is_written_and_codes_are_the_programs(scenario: Path) -> None:
    code, _, err = run(scenario, "sh", "-c", "echo 1 > /proc/meminfo")
    assert code != 0
    assert "Read-only file system" in err
    assert run(scenario, "sh", "-c", "exit 7")[0] == 7
    assert run(scenario, "/no/such/program")[0] == 127
    _, out, _ = run(scenario, "sh", "-c", "cat /proc/self/comm /proc/$$/comm; sleep 0.1; cat /proc/nothing")
    assert out.split() == ["cat", "sh"]


@pytest.fixture
def mounted(scenario: Path, tmp_path: Path) -> Iterator[Path]:
    where = tmp_path / "mnt"
    where.mkdir()
    words = [sys.executable, "-c", MAIN, "mount", "--speed", "1e6", str(scenario), str(where)]
    with subprocess.Popen(words) as program:
        end = time.monotonic() + 60
        while not (where / "proc/meminfo").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        yield where
        subprocess.run(["umount", str(where)], check=True)
        assert program.wait(20) == 0


def test_a_mounted_machine_is_a_root_of_files(mounted: Path, scenario: Path) -> None:
    time.sleep(0.3)
    source = DirectorySource(mounted)
    found = load_record(source, meminfo)
    assert found is not None
    assert dict(found.items()) == at_the_end(scenario)
    assert "81" in source.names("proc")
    assert (mounted / "proc/81/comm").read_text() == "A\n"
    assert sorted(path.name for path in mounted.iterdir()) == ["proc", "sys"]


def test_mount_refuses_what_it_cannot(tmp_path: Path, scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from memtwin import cli

    assert cli.main(["mount", str(scenario), str(tmp_path / "none")]) == 2
    assert cli.main(["mount", str(scenario), str(tmp_path)]) == 2
    assert cli.main(["mount", str(tmp_path / "none.mem"), str(tmp_path)]) in {1, 2}
    assert "not empty" in capsys.readouterr().err


def test_links_folders_and_tasks() -> None:
    tree = Tree(lambda: DirectorySource("/nonexistent"), None, ("proc/.host",))
    assert tree.kind("proc/.host") == "folder"
    assert tree.kind("proc/5/task/5") == "link"
    assert tree.target("proc/5/task/5") == "../../5"
    assert tree.kind("proc/none") is None
    assert tree.names("") == ["proc", "sys"]
