"""Does a sweep on a cluster of Dask give the same rows, also when a worker is killed in the middle of it?"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("distributed")
pytest.importorskip("memtwin.linux.core.state")

from memtwin import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDING = Path(__file__).parents[1] / "recordings" / "14-mix-swappiness-60" / "run1.tar.xz"
WORKERS = 2
CLUSTER = f"""
import json, sys
if __name__ == "__main__":
    from distributed import LocalCluster
    cluster = LocalCluster(n_workers={WORKERS}, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
    pids = [worker.pid for worker in cluster.workers.values()]
    print(json.dumps([cluster.scheduler_address, pids]), flush=True)
    sys.stdin.read()
    cluster.close()
"""
WORDS = ("whatif", str(RECORDING), "--vary", "machine.ram=160M..256M/16M", "--vary", "swap=same,zram:25%", "--json")


@contextmanager
def cluster(where: Path) -> Iterator[tuple[str, list[int]]]:
    (where / "cluster.py").write_text(CLUSTER)
    words = [sys.executable, "cluster.py"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=where
    ) as child:
        assert child.stdout is not None
        address, pids = json.loads(child.stdout.readline())
        yield address, pids
        assert child.stdin is not None
        child.stdin.close()
        child.wait()


def data(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert cli.main([*WORDS, *words]) == 0
    return json.loads(capsys.readouterr().out)["data"]


@pytest.mark.slow
def test_the_same_rows_with_a_worker_killed_in_the_middle(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its points are run again; every figure is the same bit for bit."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows = tmp_path / "cache" / "memtwin" / "sweep"
    whole = data(capsys, "--no-cache")
    killed: list[int] = []
    with cluster(tmp_path) as (address, pids):

        def kill() -> None:
            while not rows.exists() or len(list(rows.iterdir())) < 3:
                time.sleep(0.01)
            os.kill(pids[0], signal.SIGKILL)
            killed.append(len(list(rows.iterdir())))

        killer = threading.Thread(target=kill)
        killer.start()
        words = [sys.executable, "-m", "memtwin", *WORDS, "--scheduler", address]
        done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path)
        killer.join()
    assert 3 <= killed[0] < len(whole["points"])
    assert json.loads(done.stdout)["data"] == whole


def test_a_scheduler_that_does_not_answer_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No address, nothing there, no extra, and processes of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("memtwin.sweep.cluster.ANSWER_S", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert cli.main([*WORDS, "--scheduler", f"tcp://127.0.0.1:{port}"]) == 1
    assert "does not answer" in capsys.readouterr().err
    assert cli.main([*WORDS, "--scheduler", "localhost"]) == 2
    assert "tcp://HOST:PORT" in capsys.readouterr().err
    assert cli.main([*WORDS, "--scheduler", f"tcp://127.0.0.1:{port}", "--jobs", "2"]) == 2
    assert "--jobs" in capsys.readouterr().err
    monkeypatch.setattr("memtwin.sweep.cluster.find_spec", lambda _: None)
    assert cli.main([*WORDS, "--scheduler", f"tcp://127.0.0.1:{port}"]) == 1
    assert "memtwin[cluster]" in capsys.readouterr().err
