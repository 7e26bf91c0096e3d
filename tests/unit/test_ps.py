"""Are a process's figures the kernel's, do they sort and sum as said, and can a name do no harm?"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from memtwin import cli
from memtwin.errors import UsageError
from memtwin.procfs.pid.smaps import parse
from memtwin.render.amount import column
from memtwin.sources.recording import Recording
from memtwin.views import ps, ps_explained, ps_huge_pages
from processes import wait_until_it_sleeps

RUN = Path(__file__).parents[1] / "recordings" / "97-swap-fork" / "run1.tar.xz"
CHILD = """
import ctypes, mmap, sys
heap = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for page in range(0, 20 << 20, 4096):
    heap[page] = 1
ctypes.CDLL(None).prctl(15, sys.argv[1].encode("utf-8", "surrogateescape"), 0, 0, 0)
print("ready", flush=True)
sys.stdin.read()
"""
HOSTILE = "a\x1b[31m\n\u202eb\udcff"


def run(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert cli.main(["ps", *args]) == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def child() -> subprocess.Popen[bytes]:
    """A process with 64 MiB of address space and 20 MiB in RAM, whose name would like to colour the screen."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc on this machine")
    process = subprocess.Popen([sys.executable, "-c", CHILD, HOSTILE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    wait_until_it_sleeps(process.pid)
    yield process  # type: ignore[misc]
    process.communicate()


def test_a_known_process_is_told_as_status_says(
    child: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    fields = "PID,VIRT,RES,SHR,PSS,USS,ANON,THREADS,STATE,OOM,ADJ,AGE,COMMAND"
    (told,) = json.loads(run(capsys, "-p", str(child.pid), "-o", fields, "--json"))["data"]
    status = Path(f"/proc/{child.pid}/status").read_text(errors="surrogateescape")

    def kib(label: str) -> int:
        found = re.search(rf"^{label}:\s+(\d+) kB", status, re.MULTILINE)
        assert found
        return int(found[1])

    assert told["virt_bytes"] == kib("VmSize") * 1024 > 64 << 20
    assert told["res_bytes"] == kib("VmRSS") * 1024
    assert told["shr_bytes"] == (kib("RssFile") + kib("RssShmem")) * 1024
    assert 20 << 20 <= told["anon_bytes"] < 64 << 20
    assert told["uss_bytes"] <= told["pss_bytes"] <= told["res_bytes"] + (1 << 20)  # VmRSS may lag behind the pages
    assert (told["threads_count"], told["state"]) == (1, "S")
    assert told["command"] == HOSTILE.replace("\n", "\\n")  # the kernel escapes newlines in status


def test_a_hostile_name_and_command_line_reach_no_terminal(
    child: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["-o", "PID,COMMAND,ARGS"], ["--csv", "-o", "PID,COMMAND,ARGS"], ["--explain"]):
        out = run(capsys, *words, *(["-p", str(child.pid)] if "--explain" not in words else []))
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\udcff]", out)


def test_ps_and_top_of_procps_agree(child: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]) -> None:
    if not shutil.which("ps") or not shutil.which("top"):
        pytest.skip("procps is not installed")
    (told,) = json.loads(run(capsys, "-p", str(child.pid), "-o", "VIRT,RES,SHR,PSS,PPID", "--json"))["data"]
    words = ["ps", "-o", "vsz=,rss=,ppid=", "-p", str(child.pid)]
    vsz, rss, ppid = map(int, subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())
    assert (told["virt_bytes"], told["res_bytes"], told["ppid"]) == (vsz * 1024, rss * 1024, ppid)
    words = ["top", "-b", "-n1", "-E", "k", "-e", "k", "-p", str(child.pid)]
    env = os.environ | {"HOME": "/nonexistent", "TERM": "dumb", "COLUMNS": "200"}
    row = subprocess.run(words, capture_output=True, check=True, env=env).stdout.decode(errors="replace")
    cells = next(line.split() for line in row.splitlines() if line.split()[:1] == [str(child.pid)])
    assert [int(cell) * 1024 for cell in cells[4:7]] == [told[key] for key in ("virt_bytes", "res_bytes", "shr_bytes")]


def test_what_a_process_maps_adds_up_to_its_res(
    child: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = json.loads(run(capsys, "-p", str(child.pid), "--explain", "--json"))["data"]
    (told,) = json.loads(run(capsys, "-p", str(child.pid), "-o", "VIRT,RES,PSS", "--json"))["data"]
    assert sum(kind["virt_bytes"] for kind in kinds) >= told["virt_bytes"]
    assert abs(sum(kind["res_bytes"] for kind in kinds) - told["res_bytes"]) <= 64 << 10
    anonymous = next(kind for kind in kinds if kind["kind"].startswith("anonymous"))
    assert anonymous["virt_bytes"] >= 64 << 20
    assert 20 << 20 <= anonymous["res_bytes"] < 40 << 20


def test_workers_of_a_run_are_processes(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(run(capsys, "--root", f"{RUN}@childread", "-o", "PID,COMMAND,SWAP,PSS,%CPU", "--json"))["data"]
    assert sorted(one["command"] for one in told) == ["C", "P"]
    status = Recording(RUN).at("childread").read("workers/P/status") or ""
    assert {one["command"]: one["swap_bytes"] for one in told}["P"] == int(status.split("VmSwap:")[1].split()[0]) * 1024


def test_a_minus_falls_and_the_unknown_comes_last(capsys: pytest.CaptureFixture[str]) -> None:
    rising = [row["pid"] for row in json.loads(run(capsys, "--sort", "PID", "-k", "-o", "pid", "--json"))["data"]]
    assert rising == sorted(rising)
    rows = json.loads(run(capsys, "--sort", "-res,pid", "-k", "-o", "res,pid", "--json"))["data"]
    sizes = [row["res_bytes"] for row in rows]
    known = [size for size in sizes if size is not None]
    assert known == sorted(known, reverse=True)
    assert sizes == known + [None] * (len(sizes) - len(known))


def test_pss_is_the_column_that_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ps", "--root", f"{RUN}@childread", "--explain"]) == 0
    text = capsys.readouterr().out
    assert "RES:" in text
    assert "PSS:" in text
    told = json.loads(run(capsys, "--root", f"{RUN}@childread", "-o", "RES,PSS", "--json"))["data"]
    assert sum(one["pss_bytes"] for one in told) < sum(one["res_bytes"] for one in told)


def test_a_sum_without_one_process_is_not_known(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for pid, rows in ((7, "VmSize:\t 2000 kB\nVmRSS:\t 1000 kB"), (8, "VmSize:\t 2000 kB")):
        (tmp_path / "proc" / str(pid)).mkdir(parents=True)
        (tmp_path / "proc" / str(pid) / "status").write_text(f"Name:\tx\nPid:\t{pid}\n{rows}\n")
    (tmp_path / "proc" / "meminfo").write_text("MemTotal:        1000 kB\n")
    assert cli.main(["ps", "--root", str(tmp_path), "--explain", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["data"]["virt_bytes"], found["data"]["res_bytes"]) == (4000 * 1024, None)
    assert not any("RES:" in sentence["text"] for sentence in found["sentences"])


def test_what_does_not_exist_is_refused_with_what_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="unknown field: FOO"):
        ps.choose_fields("pid,foo")
    assert cli.main(["ps", "-p", "4194305"]) == 1
    assert "no process 4194305" in capsys.readouterr().err
    assert cli.main(["ps", "--root", f"{RUN}@childread", "--explain", "-p", "81"]) == 1
    assert "a run never" in capsys.readouterr().err


def test_mappings_are_told_apart_by_what_backs_them() -> None:
    heads = {
        "00400000-00401000 r-xp 00000000 fe:00 12                         /usr/bin/a": "programs and libraries",
        "00401000-00402000 rw-p 00000000 00:00 0                          [heap]": "heap (brk)",
        "00402000-00403000 rw-p 00000000 00:00 0 ": "anonymous (malloc, thread stacks)",
        "00403000-00404000 rw-s 00000000 00:05 77                         /dev/shm/x": "shared memory",
        "00404000-00405000 r--p 00000000 fe:00 13                         /var/db": "files, private",
        "00405000-00406000 rw-s 00000000 fe:00 13                         /var/db": "files, shared",
        "00406000-00407000 rw-p 00000000 00:00 0                          [stack]": "main stack",
    }
    smaps = parse(
        "".join(f"{head}\nSize: 4 kB\nRss: 4 kB\nPss: 2 kB\nShared_Clean: 4 kB\nSwap: 0 kB\n" for head in heads)
    )
    found = ps_explained.kinds(smaps)
    assert {kind.name for kind in found} == set(heads.values())
    assert all((kind.res, kind.pss, kind.shared) == (4, 2, 4) for kind in found)


def mapping(first: int, mib: int, flags: str = "rd wr", huge_mib: int = 0, perms: str = "rw-p") -> str:
    return (
        f"{first:08x}-{first + (mib << 20):08x} {perms} 00000000 00:00 0 \nSize: {mib << 10} kB\nRss: {mib << 10} kB\n"
        f"Anonymous: {mib << 10} kB\nAnonHugePages: {huge_mib << 10} kB\nVmFlags: {flags} \n"
    )


@pytest.mark.parametrize(
    ("enabled", "first", "mib", "flags", "why"),
    [
        ("never", 2 << 20, 4, "rd wr hg", "off"),
        ("always", 2 << 20, 4, "rd wr nh", "excluded"),
        ("madvise", 2 << 20, 4, "rd wr", "not asked"),
        ("madvise", 2 << 20, 4, "rd wr hg", "could"),
        ("always", 3 << 20, 2, "rd wr", "too small"),
        ("always", 3 << 20, 4, "rd wr", "could"),
        (None, 2 << 20, 4, "rd wr", "could"),
    ],
)
def test_a_mapping_without_huge_pages_says_why(enabled: str | None, first: int, mib: int, flags: str, why: str) -> None:
    (block,) = parse(mapping(first, mib, flags)).blocks
    assert ps_huge_pages.reason(block, enabled) == why


def test_what_is_in_huge_pages_and_what_is_not_adds_up() -> None:
    text = mapping(2 << 20, 8, huge_mib=6) + mapping(32 << 20, 1) + mapping(64 << 20, 4, perms="rw-s")
    said = [one.text for one in ps_huge_pages.sentences(parse(text), "always")]
    assert said[0].startswith("Huge pages: 6.0M of 9.0M of private memory")
    assert [one.split(":")[1] for one in said[1:]] == [" 2.0M of 1 mapping", " 1.0M of 1 mapping"]
    assert list(ps_huge_pages.sentences(parse(""), None)) == []


def test_sizes_fit_their_column() -> None:
    """Up to the largest memory that Linux can address (4 PiB with five levels of page tables)."""
    assert max(len(column(kib << 10)) for power in range(43) for kib in (1 << power, (1 << power) - 1)) <= 5
