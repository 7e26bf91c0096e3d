"""Does ``export`` say what the views say, in a form that collectors read, to nobody but this host?"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from memtwin import cli
from memtwin.web.metrics import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = Path(__file__).parents[1] / "recordings" / "35-zram-then-disk-small" / "run1.tar.xz"
ROOT = f"{RUN}@f350"
MAIN = (  # a test that runs in the background has SIGINT ignored, and its children too
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from memtwin.cli import main; sys.exit(main())"
)


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = cli.main(["export", *args])
    return code, *capsys.readouterr()


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    words = [sys.executable, "-c", MAIN, "export", "--listen", "127.0.0.1:0", "--root", ROOT]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr
        url = re.search(r"http://([0-9.]+):(\d+)/metrics", program.stderr.readline())
        assert url
        yield url[1], int(url[2])
        program.send_signal(signal.SIGINT)
        try:
            assert program.wait(10) == 130
        finally:
            program.kill()


def asked(server: tuple[str, int], path: str = "/metrics", method: str = "GET", **headers: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection(*server, timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.getheader("Content-Type") or "", answer.read().decode()


def test_it_is_the_views_metrics_in_one(capsys: pytest.CaptureFixture[str]) -> None:
    whole = samples(run(capsys, "--root", ROOT)[1])
    for view in ("meminfo", "swaps", "zoneinfo", "buddyinfo", "slabtop", "pressure", "loadavg", "vmstat"):
        cli.main([view, "--root", ROOT, "--openmetrics"])
        part = samples(capsys.readouterr()[0])
        assert part
        assert {key: whole[key] for key in part} == part, view
    assert whole["node_processes_state", (("state", "S"),)] == 1


def test_this_host_and_an_empty_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "proc").mkdir()
    code, text, _ = run(capsys, "--root", str(tmp_path))
    assert (code, [name for name, _ in samples(text)]) == (0, ["memtwin_source_info"])
    assert run(capsys, "--root", str(tmp_path / "none"))[0] == 1
    if Path("/proc/meminfo").exists():
        assert len(samples(run(capsys)[1])) > 100


def test_a_damaged_file_takes_its_own_figures_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/loadavg").write_text("1.00 1.00 1.00 1/9 9\n")
    (tmp_path / "proc/buddyinfo").write_text("Node 0, zone x\n")
    found = samples(run(capsys, "--root", str(tmp_path))[1])
    assert ("node_load1", ()) in found
    assert ("line", "1") in next(labels for name, labels in found if name == "memtwin_damaged_info")


def test_it_is_served(server: tuple[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    code, kind, text = asked(server)
    assert (code, kind) == (200, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert text == run(capsys, "--root", ROOT)[1]
    assert asked(server, method="HEAD") == (200, kind, "")
    assert asked(server, "/")[0] == asked(server, "/metrics/../etc/passwd")[0] == 404
    assert asked(server, method="POST")[0] == 501


def test_a_page_in_a_browser_gets_nothing(server: tuple[str, int]) -> None:
    """A name that somebody made to lead to 127.0.0.1 is not this server's."""
    assert asked(server, Host="evil.example:80")[0] == 403
    for host in ("localhost", "127.0.0.1:1", "[::1]:9", "localhost:9435"):
        assert asked(server, Host=host)[0] == 200


def test_a_client_that_says_nothing_stops_nobody(server: tuple[str, int]) -> None:
    with socket.create_connection(server), socket.create_connection(server) as other:
        other.sendall(b"\x00\xff" * 99)
        assert asked(server)[0] == 200


@pytest.mark.parametrize(
    ("listen", "said"),
    [
        ("9435", "no address"), ("127.0.0.1", "no address"), ("127.0.0.1:x", "no port"), ("127.0.0.1:65536", "no port"),
        ("localhost:1", "no address"), ("203.0.113.9:0", "cannot listen on"),
    ],
)  # fmt: skip
def test_an_address_that_is_none(listen: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "--root", ROOT, "--listen", listen)
    assert code == 2
    assert said in err


def test_a_port_that_is_taken(server: tuple[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "--root", ROOT, "--listen", f"127.0.0.1:{server[1]}")
    assert (code, "Address already in use" in err) == (2, True)
    assert str(parsed("[::1]:0")[0]) == "::1"


def test_a_real_prometheus_scrapes_it(server: tuple[str, int], tmp_path: Path) -> None:
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is not installed")
    config = f"""
scrape_configs:
  - job_name: twin
    scrape_interval: 1s
    static_configs: [{{targets: ["127.0.0.1:{server[1]}"]}}]
"""
    (tmp_path / "p.yml").write_text(config)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["prometheus", f"--config.file={tmp_path}/p.yml", f"--storage.tsdb.path={tmp_path}/data",
             f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]}) as program:
        try:
            assert '"value":' in _until(f"http://127.0.0.1:{port}/api/v1/query?query=node_memory_MemTotal_bytes")
            up = _until(f"http://127.0.0.1:{port}/api/v1/query?query=up")
            assert re.search(r'"1"\]', up)
            value = _until(f"http://127.0.0.1:{port}/api/v1/query?query=node_vmstat_pswpout")
            assert '"value":' in value
        finally:
            program.terminate()


def _until(url: str) -> str:
    """Return the answer as soon as there is a value in it."""
    end, text = time.monotonic() + 60, ""
    while '"value":' not in text:
        assert time.monotonic() < end, text
        time.sleep(0.5)
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            continue
    return text
