"""Do real programs on a stored machine show what that machine's files say, and leave this host alone?"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from namespace import RECORDINGS, why_not

from memtwin import cli
from memtwin.procfs import meminfo
from memtwin.sources.laid_out import HOST, NOT_OF_THE_HOST, OF_THE_HOST
from memtwin.sources.recording import resolve
from memtwin.sources.source import load

ROOT = f"{RECORDINGS / '35-zram-then-disk-small' / 'run1.tar.xz'}@f350"
MAIN = "import sys; from memtwin.cli import main; sys.exit(main())"
AS_NOBODY = f"""
import ctypes, os, sys
import memtwin.cli.exec, memtwin.sources.namespace, memtwin.sources.snapshot, encodings.idna, tarfile, lzma
from memtwin.sources.recording import resolve
from memtwin.sources.namespace import run
source = resolve({ROOT!r})
os.setgroups([]); os.setgid(65534); os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: or /proc/self is root's
try:
    sys.exit(run(source, sys.argv[1:]))
except Exception as problem:
    sys.exit(f"{{type(problem).__name__}}: {{problem}}")
"""


@pytest.fixture(autouse=True)
def namespaces() -> None:
    if reason := why_not("free", "procps"):
        pytest.skip(reason)


def run(*words: str, root: str = ROOT) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "exec", root, "--", *words],
        capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def ours(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main([*words, "--root", ROOT]) == 0
    return capsys.readouterr().out


def test_free_and_slabtop_print_what_the_views_print(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("free", "-w")[1] == ours(capsys, "free", "-w")
    assert run("slabtop", "-o")[1].splitlines()[7:20] == ours(capsys, "slabtop").splitlines()[7:20]


def test_swapon_prints_what_the_view_prints(capsys: pytest.CaptureFixture[str]) -> None:
    if not shutil.which("swapon"):
        pytest.skip("swapon is not installed")
    assert run("swapon", "--show", "--bytes")[1] == ours(capsys, "swaps", "--bytes")


def test_vmstat_and_top_show_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("vmstat")[1].splitlines()[2].split()[2:6] == ours(capsys, "vmstat").splitlines()[2].split()[2:6]
    theirs, mine = run("top", "-b", "-n", "1", "-w", "100")[1], ours(capsys, "top", "-b", "-w", "100")
    assert theirs.splitlines()[3:5] == mine.splitlines()[3:5]
    row = next(line.split() for line in theirs.splitlines() if line.split()[:1] == ["83"])
    known = mine.splitlines()[-1].split()
    assert [row[i] for i in (4, 5, 6, 9, 10, 11)] == [known[i] for i in (4, 5, 6, 9, 10, 11)]


def test_ps_lists_its_processes_and_itself() -> None:
    _, shown, _ = run("ps", "-eo", "pid,rss,vsz,comm")
    rows = [line.split() for line in shown.splitlines()[1:]]
    assert ["83", "127280", "472760", "A"] in rows
    assert sorted(row[3] for row in rows) == ["A", "ps"]


def test_psutil_reads_it() -> None:
    pytest.importorskip("psutil")
    code = "import psutil; print(psutil.virtual_memory().total, psutil.Process(83).memory_info().rss)"
    memory = load(resolve(ROOT), meminfo)
    assert memory is not None
    assert run(sys.executable, "-c", code)[1].split() == [str(memory["MemTotal"] << 10), str(127280 << 10)]


def test_htop_draws_it() -> None:
    if not shutil.which("htop") or not shutil.which("tmux"):
        pytest.skip("htop or tmux is not installed")
    socket = f"memtwin-{os.getpid()}"
    tmux = ["tmux", "-L", socket, "-f", "/dev/null"]
    program = f"'{sys.executable}' -c '{MAIN}' exec {ROOT} -- htop"
    subprocess.run([*tmux, "new-session", "-d", "-x", "90", "-y", "20", program], check=True)
    try:
        picture, end = "", time.monotonic() + 60
        while "124M" not in picture:
            assert time.monotonic() < end, picture
            time.sleep(0.3)
            picture = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True).stdout
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    assert re.search(r"Mem\[.*193M/218M\]", picture)
    assert re.search(r"Swp\[.*225M/396M\]", picture)
    assert re.search(r"83 root .* 461M  124M   708 S", picture)


def test_exit_codes_are_the_programs_or_a_shells(tmp_path: Path) -> None:
    assert run("sh", "-c", "exit 7")[0] == 7
    assert run("sh", "-c", "kill -9 $$")[0] == 137
    code, _, err = run("/no/such/program")
    assert (code, err) == (127, "memtwin: /no/such/program: No such file or directory\n")
    (tmp_path / "plain").write_text("not a program")
    assert run(str(tmp_path / "plain"))[0] == 126
    assert run(str(tmp_path))[0] == 126
    assert run("free", root=str(tmp_path / "none"))[0] == 1
    code, _, err = run("free", root=ROOT.partition("@")[0])
    assert (code, "say which checkpoint" in err) == (1, True)
    assert run("free", root="live")[0] == 2
    assert run()[0] == 2


def test_nothing_can_be_written_and_this_host_sees_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = Path("/proc/self/mounts").read_text()
    for path in ("/proc/new", "/proc/meminfo", "/proc/83/oom_score_adj", "/proc/self/oom_score_adj",
                 "/proc/sys/kernel/printk", "/sys/new"):  # fmt: skip
        code, _, err = run("sh", "-c", f"echo 1 > {path}")
        assert code != 0, path
        assert "Read-only file system" in err, path
    assert Path("/proc/self/mounts").read_text() == before
    assert not list(tmp_path.iterdir())


def test_self_works_and_what_is_memory_is_never_the_hosts() -> None:
    _, shown, _ = run("sh", "-c", "cat /proc/self/comm /proc/$$/comm; echo /proc/* /sys/block/* /sys/kernel/mm/*")
    lines = shown.splitlines()
    assert lines[:2] == ["cat", "sh"]
    paths = lines[2].split()
    assert {path for path in paths if re.fullmatch(r"/proc/\d+", path)} >= {"/proc/83"}
    for name in ("pressure/cpu", "kpagecount", "kcore", "vmallocinfo", "zoneinfo", "sys/vm/stat_interval"):
        code, text, _ = run("cat", f"/proc/{name}")
        assert (code == 0) == (resolve(ROOT).read(f"proc/{name}") is not None), name
        assert name != "zoneinfo" or text == resolve(ROOT).read("proc/zoneinfo")
    assert "/sys/block/zram0" in paths
    assert not [
        path for path in paths if path.startswith("/sys/block/") and path.split("/")[3] not in {"zram0", "vda", "vdb"}
    ]


@pytest.mark.usefixtures("readable_by_others")
def test_a_user_without_rights_has_a_namespace_or_a_clear_word() -> None:
    done = subprocess.run([sys.executable, "-c", AS_NOBODY, "free"], capture_output=True, text=True, check=False)
    if done.returncode:
        assert "NamespaceError: a mount namespace cannot be made" in done.stderr
    else:
        assert done.stdout.splitlines()[1].split()[1] == "223608"


def test_the_page_lists_what_is_the_hosts() -> None:
    page = (Path(__file__).parents[2] / "docs" / "exec.md").read_text()
    for name in (*OF_THE_HOST, *NOT_OF_THE_HOST, HOST):
        assert f"`{name}`" in page, name
