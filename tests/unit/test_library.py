"""Is memtwin what docs/api.md says when it is imported: its examples, its notebook, its errors?"""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import memtwin
from memtwin.errors import NotBuiltError, RecordingError, SnapshotError, UsageError

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
RUN = ROOT / "tests" / "recordings" / "35-zram-then-disk-small" / "run1.tar.xz"
SMALL = "machine ram=128M\nproc A\nA mmap heap 8M\nA touch heap 0 8M w seq\ncheckpoint end\n"


def script(name: str) -> ModuleType:
    """Import a script of docs/."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


@pytest.mark.parametrize("name", ["", ".api.columns", ".api.oom", ".api.root", ".api.run", ".api.workload"])
def test_the_examples_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"memtwin{name}"))
    assert result.failed == 0
    assert result.attempted > 1


def test_the_page_is_made_of_the_docstrings() -> None:
    api = script("api")
    assert api.PAGE.read_text() == api.page(), "make api writes it"


def test_the_notebook_prints_what_it_shows() -> None:
    notebook = script("notebook")
    text = notebook.NOTEBOOK.read_text()
    assert notebook.executed(text) == text, "make api writes it"


def test_the_package_offers_few_names_and_imports_none_of_them() -> None:
    assert 6 <= len(memtwin.__all__) <= 10
    assert set(memtwin.__all__) <= set(dir(memtwin))
    code = "import sys, memtwin; sys.exit(any(name.startswith('memtwin.') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = memtwin.nothing  # type: ignore[attr-defined]


def test_a_checkpoint_of_a_run_is_the_same_in_memory_and_on_disk(tmp_path: Path) -> None:
    run = memtwin.simulate(SMALL)
    run.write(tmp_path / "out")
    for view in ("free", "account", "zoneinfo", "buddyinfo", "vmstat"):
        stored = memtwin.open_root(f"{tmp_path / 'out'}@end").view(view)
        assert stored.data == run.at("end").view(view).data, view
    assert run.operations[2].counted["pgfault"] == 2048
    [process] = [one for one in run.at("end").processes() if one.name == "A"]
    assert run.at("end").record("status", pid=process.pid)["VmData"].split()[0] >= "8192"
    assert run.at("end").record("status", pid=4242) is None


def test_a_run_is_the_same_from_text_from_objects_and_again() -> None:
    made = memtwin.Workload()
    made.machine(ram="128M")
    process = made.proc("A")
    process.mmap("heap", "8M")
    process.touch("heap", 0, "8M", "w", "seq")
    child = process.fork("B")
    child.exit()
    made.checkpoint("end")
    assert made.text == SMALL.replace("checkpoint", "A fork B\nB exit\ncheckpoint")
    first, second = memtwin.simulate(made), memtwin.simulate(memtwin.parse_scenario(made.text))
    assert dict(first.series()) == dict(second.series())


def test_a_run_boots_from_a_root_and_takes_settings() -> None:
    at = f"{RUN}@boot"
    named = memtwin.simulate(SMALL, boot=at, settings={"vm.swappiness": 10})
    given = memtwin.simulate(SMALL, boot=memtwin.open_root(at), settings={"vm.swappiness": "10"})
    assert dict(named.series()) == dict(given.series())
    assert named.at("boot").read("sysctl_vm") is not None
    assert "vm.swappiness = 10" in (named.at("boot").read("sysctl_vm") or "")


def test_a_view_is_what_its_command_prints() -> None:
    words = [sys.executable, "-m", "memtwin", "ps", "--sort", "+PID", "--root", f"{RUN}@f350"]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    view = memtwin.open_root(f"{RUN}@f350").view("ps", "--sort", "+PID")
    assert [line.split() for line in str(view).splitlines()] == [line.split() for line in printed.splitlines()]
    columns = view.columns()
    assert columns.units["res_bytes"] == "bytes"
    assert len(columns) == len(view.rows) > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "nothing is no view of a machine"),
        (["run"], "run is no view of a machine"),
        (["diff"], "diff is no view of a machine"),
        (["free", "--bogus"], "free: No such option '--bogus'"),
        (["free", "--root", "x"], "free: --root is this machine"),
        (["free", "--csv"], "one form at a time"),
        (["free", "-s", "1"], "--seconds without --count never ends"),
    ],
)
def test_what_is_no_view_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=said) as problem:
        memtwin.open_root().view(*words)
    assert problem.value.hint
    assert capsys.readouterr() == ("", "")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    root = memtwin.open_root(f"{RUN}@f350")
    assert root.read("proc/nothing") is None
    assert root.unread["proc/nothing"] == "absent"
    assert root.record("uptime") is not None
    for name, fields in (("nothing", {}), ("text", {}), ("pressure", {}), ("meminfo", {"pid": 1})):
        with pytest.raises(UsageError, match="record"):
            root.record(name, **fields)
    with pytest.raises(RecordingError, match="no checkpoint 'noon'") as problem:
        memtwin.simulate(SMALL).at("noon")
    assert problem.value.hint == "there are boot, end"
    (tmp_path / "no.trace").write_text("MemTotal: 1 kB\n")
    with pytest.raises(RecordingError, match="is not a trace"):
        memtwin.series(tmp_path / "no.trace")
    with pytest.raises(SnapshotError, match="No such file"):
        memtwin.simulate(SMALL, boot=str(tmp_path / "nowhere"))


def test_a_trace_is_columns(tmp_path: Path) -> None:
    trace = tmp_path / "own.trace"
    words = [sys.executable, "-m", "memtwin", "record", "-o", trace, "--every", "100ms", "--for", "300ms", "-p", "1"]
    subprocess.run(words, capture_output=True, check=True)
    series = memtwin.series(trace)
    assert len(series) >= 1
    assert all(kib > 0 for kib in series["MemFree"])
    assert (series.units["time_unix_ms"], series.units["MemFree"], series.units["pgfault"]) == ("ms", "kB", "count")


@pytest.mark.parametrize("name", ["pyarrow", "pandas"])
def test_columns_are_handed_on_where_the_package_is_installed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = memtwin.simulate(SMALL).series()
    method = columns.arrow if name == "pyarrow" else columns.pandas
    try:
        importlib.import_module(name)
    except ImportError:
        pass
    else:
        table = method()
        assert list(table["MemFree"]) == columns["MemFree"] or table["MemFree"].to_pylist() == columns["MemFree"]
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=f"{name} is not installed") as problem:
        method()
    assert problem.value.hint


def test_without_the_core_a_run_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("memtwin.run", "memtwin.linux"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NotBuiltError, match="needs the model") as problem:
        memtwin.simulate(SMALL)
    assert "gcc" in (problem.value.hint or "")
