"""Does each sentence of each view rest on rows that its root has? Absence proves nothing."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin import cli
from memtwin.sources.opening import open_source
from memtwin.sources.recording import Recording, resolve, runs_in
from memtwin.sources.snapshot import save, take

if TYPE_CHECKING:
    from memtwin.sources.source import Source

RECORDINGS = Path(__file__).parents[1] / "recordings"
EXPLAINED = (
    "account", "buddyinfo --order 9", "free --explain", "limits", "loadavg", "pressure", "ps --explain",
    "slabtop --explain", "swaps --explain", "swapuse", "vmstat --explain",
)  # fmt: skip
ROOTS = [str(runs_in(path)[0]) for path in sorted(RECORDINGS.iterdir()) if path.is_dir()]


def said(view: str, root: str) -> list[dict[str, object]]:
    """Return the sentences of *view*, none where it refuses *root*."""
    out, keep = io.StringIO(), (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = out, io.StringIO()
    try:
        code = cli.main([*view.split(), "--root", root, "--json"])
    finally:
        sys.stdout, sys.stderr = keep
    return json.loads(out.getvalue()).get("sentences", []) if code == 0 else []


def is_there(source: Source, row: str) -> bool:
    """Whether *source* has the file, and in it a line that begins with the row's name, in its own spelling."""
    path, _, label = row.partition(": ")
    paths = [path]
    if path.startswith("proc/PID/"):
        pids = [f"proc/{name}" for name in source.names("proc") if name.isdecimal()]
        paths = [path.replace("proc/PID", root) for root in (*pids, *(f"workers/{n}" for n in source.names("workers")))]
    texts = [text for one in paths if (text := source.read(one)) is not None]
    return any(re.search(rf"^\s*{re.escape(label)}(?![\w(])", text, re.MULTILINE) for text in texts)


def check(view: str, root: str, source: Source) -> int:
    found = said(view, root)
    for sentence in found:
        assert sentence["text"]
        rows = sentence["rests_on"]
        assert isinstance(rows, list)
        for row in rows:
            assert is_there(source, row), f"{view} --root {root}: {sentence['text']!r} rests on {row}, which is absent"
    return len(found)


@pytest.mark.parametrize("run", ROOTS, ids=lambda run: Path(run).parent.name)
def test_sentences_rest_on_rows_of_a_recorded_machine(run: str) -> None:
    root = f"{run}@{Recording(run).checkpoints[-1]}"
    source = resolve(root)
    assert sum(check(view, root, source) for view in EXPLAINED) > 5


def test_a_row_that_is_absent_is_found_absent() -> None:
    """The control: what the check above must be able to fail on."""
    source = resolve(f"{ROOTS[0]}@boot")
    assert is_there(source, "proc/meminfo: MemTotal")
    assert not is_there(source, "proc/meminfo: Mem")
    assert not is_there(source, "proc/meminfo: Balloon")
    assert not is_there(source, "proc/spl/kstat/zfs/arcstats: size")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("machine") / "whole"
    save(take(Recording(RECORDINGS / "113-zswap-limit" / "run1.tar.xz").at("refilled")), root)
    return root


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(EXPLAINED), st.lists(st.tuples(st.integers(0, 10**6), st.integers(-1, 10**6)), max_size=12))
def test_nothing_is_concluded_from_what_was_taken_away(machine: Path, view: str, taken: list[tuple[int, int]]) -> None:
    """Files and single rows are missing: fewer sentences, never one whose rows are gone."""
    target = machine.parent / "less"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(machine, target)
    for number, line in taken:
        files = sorted(path for path in target.rglob("*") if path.is_file() and path.name != "snapshot.json")
        path = files[number % len(files)]
        lines = path.read_text(errors="surrogateescape").splitlines(keepends=True)
        if line < 0 or len(lines) < 2:
            path.unlink()
        else:
            del lines[line % len(lines)]
            path.write_text("".join(lines), errors="surrogateescape")
    check(view, str(target), open_source(target))
