"""What holds for every view: its forms, what it imports, what a snapshot must keep, and what damage may do to it."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from memtwin import cli
from memtwin.sources.opening import open_source
from memtwin.sources.recording import Recording
from memtwin.sources.snapshot import FILES, PROCESS_FILES, save, take
from memtwin.sources.source import DirectorySource

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = Path(__file__).parents[1] / "recordings" / "35-zram-then-disk-small" / "run1.tar.xz"
ROOT = f"{RUN}@f350"
VIEWS = (
    "account", "buddyinfo", "free", "limits", "loadavg", "lru", "meminfo", "pressure", "ps", "slabtop", "swaps",
    "swapuse", "vmstat", "zoneinfo",
)  # fmt: skip
EXPLAINED = ("free", "meminfo", "ps", "slabtop", "swaps", "vmstat")
ALLOWED = {  # what a view may load besides what Python and click load; nothing of the model
    "memtwin", "memtwin.cgroupfs", "memtwin.cli", "memtwin.errors", "memtwin.procfs", "memtwin.render",
    "memtwin.sources", "memtwin.sysfs", "memtwin.units", "memtwin.views",
}  # fmt: skip
HEAVY = {"csv", "email", "hypothesis", "importlib.metadata", "json", "lzma", "msgspec", "pathlib", "rich", "shutil",
         "socket", "subprocess", "tarfile", "tempfile", "urllib", "zoneinfo"}  # fmt: skip
BUG = "this is a bug of memtwin"


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = cli.main(list(args))
    return code, *capsys.readouterr()


@pytest.mark.parametrize("view", VIEWS)
def test_each_form_of_each_view_can_be_read(view: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run(capsys, view, "--root", ROOT)
    assert code == 0
    assert text
    code, text, _ = run(capsys, view, "--root", ROOT, "--json")
    envelope = json.loads(text)
    assert (code, envelope["view"].split("-")[0], envelope["root"]) == (0, view, ROOT)
    assert isinstance(envelope["version"], int)
    code, text, _ = run(capsys, view, "--root", ROOT, "--csv")
    rows = list(csv.reader(io.StringIO(text)))
    assert code == 0
    assert len(rows) >= 2
    assert len({len(row) for row in rows}) == 1
    code, text, _ = run(capsys, view, "--root", ROOT, "--openmetrics")
    assert code == 0
    assert list(text_string_to_metric_families(text))


def keys(data: object) -> Iterator[tuple[str, object]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield key, value
            yield from keys(value)
    elif isinstance(data, list):
        for value in data:
            yield from keys(value)


@pytest.mark.parametrize("view", VIEWS)
def test_sizes_are_whole_bytes_and_say_so(view: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, text, _ = run(capsys, view, "--root", ROOT, "--json")
    for key, value in keys(json.loads(text)["data"]):
        if key.endswith(("_bytes", "_count", "_pages")):
            assert value is None or isinstance(value, int | list), key
        assert not re.search(r"_(kb|kib|mb)$", key.lower()), key


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_this_host_loads_little(view: str) -> None:
    """The list is held: a module that is not on it makes every look at a machine slower."""
    if not Path("/proc/meminfo").exists():
        pytest.skip("no /proc on this machine")
    code = (
        "import sys; before = set(sys.modules); import click, textwrap; known = set(sys.modules)\n"
        f"from memtwin.cli import main; main(['{view}'])\n"
        "print('\\n'.join(sorted(set(sys.modules) - known)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {line for line in done.stderr.splitlines() if line and not line.startswith("memtwin:")}
    assert not {name for name in loaded if name.split(".")[0] in HEAVY}
    ours = {".".join(name.split(".")[:2]) for name in loaded if name.startswith("memtwin")}
    assert ours <= ALLOWED
    assert len([name for name in loaded if not name.startswith("memtwin")]) <= 12, loaded


class Remembering(DirectorySource):
    """The live host, and which paths were asked for."""

    asked: set[str] = set()  # noqa: RUF012 - one for all

    def read(self, path: str) -> str | None:
        self.asked.add(path)
        return super().read(path)


@pytest.mark.parametrize(
    "view", [*VIEWS, *(f"{view} --explain" for view in EXPLAINED), "buddyinfo --order 9", "diff live"]
)
def test_a_snapshot_has_every_file_that_a_view_reads(
    view: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/proc/meminfo").exists():
        pytest.skip("no /proc on this machine")
    Remembering.asked = set()
    monkeypatch.setattr("memtwin.sources.opening.DirectorySource", Remembering)
    assert run(capsys, *view.split(), "--json")[0] == 0
    kept = [re.compile("/".join(".*" if part == "**" else part.replace("*", "[^/]*") for part in pattern.split("/")))
            for pattern in FILES]  # fmt: skip
    for path in Remembering.asked - {"snapshot.json", "workers.txt"}:
        of_process = re.fullmatch(r"proc/[0-9]+/(.*)", path)
        if of_process:
            assert of_process[1] in {*PROCESS_FILES, "cmdline"}, path
        else:
            assert any(pattern.fullmatch(path) for pattern in kept), path


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("machine") / "s"
    save(take(Recording(RUN).at("f350")), root)
    return root


PARTS = (
    "0",
    "-1",
    "18446744073709551616",
    "\x1b[2J",
    "\udcff",
    "kB",
    ":",
    "\n",
    "",
    "\t",
    "é",
    "\u202e",
    "99999999999",
)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([*VIEWS, "oom --live", *(f"{view} --explain" for view in EXPLAINED), "buddyinfo --order 9"]),
    st.sampled_from(["", "--json", "--csv", "--openmetrics"]),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(PARTS)), min_size=1, max_size=6),
)
def test_damaged_files_give_figures_or_one_complaint(
    machine: Path, view: str, form: str, damages: list[tuple[int, int, str]]
) -> None:
    """Any bytes put anywhere into any file: a record, or an error that names the line, and nothing for the terminal."""
    target = machine.parent / "damaged"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(machine, target)
    files = sorted(path for path in target.rglob("*") if path.is_file())
    for number, place, part in damages:
        path = files[number % len(files)]
        text = path.read_text(errors="surrogateescape")
        at = place % (len(text) + 1)
        path.write_text(text[:at] + part + text[at:], errors="surrogateescape")
    out, err = io.StringIO(), io.StringIO()
    keep = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err
    try:
        code = cli.main([*view.split(), "--root", str(target), *form.split()])
    finally:
        sys.stdout, sys.stderr = keep
    assert code in {0, 1} or "has no metrics" in err.getvalue()
    assert BUG not in err.getvalue()
    assert "Traceback" not in err.getvalue()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\udcff]", out.getvalue() + err.getvalue())


@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_machine_is_one_complaint_or_nothing_known(
    view: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "proc").mkdir()
    code, _, err = run(capsys, view, "--root", str(tmp_path))
    assert BUG not in err
    assert code == 1 or view == "ps"


def test_the_source_is_closed_to_what_lies_outside(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").symlink_to("/etc/hostname")
    source = open_source(tmp_path)
    assert source.read("proc/meminfo") is None
