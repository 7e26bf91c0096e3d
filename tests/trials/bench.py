"""The programs of the trials: how each is started, which verdicts are right after five minutes, and which leak."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
KEPT = frozenset({"freed and kept: trim helps", "freed and kept: trim does not help"})
LEVEL = frozenset({"warm-up", "steady", "growing cache"})
LEAK = frozenset({"leak"})
STEADY = frozenset({"steady"})
UNKNOWN = frozenset({"unknown", "growing cache"})
IN_C = {
    **dict.fromkeys((
        "leak-small", "leak-slow", "leak-mid", "leak-sawtooth", "leak-step", "leak-rare", "leak-mmap", "leak-bursts",
        "leak-realloc", "leak-big-blocks", "leak-churn", "leak-threads-like",
    ), LEAK),
    "leak-children": frozenset({"more processes"}),
    **dict.fromkeys(("steady", "sawtooth", "bursts", "pool", "server", "swing", "peak"), STEADY),
    **dict.fromkeys(("churn", "sawtooth-slow", "swing-slow", "fragments", "holes"), STEADY | LEVEL | KEPT),
    **dict.fromkeys(("cache", "cache-fast", "warm-up", "warm-up-slow", "load", "load-fast"), LEVEL),
    "kept": KEPT, "lazy": frozenset({"lazily freed"}), "reader": frozenset({"file", "steady"}),
    "shared": frozenset({"shmem or tmpfs"}), "tables": frozenset({"page tables"}), "walk": STEADY | {"unknown"},
    **dict.fromkeys(("quarter", "half", "fill-slow"), UNKNOWN),
}  # fmt: skip
"""Programs of programs.c."""


class Script(NamedTuple):
    """A program in another language, or a server with its clients; it *needs* commands, or is left out."""

    words: str
    right: frozenset[str]
    needs: tuple[str, ...] = ()
    prints_pid: bool = False
    """Whether it prints the process to judge, which it has started."""


def _server(kind: str, right: frozenset[str], *needs: str) -> Script:
    return Script(f"python3 servers.py {kind} SEED", right, needs, prints_pid=True)


SCRIPTS = {
    "python-leak": Script("python3 python-leak.py", LEAK),
    "python-dict": Script("python3 python-dict.py", LEAK),
    "python-lru": Script("python3 python-lru.py", LEVEL),
    "python-work": Script("python3 python-work.py", STEADY | {"warm-up"}),
    "perl-leak": Script("perl perl-leak.pl", LEAK),
    "perl-work": Script("perl perl-work.pl", STEADY | {"warm-up"}),
    "node-leak": Script("node node-leak.js", LEAK),
    "node-closure": Script("node node-closure.js", LEAK),
    "node-work": Script("node node-work.js", LEVEL | {"unknown"}),
    "java-leak": Script("java -Xmx600m Grow.java leak", frozenset({"unknown", "leak"})),
    "java-work": Script("java -Xmx200m Grow.java work", LEVEL | {"unknown"}),
    "go-leak": Script("BUILT/grow map", LEAK, ("go",)),
    "go-goroutines": Script("BUILT/grow goroutines", LEAK, ("go",)),
    "go-work": Script("BUILT/grow work", LEVEL, ("go",)),
    "gawk-leak": Script("gawk -f gawk-leak.awk", LEAK),
    "gawk-work": Script("gawk -f gawk-work.awk", LEVEL),
    "lua-leak": Script("lua5.4 lua-leak.lua", LEAK),
    "lua-work": Script("lua5.4 lua-work.lua", LEVEL),
    "ruby-leak": Script("ruby ruby-leak.rb", LEAK),
    "ruby-work": Script("ruby ruby-work.rb", LEVEL),
    "sqlite-work": Script("sh sqlite-work.sh", LEVEL, ("sqlite3",)),
    "sqlite-memory": Script("sh sqlite-memory.sh", LEAK, ("sqlite3",)),
    "redis-work": _server("redis-work", LEVEL, "redis-server"),
    "redis-ttl": _server("redis-ttl", LEVEL, "redis-server"),
    "redis-lru": _server("redis-lru", LEVEL, "redis-server"),
    "redis-leak": _server("redis-leak", LEAK, "redis-server"),
    "memcached-work": _server("memcached-work", LEVEL, "memcached"),
    "memcached-fill": _server("memcached-fill", LEVEL, "memcached"),
    "nginx-work": _server("nginx-work", LEVEL, "nginx"),
    "postgres-work": _server("postgres-work", LEVEL, "psql"),
    "postgres-prepared": _server("postgres-prepared", LEAK, "psql"),
}
"""Programs in other languages: a leak of Java's may stay unknown, as a JVM keeps what it has touched."""
LEAKS = {name for name in (*IN_C, *SCRIPTS) if "leak" in name} | {
    "python-dict", "node-closure", "sqlite-memory", "go-goroutines", "postgres-prepared",
}  # fmt: skip
UNDECIDED = {"quarter", "half", "fill-slow", "java-leak"}


def right(kind: str) -> frozenset[str]:
    """Return the verdicts that are right for a program after five minutes."""
    return IN_C[kind] if kind in IN_C else SCRIPTS[kind].right


def present() -> list[str]:
    """Return the programs that can run here."""
    own = [
        kind
        for kind, script in SCRIPTS.items()
        if all(shutil.which(one) for one in script.needs or (script.words.split()[0],))
    ]
    return [*IN_C, *own]


def build(where: Path) -> None:
    """Compile the programs in C, and those in Go if its compiler is there."""
    words = ["gcc", "-O1", "-Wno-unused-result", "-o", where / "programs", HERE / "programs.c", "-lm"]
    subprocess.run(words, check=True)
    if shutil.which("go"):
        environment = {**os.environ, "GOCACHE": str(where / "go-cache"), "GOFLAGS": "-mod=mod"}
        subprocess.run(["go", "build", "-o", where / "grow", HERE / "scripts/grow.go"], check=True, env=environment)


class Started(NamedTuple):
    """A program that runs, and the process to judge."""

    kind: str
    seed: int
    process: subprocess.Popen[bytes] | None
    pid: int

    def end(self) -> None:
        """End it and what it started."""
        assert self.process
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(15)
        try:
            os.killpg(self.process.pid, 9)
        except ProcessLookupError:
            return
        self.process.wait()


def start_all(jobs: list[tuple[str, int]], where: Path) -> list[Started]:
    """Start programs side by side, each in a session of its own, and find the processes to judge.

    If one of them does not start, the others are ended.
    """
    running = [Started(kind, seed, _start(kind, seed, where), 0) for kind, seed in jobs]
    time.sleep(1.5)
    try:
        return [one._replace(pid=_judged(one.kind, one.process)) for one in running if one.process]
    except BaseException:
        for one in running:
            one.end()
        raise


def _start(kind: str, seed: int, where: Path) -> subprocess.Popen[bytes]:
    """Start a program; those in C under a name of their own."""
    if kind in SCRIPTS:
        words = SCRIPTS[kind].words.replace("SEED", str(seed)).replace("BUILT", str(where)).split()
    else:
        name = where / f"{kind[:11]}.{seed}"
        if not name.exists():
            os.link(where / "programs", name)
        words = [str(name), kind, str(seed), str(where)]
    quiet = subprocess.DEVNULL
    out = subprocess.PIPE if kind in SCRIPTS and SCRIPTS[kind].prints_pid else quiet
    return subprocess.Popen(words, stdin=quiet, stdout=out, stderr=quiet, start_new_session=True, cwd=HERE / "scripts")


def _judged(kind: str, process: subprocess.Popen[bytes]) -> int:
    if process.stdout is not None:
        with process.stdout as out:
            said = out.readline()
            assert said, f"{kind} ended before it was ready"
            return int(said)
    if not kind.startswith("sqlite"):
        return process.pid
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:
                continue
            if "(sqlite3)" in text and text.rpartition(") ")[2].split()[1] == str(process.pid):
                return int(entry.name)
    return process.pid
