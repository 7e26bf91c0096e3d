"""Does every input that is too long, too deep, endless or of other bytes end in a short message?"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from unpacking import unpack

from memtwin.cli import main
from memtwin.errors import InputError, ProcParseError, ScenarioError, SnapshotError
from memtwin.files.inputs import why_not_read
from memtwin.oom.read import logs
from memtwin.render import csv
from memtwin.scenario import load, parse, parser
from memtwin.sources import processes
from memtwin.sources.opening import open_source
from memtwin.sources.processes import are_hidden
from memtwin.sources.recording import Recording, resolve
from memtwin.sources.source import DirectorySource

RUN = Path(__file__).parents[1] / "recordings" / "26-oom-noswap" / "run1.tar.xz"
ENDLESS = ("/proc/kmsg", "/dev/zero", "/dev/urandom")


def command(*args: str, shell: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``memtwin`` as a process of its own, for at most 20 seconds, with the shell's redirections."""
    line = " ".join((sys.executable, "-m", "memtwin", *args, shell))
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=20, check=False)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    unpack(RUN, tmp_path)
    return tmp_path / "run1"


# ------------------------------------------------------------------------------------------- what has no end


@pytest.mark.parametrize("path", ENDLESS)
def test_what_may_never_end_is_refused(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    if not Path(path).exists():
        pytest.skip("not on this machine")
    for args in (
        ["free", "--root", path],
        ["free", "--root", f"{path}@boot"],
        ["oom", path],
        ["oom", "--run", path],
        ["run", path],
        ["run", str(RUN), "--boot", path],
        ["validate", path],
        ["diff", path],
    ):
        assert main(args) == 1
        assert "memtwin: " in capsys.readouterr().err


def test_a_pipe_without_writer_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tar")
    path = str(tmp_path / "pipe.tar")
    with pytest.raises(SnapshotError, match="is a named pipe"):
        open_source(path)
    with pytest.raises(InputError, match="is a named pipe"):
        load(path)
    with pytest.raises(InputError, match="is a named pipe"):
        list(logs.of_file(path))


def test_what_a_shell_opened_is_read() -> None:
    assert why_not_read("/dev/null") is None
    reader, writer = os.pipe()
    os.write(writer, b"proc A\n")
    os.close(writer)
    assert load(f"/dev/fd/{reader}").ops
    os.close(reader)


@pytest.mark.parametrize("args", [("free",), ("run", "absent.mem"), ("--help",)])
def test_a_closed_stdout_is_a_message(args: tuple[str, ...]) -> None:
    done = command(*args, shell=">&-")
    assert done.returncode == 1
    assert done.stderr.startswith("memtwin: standard output is closed\n")


def test_a_closed_stdin_is_a_message_only_where_it_is_read() -> None:
    done = command("oom", "-", shell="<&-")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("memtwin: standard input is closed\n")
    assert command("completion", "bash", shell="<&-").returncode == 0


def test_a_closed_stderr_sends_no_complaint_elsewhere(tmp_path: Path) -> None:
    done = command("free", "--root", str(tmp_path / "absent"), shell="2>&-")
    assert (done.returncode, done.stdout) == (1, "")


def test_a_full_disk_under_stdout_is_one_message() -> None:
    done = command("completion", "bash", shell="> /dev/full")
    assert done.returncode == 1
    assert done.stderr == "memtwin: standard output: No space left on device\n"


# ---------------------------------------------------------------------------------------------- long and deep


def test_a_message_repeats_two_hundred_characters_of_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 1_000_000
    assert len(str(ProcParseError("proc/meminfo", 1, long, f"something, not {long}"))) < 2000
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/buddyinfo").write_text(f"Node 0, zone {long}\n")
    (tmp_path / "s.mem").write_text(f"proc A\nA mmap h {long}\n")
    for args in (
        ["buddyinfo", "--root", str(tmp_path)],
        ["run", str(tmp_path / "s.mem")],
        ["free", "--root", f"{RUN}@{long}"],
    ):
        assert main(args) == 1
        assert len(capsys.readouterr().err) < 3000


@pytest.mark.parametrize(
    "line", ["machine ram={}", "swap {}", "proc {}", "{} mmap h 4K", "A mmap h {}", "A {}", "sleep {}", "{}"]
)
def test_a_long_word_of_a_scenario_is_cut_in_its_message(line: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse(("" if line.startswith(("machine", "swap")) else "proc A\n") + line.format("x" * 4000))
    assert len(str(caught.value)) < 2000


def test_a_scenario_has_a_longest_line_and_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse("sync " + "#" * (parser.MAX_LINE - 5)).ops
    with pytest.raises(ScenarioError, match=r":2: expected a line of at most 4,096 characters"):
        parse("sync\n#" + "x" * parser.MAX_LINE)
    monkeypatch.setattr(parser, "MAX_SCENARIO_BYTES", 9)
    (tmp_path / "s.mem").write_text("sync\nsync\n")
    with pytest.raises(InputError, match="is larger than"):
        load(tmp_path / "s.mem")
    monkeypatch.setattr(parser, "MAX_LINES", 2)
    assert len(parse("sync\n\n# a comment\nsync\n").ops) == 2
    with pytest.raises(ScenarioError, match=r":3: expected at most 2 lines"):
        parse("sync\nsync\nsync\n")


def test_forks_cannot_multiply_regions_without_end() -> None:
    regions = "".join(f"A mmap r{number} 4K\n" for number in range(4000))
    forks = "".join(f"A fork C{number}\n" for number in range(600))
    with pytest.raises(ScenarioError, match="at most 2,000,000 regions"):
        parse(f"proc A\n{regions}{forks}")


def test_a_scenario_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "s.mem").write_bytes(b"\xef\xbb\xbfmachine ram=192M\r\nproc A\r\n")
    scenario = load(tmp_path / "s.mem")
    assert scenario.machine.ram_bytes == 192 << 20
    assert scenario.text.startswith("machine")
    assert parse("\ufeffproc A\n").ops


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "\udcff", '{"unread": ' + "[" * 99_999], ids=len)
def test_facts_of_a_snapshot_that_are_no_json_are_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:         223608 kB\nMemFree:          1 kB\nMemAvailable: 1 kB\n")
    (tmp_path / "snapshot.json").write_bytes(text.encode(errors="surrogateescape"))
    assert main(["meminfo", "--json", "--root", str(tmp_path)]) == 0


def test_a_reason_of_a_snapshot_is_cut_in_the_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:         223608 kB\nMemFree:          1 kB\n")
    (tmp_path / "snapshot.json").write_text(json.dumps({"unread": {"proc/swaps": "x" * 100_000}}))
    main(["swaps", "--root", str(tmp_path)])
    assert len(capsys.readouterr().err) < 3000


@pytest.mark.parametrize("name", ["run.json", "ops.jsonl"])
@pytest.mark.parametrize("text", [b'{"kernel": "\xff"}', b'{"a":' * 100_000 + b"1", b"[" * 100_000], ids=len)
def test_damaged_json_of_a_run_is_a_message(
    run_dir: Path, capsys: pytest.CaptureFixture[str], name: str, text: bytes
) -> None:
    (run_dir / name).write_bytes(text)
    assert main(["validate", str(run_dir)]) == 1
    assert "is damaged" in capsys.readouterr().err or name == "ops.jsonl"
    for root in (run_dir, f"{run_dir}@boot"):
        main(["free", "--root", str(root)])
        assert "bug of memtwin" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ['{"i":0,"d":3}', '{"i":0,"deaths":[3]}', '{"i":0,"deaths":{"a":1}}', '{"i":0,"op":7}', '{"i":0,"errno":"x"}'],
)
def test_a_line_of_operations_has_members_of_their_types(run_dir: Path, line: str) -> None:
    (run_dir / "ops.jsonl").write_text(f"{line}\n")
    with pytest.raises(InputError, match="is not what became of an operation"):
        Recording(run_dir, partial=True)


def test_a_line_of_a_log_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_LINE_BYTES", 10)
    monkeypatch.setattr(logs, "_CHUNK_BYTES", 4)
    text = b"short\n" + b"x" * 100 + b"\nnext\n\nlast"
    assert list(logs._lines(io.BytesIO(text))) == ["short", "x" * 10, "next", "", "last"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_log_is_cut_at_its_newlines_however_it_comes(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(logs, "_CHUNK_BYTES", size)
    text = "a\n\nbé\r\n\n\n\xffend"
    assert list(logs._lines(io.BytesIO(text.encode()))) == text.split("\n")


# ------------------------------------------------------------------------------------------------ small things


@pytest.mark.parametrize("label", ["999999999999999999999s", "9" * 400 + "s", "1000000s"])
def test_a_time_after_the_end_is_the_last_checkpoint(label: str) -> None:
    source = resolve(f"{RUN}@{label}")
    assert source.read("proc/vmstat") == Recording(RUN).at("end").read("proc/vmstat")


def test_no_cell_of_csv_is_a_formula() -> None:
    rows = [{"name": start + "cmd|'/C'!A0", "n": -5} for start in "=+-@"]
    lines = csv.text(rows).splitlines()
    assert lines[1:] == [f"'{start}cmd|'/C'!A0,-5" for start in "=+-@"]
    assert csv.text([{"=a": "\t=1", "b": "-1.5", "c": "+3", "d": "-1-1"}]) == "'=a,b,c,d\n\\x09=1,-1.5,+3,'-1-1\n"


def test_processes_that_hidepid_hides_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "proc/4242").mkdir(parents=True)
    (tmp_path / "proc/4242/status").write_text("Name:\tsh\nUid:\t1000\t1000\t1000\t1000\nVmSize:\t8 kB\nVmRSS:\t4 kB\n")
    for options, hides in (
        ("rw,hidepid=invisible", True),
        ("rw,gid=4,hidepid=2", True),
        ("rw,hidepid=1", False),
        ("rw", False),
    ):
        (tmp_path / "proc/mounts").write_text(f"proc /proc proc {options} 0 0\n")
        assert are_hidden(DirectorySource(tmp_path)) is hides
        main(["ps", "-o", "PID", "--root", str(tmp_path)])
        assert (processes.HIDDEN in capsys.readouterr().err) is hides
    (tmp_path / "proc/1").mkdir()
    assert not are_hidden(DirectorySource(tmp_path))
