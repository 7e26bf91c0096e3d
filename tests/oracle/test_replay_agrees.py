"""Real programs are recorded, and their traces run on the model: are sizes and faults those of the trace?"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from memtwin import cli

MAIN = "import sys; from memtwin.cli import main; sys.exit(main())"
PYTHON = str(Path(sys.executable).resolve())
PROGRAMS = {
    "grows and shrinks": [PYTHON, "-c", """
import time
kept = []
for number in range(12):
    kept.append(bytearray(b'x') * (3 << 20))
    time.sleep(0.1)
    if number % 5 == 4:
        del kept[:2]
    for _ in range(50):
        bytearray(400_000)
"""],
    "forks": [PYTHON, "-c", """
import os, time
kept = bytearray(b'x') * (40 << 20)
time.sleep(0.5)
children = []
for _ in range(3):
    child = os.fork()
    if not child:
        time.sleep(2)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""],
    "sqlite": [PYTHON, "-c", """
import sqlite3, time
base = sqlite3.connect(':memory:')
base.execute('create table t(a integer primary key, b text)')
for _ in range(8):
    base.executemany('insert into t(b) values (?)', (('x' * 100,) for _ in range(50_000)))
    time.sleep(0.15)  # so that it lasts for more than two samples
"""],
    "json": [PYTHON, "-c", """
import json, time
value = [{f'k{i}': list(range(20))} for i in range(30_000)]
for _ in range(3):
    text = json.dumps(value)
    other = json.loads(text)
    del other
    time.sleep(0.2)
"""],
    "works in part": [PYTHON, "-c", """
import time
hot, cold = bytearray(b'x') * (8 << 20), bytearray(b'y') * (32 << 20)
begin = time.time()
while time.time() - begin < 8:
    for at in range(0, len(hot), 4096):
        hot[at] = 1
    if time.time() - begin > 4:
        for at in range(0, 16 << 20, 4096):
            cold[at] = 2
    time.sleep(0.1)
"""],
    "sort": ["sh", "-c", "seq 900000 -1 1 | exec sort -S 40M -n -o /dev/null"],
    "awk": ["awk", "BEGIN { for (i = 0; i < 600000; i++) a[i] = i \" value\" }"],
    "perl": ["perl", "-e", "for (1..4) { my %h; $h{$_} = \"value $_\" for 1..99999; select undef, undef, undef, 0.2 }"],
    "xz": ["sh", "-c", "seq 1 900000 | exec xz -6 -T1 > /dev/null"],
}  # fmt: skip

WORKING = {"works in part": "1s", "forks": "1s"}
"""After which time working sets are recorded, where that is not a fifth of a second."""


def replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], program: list[str], *more: str
) -> list[dict[str, Any]]:
    trace = tmp_path / "program.trace"
    words = ["--every", "0.1s", *more, "--", *program]
    recorder = [sys.executable, "-c", MAIN, "record", "-o", str(trace), *words]
    subprocess.run(recorder, check=True, capture_output=True, timeout=100)
    capsys.readouterr()
    code = cli.main(["replay", str(trace), "--check", "--json"])
    out, err = capsys.readouterr()
    if "no process that ever had" in err:
        return []
    assert code == 0, err
    rows: list[dict[str, Any]] = json.loads(out)["data"]
    return rows


BARS = {"rss_off_percent": 5, "anon_off_percent": 5, "file_off_percent": 5, "working_set_off_percent": 10}
TRIALS = 3
"""A recorder that has to wait for a CPU in the middle of a sample tears it: such a trace says other things itself."""


def beyond(row: dict[str, Any]) -> list[str]:
    """What of a process is not as in its trace."""
    found = [name for name, bar in BARS.items() if row[name] is not None and row[name] > bar]
    faults = row["faults"] or 0
    if faults > 1000 and abs(row["faults_in_model"] - faults) > faults / 10:
        found.append("faults")
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_as_large_and_faults_as_often_as_in_its_trace(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = PROGRAMS[name]
    if shutil.which(program[0]) is None or (program[0] == "sh" and shutil.which("xz") is None):
        pytest.skip(f"{program[0]} is not installed")
    more = ["--working-set", WORKING.get(name, "0.2s")]
    trials: list[list[dict[str, Any]]] = []
    for trial in range(TRIALS):
        there = tmp_path / str(trial)
        there.mkdir()
        rows = [row for row in replayed(there, capsys, program, *more) if row["peak_bytes"] > 8 << 20]
        if len(rows) >= (4 if name == "forks" else 1) and not any(map(beyond, rows)):
            return
        trials.append(rows)
    if not any(trials):
        pytest.skip("it ended before the second sample: this machine is crowded")
    pytest.fail("\n".join(f"{row} {beyond(row)}" for rows in trials for row in rows))
