"""What does each cycle of a command leave behind, what grew that did not then, and what is charged to a cgroup?"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from memtwin import cli
from memtwin.diagnose import regression
from memtwin.diagnose.samples import Samples
from memtwin.sources.recorder import Readings
from memtwin.sources.trace_writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MB = 1 << 20
META = {"memtwin": "0", "kernel": "6.1.0", "page_bytes": 4096, "ticks_per_s": 100}
WORKER = r"""
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static void *pool[10000];
static int n;
static void *map(int how) { return mmap(0, 1 << 20, PROT_READ | PROT_WRITE, how | MAP_ANONYMOUS, -1, 0); }
int main(int argc, char **argv) {
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, 0);
    char kind = argv[1][0];
    write(1, "\n", 1);
    for (;;) {
        sigwait(&set, &number);
        void *work[300];
        for (int i = 0; i < 300; i++) work[i] = memset(malloc(3000), 1, 3000);
        if (kind == 'l') pool[n++] = malloc(100);
        if (kind == 'b') memset(map(MAP_PRIVATE), 1, 1 << 20);
        if (kind == 's') memset(map(MAP_SHARED), 1, 1 << 20);
        if (kind == 'w' && n < 4) memset(pool[n++] = malloc(800000), 1, 800000);
        for (int i = 0; i < 300; i++) free(work[i]);
    }
}
"""


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], subprocess.Popen[bytes]]:
    """Return what starts a program that works at each SIGUSR1, and keeps what its kind keeps."""
    if not shutil.which("gcc") or not Path("/proc/meminfo").exists():
        pytest.skip("no C compiler or no /proc here")
    where = tmp_path_factory.mktemp("worker")
    (where / "worker.c").write_text(WORKER)
    subprocess.run(["gcc", "-O0", "-w", "-o", where / "worker", where / "worker.c"], check=True)

    def start(kind: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([where / "worker", kind], stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.read(1)
        process.stdout.close()
        return process

    return start


def leak(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[list[dict[str, Any]], str]:
    """Run memtwin leak --json; return its rows and what it said."""
    assert cli.main(["leak", *args, "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    rows = out["data"].get("findings") or out["data"].get("against")
    return rows, " ".join(one["text"] for one in out["sentences"])


@pytest.mark.parametrize(("kind", "verdict", "least", "most"), [
    ("l", "leak", 112, 112), ("n", "steady", 0, 0), ("b", "leak", 0.9 * MB, 1.1 * MB),
    ("s", "shmem or tmpfs", 0.9 * MB, 1.1 * MB), ("w", "warm-up", 0, 800_000),
])  # fmt: skip
def test_what_each_cycle_leaves_behind(
    kind: str, verdict: str, least: float, most: float, worker: Callable[[str], subprocess.Popen[bytes]],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """100 bytes of malloc's, of 900 kB that are freed, are found to the byte; mappings as counters of RSS have them."""
    process = worker(kind)
    try:
        rows, said = leak(capsys, "-p", str(process.pid), "--cycle", f"kill -USR1 {process.pid}", "--cycles", "20")
    finally:
        process.kill()
        process.wait()
    (row,) = rows
    assert (row["pid"], row["verdict"]) == (process.pid, verdict), said
    assert least <= row["bytes_per_cycle"] <= most
    assert "20 cycles" in said


def test_a_cycle_that_leaves_processes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Of all processes of the machine: one more of a name for each cycle."""
    sleeper = tmp_path / "left-behind"
    shutil.copy(str(shutil.which("sleep")), sleeper)
    try:
        rows, said = leak(capsys, "--all", "--cycle", f"{sleeper} 60 >/dev/null 2>&1 &", "--cycles", "10")
    finally:
        end(sleeper)
    assert [row["verdict"] for row in rows if row["name"] == "left-behind" and row["pid"] is None] == ["more processes"]
    assert "Each cycle leaves 1.0 processes of this name behind" in said


def end(program: Path) -> None:
    """End the processes that run a program of this test's own."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                is_own = (entry / "exe").readlink() == program
            except OSError:
                continue
            if is_own:
                os.kill(int(entry.name), signal.SIGKILL)


def test_a_cycle_that_fails_or_takes_too_long(
    worker: Callable[[str], subprocess.Popen[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    process = worker("n")
    own = ["-p", str(process.pid)]
    try:
        assert cli.main(["leak", *own, "--cycle", "exit 3"]) == 2
        assert "the command ended with 3" in capsys.readouterr().err
        assert cli.main(["leak", *own, "--cycle", "kill -9 $$"]) == 2
        assert "was ended by SIGKILL" in capsys.readouterr().err
        begin = time.monotonic()
        assert cli.main(["leak", *own, "--cycle", "sleep 60", "--for", "500ms", "--json"]) == 0
        json.loads(capsys.readouterr().out)
        assert cli.main(["leak", *own, "--cycle", "trap '' TERM; sleep 60", "--for", "500ms", "--json"]) == 0
        assert time.monotonic() - begin < 30
        told = capsys.readouterr()
        assert "0 cycles" in told.err
        assert cli.main(["leak", *own, "--cycle", f"kill -9 {process.pid}", "--cycles", "10"]) == 0
        assert "the process ended: judged by 1 cycles" in capsys.readouterr().err
    finally:
        process.kill()
        process.wait()


def write(path: Path, anon: Callable[[int], float], seconds: int = 120, pid: int = 7, **others: bytes) -> Path:
    """Write a trace of one process."""
    writer = Writer(str(path), META)
    for second in range(0, seconds + 1, 2):
        pages = int(anon(second)) // 4096
        found = {
            f"proc/{pid}/statm": f"{pages + 5000} {pages + 1000} 1000 10 0 {pages} 0\n".encode(),
            f"proc/{pid}/comm": b"x\n",
        } | {name.replace("__", "/"): text for name, text in others.items()}
        writer.add(Readings(found, [], {}), 1_764_417_600_000 + 1000 * second, 1000 * second)
    writer.close()
    return path


SHAPES: dict[str, tuple[Callable[[int], float], Callable[[int], float], str]] = {
    "a leak that was not there": (lambda s: 40 * MB + 50_000 * s, lambda _: 40 * MB, "grows now"),
    "a leak that was there": (lambda s: 40 * MB + 50_000 * s, lambda s: 40 * MB + 50_000 * s, "as then"),
    "twice as fast": (lambda s: 40 * MB + 100_000 * s, lambda s: 40 * MB + 50_000 * s, "grows faster"),
    "mended": (lambda _: 40 * MB, lambda s: 40 * MB + 50_000 * s, "grew then"),
    "a warm-up as then": (lambda s: MB * min(s, 40), lambda s: MB * min(s, 40), "as then"),
    "larger": (lambda s: 60 * MB + MB * (s % 6), lambda s: 40 * MB + MB * (s % 6), "larger"),
    "a swing": (lambda s: 40 * MB + 3 * MB * (s % 7), lambda s: 40 * MB + 3 * MB * (s % 9), "as then"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_against_an_earlier_trace(shape: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two minutes are enough where the earlier trace shows what the load does; pids need not be the same."""
    after, before, verdict = SHAPES[shape]
    then = write(tmp_path / "then", before, 200)
    now = write(tmp_path / "now", after, pid=8)
    rows, said = leak(capsys, str(now), "--against", str(then))
    assert [(row["name"], row["kind"], row["verdict"]) for row in rows if row["kind"] == "anonymous memory"] == [
        ("x", "anonymous memory", verdict)
    ], said
    assert all(row["seconds"] <= 120 for row in rows)


def test_two_versions_of_a_real_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four seconds of each: the new one keeps what the old one threw away."""
    if not Path("/proc/meminfo").exists():
        pytest.skip("no /proc on this machine")
    for name, keeps in (("then", "kept = [block]"), ("now", "kept += [block]")):
        script = f"import time\nkept = []\nwhile 1:\n block = bytes(100_000); {keeps}; time.sleep(.05)"
        words = ["--every", "100ms", "--for", "4s", "--", sys.executable, "-c", script]
        assert cli.main(["record", "-o", str(tmp_path / name), *words]) == 0
    capsys.readouterr()
    rows, said = leak(capsys, str(tmp_path / "now"), "--against", str(tmp_path / "then"))
    (own,) = (row for row in rows if row["kind"] == "anonymous memory" and row["name"].startswith("python"))
    assert own["verdict"] == "grows now", said
    assert own["now_rate_bytes_per_s"] > 1e6 > abs(own["then_rate_bytes_per_s"])
    assert cli.main(["leak", str(tmp_path / "now"), "--against", str(tmp_path / "now")]) == 0
    assert "Nothing grows that did not grow in" in capsys.readouterr().out


def test_against_a_trace_that_is_too_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now, then = (write(tmp_path / name, lambda _: 40 * MB, seconds) for name, seconds in (("now", 120), ("then", 4)))
    rows, said = leak(capsys, str(now), "--against", str(then))
    assert rows[0]["verdict"] == "not known"
    assert "too few samples" in said
    assert regression.changes(Samples(4096), Samples(4096)) == []


@pytest.mark.parametrize(("args", "code", "told"), [
    (["-p", "1", "--all"], 2, "exclude each other"), (["--cgroup", "/x", "--all"], 2, "exclude each other"),
    (["--cgroup", "/no/such/group"], 2, "no memory cgroup"), (["-p", "1", "--cycles", "20"], 2, "without --cycle"),
    (["-p", "1", "--cycle", "true", "--cycles", "3"], 2, "is not in the range"),
    (["x", "--cycle", "true"], 2, "a live machine"),
    (["-p", "1", "--cycle", "true", "--against", "x"], 2, "live machine"),
    (["-p", "1", "--against", "no-such-file"], 1, "No such file"),
    (["-p", "1", "--against", __file__], 1, "not a trace"),
    (["-p", "1", "--against", "x", "--steady"], 2, "--steady"), (["--cycle", "true"], 2, "whose memory?"),
])  # fmt: skip
def test_wrong_words(args: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["leak", *args]) == code
    assert told in capsys.readouterr().err


V2 = "anon {anon}\nfile {file}\nshmem 0\npagetables 4096\nslab_unreclaimable {slab}\n"
V1 = "cache 0\nrss 0\ntotal_cache {file}\ntotal_rss {anon}\ntotal_shmem 0\ntotal_swap 0\n"


def group_trace(path: Path, version: int, anon: Callable[[int], float], file: Callable[[int], float]) -> Path:
    """Write a trace of one process in a cgroup of 200 MB."""
    writer = Writer(str(path), META)
    top = "sys/fs/cgroup/memory/web" if version == 1 else "sys/fs/cgroup/web"
    names = ("usage_in_bytes", "limit_in_bytes") if version == 1 else ("current", "max")
    for second in range(0, 301, 5):
        pages = int(anon(second)) // 4096
        rows = {"anon": int(anon(second)), "file": int(file(second)), "slab": 100_000}
        writer.add(Readings({
            "proc/7/statm": f"{pages + 5000} {pages + 1000} 1000 10 0 {pages} 0\n".encode(), "proc/7/comm": b"x\n",
            "proc/8/statm": f"{10 * pages} {9 * pages} 1000 10 0 {pages} 0\n".encode(), "proc/8/comm": b"y\n",
            "proc/7/cgroup": b"4:memory:/web/one\n" if version == 1 else b"0::/web/one\n",
            "proc/8/cgroup": b"4:memory:/website\n" if version == 1 else b"0::/website\n",
            f"{top}/memory.stat": (V1 if version == 1 else V2).format(**rows).encode(),
            f"{top}/memory.{names[0]}": f"{rows['anon'] + rows['file']}\n".encode(),
            f"{top}/memory.{names[1]}": b"209715200\n",
        }, [], {}), 1_764_417_600_000 + 1000 * second, 1000 * second)  # fmt: skip
    writer.close()
    return path


@pytest.mark.parametrize("version", [1, 2])
def test_what_is_charged_to_a_cgroup(version: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Page cache is named, and is no leak; anonymous memory is called what its processes are; others are left out."""
    path = group_trace(tmp_path / "t", version, lambda _: 40 * MB, lambda s: 20 * MB + 200_000 * s)
    rows, said = leak(capsys, str(path), "--cgroup", "/web")
    assert [(row["pid"], row["verdict"]) for row in rows] == [(None, "page cache"), (7, "steady")]
    assert "of 200 MiB are charged: at this rate the limit is reached in" in said
    path = group_trace(tmp_path / "u", version, lambda s: 40 * MB + 100_000 * s, lambda _: 20 * MB)
    rows, said = leak(capsys, str(path), "--cgroup", "/web/")
    assert [(row["pid"], row["name"], row["verdict"]) for row in rows] == [
        (7, "x", "leak"), (None, "cgroup /web", "leak"),
    ]  # fmt: skip
    assert "Its processes are called: leak." in said
    assert cli.main(["leak", str(path), "--cgroup", "/none"]) == 1
    assert "has no memory cgroup /none" in capsys.readouterr().err


@pytest.fixture
def cgroup() -> Iterator[str]:
    """Make a memory cgroup of this host, or skip."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    own = next((path for _, names, path in lines if "memory" in names.split(",")), None)
    top = Path("/sys/fs/cgroup/memory" if own is not None else "/sys/fs/cgroup")
    path = (own or lines[-1][2]).rstrip("/") + f"/memtwin-{os.getpid()}"
    folder = Path(f"{top}{path}")
    try:
        folder.mkdir()
    except OSError as problem:
        pytest.skip(f"no memory cgroup may be made here: {problem.strerror}")
    try:
        if not any((folder / name).exists() for name in ("memory.current", "memory.usage_in_bytes")):
            pytest.skip("no memory controller there")
        yield path
    finally:
        folder.rmdir()


def test_a_live_cgroup(cgroup: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A real program in a cgroup of its own that writes a file: the page cache is charged to the cgroup."""
    script = (
        "import sys, time\n"
        f"open({str(folder_of(cgroup) / 'cgroup.procs')!r}, 'w').write('0')\n"
        "print(flush=True)\n"
        f"f = open({str(tmp_path / 'data')!r}, 'wb')\n"
        "while f.tell() < 80e6: f.write(b'x' * 500_000), f.flush(), time.sleep(.05)\n"
        "time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    try:
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()
        rows, said = leak(capsys, "--cgroup", cgroup, "--for", "6s")
    finally:
        process.kill()
        process.wait()
    found = {row["pid"]: row for row in rows}
    assert found.keys() == {None, process.pid}
    assert found[None]["verdict"] == "page cache", said
    assert found[None]["rise_bytes"] > 10e6


def folder_of(cgroup: str) -> Path:
    old = Path(f"/sys/fs/cgroup/memory{cgroup}")
    return old if old.exists() else Path(f"/sys/fs/cgroup{cgroup}")
