"""Starts a server of Debian's in a directory of its own, prints the process to judge, and gives it work until SIGTERM.

python servers.py redis-work|redis-leak|redis-ttl|redis-lru|memcached-work|memcached-fill|nginx-work|postgres-work|
postgres-prepared SEED
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

QUIET = subprocess.DEVNULL
PAUSE_S = 0.1
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def server(*words: str, cwd: str, user: str | None = None) -> Iterator[int]:
    """Run a server until the block ends."""
    process = subprocess.Popen(words, stdin=QUIET, stdout=QUIET, stderr=QUIET, cwd=cwd, user=user)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def connected(port: int) -> socket.socket:
    """Connect as soon as the server listens."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), 10)
        time.sleep(0.1)
    raise SystemExit("the server does not listen")


def judge(pid: int) -> None:
    """Print the process that is to be judged."""
    print(pid, flush=True)


def ask(line: socket.socket, request: bytes, end: bytes, answers: int = 1) -> None:
    """Send a request, and read until *end* came so often."""
    line.sendall(request)
    got = b""
    while got.count(end) < answers:
        part = line.recv(1 << 16)
        if not part:
            raise SystemExit("the server has closed")
        got += part


def child_of(pid: int) -> int:
    """Return the first child of a process once it has one: a server may listen before it starts its workers."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    while not (found := path.read_text().split()):
        time.sleep(0.01)  # no file of /proc can be waited for
    return int(found[0])


def redis(key: Callable[[int], int], settings: tuple[str, ...] = (), expire_s: int = 0) -> None:
    """Set keys of 1 KiB, 200 a second, which *key* numbers."""
    port = free_port()
    with tempfile.TemporaryDirectory() as where, server(
        "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *settings,
        cwd=where,
    ) as pid, connected(port) as line:  # fmt: skip
        judge(pid)
        for number in endless():
            end = f" EX {expire_s}" if expire_s else ""
            sets = [f"SET session:{key(20 * number + n)} {'x' * 1000}{end}\r\n" for n in range(20)]
            ask(line, "".join(sets).encode(), b"+OK\r\n", 20)


def memcached(key: Callable[[int], int], limit_mb: int) -> None:
    """Set items of 1 KiB, 400 a second."""
    port = free_port()
    words = ("memcached", "-l", "127.0.0.1", "-p", str(port), "-m", str(limit_mb), "-u", "nobody")
    with server(*words, cwd="/") as pid, connected(port) as line:
        judge(pid)
        for number in endless():
            sets = [f"set page:{key(40 * number + n)} 0 0 1000\r\n{'x' * 1000}\r\n" for n in range(40)]
            ask(line, "".join(sets).encode(), b"STORED\r\n", 40)


def nginx() -> None:
    """Ask for a file, 50 times a second."""
    port = free_port()
    with tempfile.TemporaryDirectory() as where:
        Path(where, "page").write_bytes(b"x" * 20_000)
        Path(where, "conf").write_text(
            f"pid {where}/pid; error_log {where}/error; events {{}} user root; http {{ access_log {where}/log; "
            f"client_body_temp_path {where}; proxy_temp_path {where}; fastcgi_temp_path {where}; "
            f"uwsgi_temp_path {where}; scgi_temp_path {where}; keepalive_requests 100000000; "
            f"server {{ listen 127.0.0.1:{port}; root {where}; }} }}"
        )
        with server("nginx", "-c", f"{where}/conf", "-g", "daemon off;", cwd=where) as pid, connected(port) as line:
            judge(child_of(pid))
            for _ in endless():
                for _ in range(5):
                    ask(line, b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n", b"x" * 20_000)


def postgres(statement: Callable[[int], str]) -> None:
    """Give statements to one backend, ten a second."""
    user = "postgres" if os.geteuid() == 0 else None
    port = free_port()
    with tempfile.TemporaryDirectory() as where:
        if user:
            shutil.chown(where, user)
        data = ("-D", f"{where}/data")
        subprocess.run(
            [POSTGRES[-1] / "initdb", "-A", "trust", "-N", *data], check=True, stdout=QUIET, user=user, cwd=where
        )
        own = ("-p", str(port), "-k", where, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off")
        with server(str(POSTGRES[-1] / "postgres"), *data, *own, cwd=where, user=user):
            connected(port).close()
            words = ("psql", "-h", "127.0.0.1", "-p", str(port), "-U", user or os.environ["USER"], "-qAt", "postgres")
            with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as psql:
                assert psql.stdin
                assert psql.stdout
                print("select pg_backend_pid();", file=psql.stdin, flush=True)
                judge(int(psql.stdout.readline()))
                for number in endless():
                    print(statement(number), "select 1;", file=psql.stdin, flush=True)
                    while psql.stdout.readline() not in {"1\n", ""}:
                        pass


def endless() -> Iterator[int]:
    """Count, ten times a second."""
    number = 0
    while True:
        yield number
        number += 1
        time.sleep(PAUSE_S)


def fresh(number: int) -> int:
    """Number each key anew."""
    return number


def few(_: int) -> int:
    """Number keys within a small set."""
    return random.randrange(3000)


KINDS: dict[str, Callable[[], None]] = {
    "redis-work": lambda: redis(few),
    "redis-leak": lambda: redis(fresh),
    "redis-ttl": lambda: redis(fresh, expire_s=20),
    "redis-lru": lambda: redis(fresh, ("--maxmemory", "12mb", "--maxmemory-policy", "allkeys-lru")),
    "memcached-work": lambda: memcached(few, 64),
    "memcached-fill": lambda: memcached(fresh, 24),
    "nginx-work": nginx,
    "postgres-work": lambda: postgres(lambda n: f"select sum(g) from generate_series(1, {1000 + n % 50}) g;"),
    "postgres-prepared": lambda: postgres(
        lambda n: "".join(f"prepare q{n}_{k} as select relname from pg_class where oid = $1;" for k in range(5))
    ),
}


def main() -> int:
    """Run one until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    random.seed(int(sys.argv[2]))
    KINDS[sys.argv[1]]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
