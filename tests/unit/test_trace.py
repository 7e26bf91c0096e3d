"""Is a trace what the machine said, whatever cuts it off, and does looking stay cheap?"""

from __future__ import annotations

import contextlib
import errno
import json
import lzma
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memtwin import cli
from memtwin.errors import OutputError, RecordingError
from memtwin.procfs.pid import smaps
from memtwin.sources import costly, trace_writer
from memtwin.sources.columns import joined, split
from memtwin.sources.deltas import Encoder, FileState, Parts
from memtwin.sources.frames import MAGIC, framed, scan
from memtwin.sources.recorder import PRICE, Costs, Readings, Recorder
from memtwin.sources.recording import resolve
from memtwin.sources.trace import Trace, duration_ms
from memtwin.sources.trace_writer import KEY_EVERY, Rotation, Writer
from memtwin.sources.tracks import Tracks

VIEWS = ("account", "buddyinfo", "free", "limits", "loadavg", "meminfo", "pressure", "ps", "slabtop", "swaps",
         "swapuse", "vmstat", "zoneinfo")  # fmt: skip
META = {"memtwin": "0", "kernel": "6.1.0", "page_bytes": 4096, "ticks_per_s": 100}
NOON = 1_764_417_600_000
KILLS = int(os.environ.get("MEMTWIN_KILLS", "60"))


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = cli.main(list(args))
    return code, *capsys.readouterr()


def meminfo(free_kib: int) -> bytes:
    return f"MemTotal:        2000000 kB\nMemFree:  {free_kib:14d} kB\n".encode()


def files(number: int) -> dict[str, bytes]:
    found = {"proc/meminfo": meminfo(1000 * number), "proc/9/statm": b"1 2 3 4 0 5 0\n"}
    if number % 3 == 0:
        found["proc/9/status"] = b"Name:\tx\nVmRSS:\t  %6d kB\n" % number
    return found


def written(path: Path, samples: int) -> list[int]:
    """Write a trace; return where the file ends after each sample."""
    writer = Writer(str(path), META)
    ends = []
    for number in range(samples):
        assert writer.add(Readings(files(number), [], {}), NOON + 1000 * number, 5000 + 1000 * number) is None
        ends.append(writer.size_bytes)
    writer.close()
    return ends


LINES = st.lists(
    st.one_of(
        st.integers(0, 2**70).map(lambda n: f"Row: {n:12d} kB"),
        st.integers(-5, 10**6).map(lambda n: f"row {n}"),
        st.floats(0, 99).map(lambda n: f"avg10={n:.2f} total=0{n:.0f}"),
        st.text("01 %dx-\n\t", max_size=20),
    ),
    max_size=4,
).map(lambda lines: "\n".join(lines).encode())
SAMPLES = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(["a", "b/c", "b/d", "e"]), LINES), st.sets(st.sampled_from("ae"))),
    min_size=1,
    max_size=8,
)


@given(SAMPLES, st.integers(1, 4))
def test_what_is_read_back_is_what_was_read(samples: list[tuple[dict[str, bytes], set[str]]], chain: int) -> None:
    """Any texts, with files that come and go, and chains that begin anywhere."""
    encoder, state = Encoder(), FileState()
    known: dict[str, bytes] = {}
    for number, (texts, gone) in enumerate(samples):
        left = {path for path in gone if path not in texts}
        is_key = number % chain == 0
        if is_key:
            encoder.restart()
        state.apply(encoder.payload(number, texts, left, meta=META if is_key else None))
        known = {path: text for path, text in known.items() if path not in left} | texts
        assert {path: state.text(path) for path in state.paths()} == known
        assert state.read_now == texts.keys()


@given(st.binary(max_size=60))
def test_any_text_comes_back(text: bytes) -> None:
    assert Parts.of(text).text() == text


@given(st.lists(st.lists(st.integers(0, 2000), min_size=3, max_size=3), min_size=2, max_size=6), st.integers(0, 3))
def test_differences_of_many_texts_are_those_of_each(rows: list[list[int]], what: int) -> None:
    """However often a text has changed, what is said of it makes the next one; what it cannot say changes nothing."""
    form = ("A: %5d kB\nB: %d %d", "%d\n%d\n\n%d\n", "x%d %d 0%d", "%%%d,%d\n%d")[what]
    texts = [(form % tuple(numbers)).encode() for numbers in rows]
    writer, reader = Parts.of(texts[0]), Parts.of(texts[0])
    for text in texts[1:]:
        pairs = writer.difference(text)
        if pairs is None:
            writer, reader = Parts.of(text), Parts.of(text)
        else:
            reader.apply(pairs)
        assert writer.text() == reader.text() == text


def test_a_cut_at_any_byte_costs_at_most_one_sample(tmp_path: Path) -> None:
    ends = written(tmp_path / "whole", 12)
    data = (tmp_path / "whole").read_bytes()
    assert ends[-1] == len(data)
    cut = tmp_path / "cut"
    for size in range(len(data) + 1):
        cut.write_bytes(data[:size])
        whole = sum(end <= size for end in ends)
        if not whole:
            with pytest.raises(RecordingError):
                Trace(cut)
            continue
        trace = Trace(cut)
        assert [sample.state.text("proc/meminfo") for sample in trace.walk()] == [
            meminfo(1000 * i) for i in range(whole)
        ]
        assert (trace.note is None) == (size in ends)


def test_a_damaged_byte_is_never_read_as_another_number(tmp_path: Path) -> None:
    """What comes before it is there, what comes after it is again from the next chain on."""
    path = tmp_path / "trace"
    written(path, 6)
    written(path, 6)  # gone on with: a second chain
    data = path.read_bytes()
    right = [sample.state.text("proc/meminfo") for sample in Trace(path).walk()]
    assert len(right) == 12
    for at in range(len(MAGIC), len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        try:
            found = [sample.state.text("proc/meminfo") for sample in Trace(path).walk()]
        except RecordingError:
            assert at < len(data) // 2
            continue
        assert found in (right[:n] + right[6 * (n <= 6) + 6 * (n > 6) :][: 6 if n < 6 else 0] for n in range(13))


def test_a_trace_is_gone_on_with_where_it_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    ends = written(path, 5)
    with path.open("r+b") as file:
        file.truncate(ends[3] + 7)
    written(path, 2)
    trace = Trace(path)
    assert (len(trace.frames), trace.note) == (6, None)
    assert [sample.state.text("proc/meminfo") for sample in trace.walk(4)] == [meminfo(0), meminfo(1000)]


@pytest.mark.parametrize("every", [KEY_EVERY, 25])
def test_a_kill_at_any_moment_costs_at_most_one_sample(
    every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forked writer is killed at random moments, also while it packs chains that have ended.

    All samples that it knew to be written are there, and right.
    """
    monkeypatch.setattr(trace_writer, "KEY_EVERY", every)
    draw = random.Random(7)
    for _ in range(KILLS):
        path = tmp_path / "trace"
        path.unlink(missing_ok=True)
        reader, end = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(reader)
            writer = Writer(str(path), META)
            for number in range(10**9):
                writer.add(Readings(files(number), [], {}), NOON + number, number)
                os.write(end, b"x")
        os.close(end)
        os.read(reader, 1)
        time.sleep(draw.random() / 50)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        known = 1
        while part := os.read(reader, 1 << 16):
            known += len(part)
        os.close(reader)
        found = [sample.state.text("proc/meminfo") for sample in Trace(path).walk()]
        assert known <= len(found) <= known + 1
        assert found == [meminfo(1000 * number) for number in range(len(found))]


def test_a_reader_goes_back_at_most_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    written(path, KEY_EVERY + 3)
    keys = [number for number, frame in enumerate(Trace(path).frames) if frame.is_key]
    assert keys == [0, KEY_EVERY]


def test_a_chain_that_has_ended_is_packed_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sample is what it was, at its time; the file is smaller, is gone on with, and nothing is left beside it."""
    monkeypatch.setattr(trace_writer, "KEY_EVERY", 100)
    path = tmp_path / "trace"
    written(path, 250)
    monkeypatch.setattr(trace_writer, "KEY_EVERY", 1000)
    assert path.stat().st_size < written(tmp_path / "plain", 250)[-1] / 2
    (tmp_path / "plain").unlink()
    written(path, 1)
    trace = Trace(path)
    assert (trace.note, [frame.chain is not None for frame in trace.frames]) == (None, [True] * 200 + [False] * 51)
    assert [frame.unix_ms for frame in trace.frames] == [NOON + 1000 * number for number in [*range(250), 0]]
    for first in (0, 99, 100, 137, 200, 249):
        found = [sample.state.text("proc/meminfo") for sample in trace.walk(first)]
        assert found == [meminfo(1000 * number) for number in [*range(first, 250), 0]]
    assert [entry.name for entry in tmp_path.iterdir()] == ["trace"]


@given(SAMPLES)
def test_a_chain_by_columns_is_what_it_was(samples: list[tuple[dict[str, bytes], set[str]]]) -> None:
    encoder, payloads = Encoder(), []
    for number, (texts, gone) in enumerate(samples):
        left = {path for path in gone if path not in texts}
        payloads.append(encoder.payload(1000 * number, texts, left, meta=None if number else META))
    assert list(joined(*split(payloads))) == payloads


def test_a_sample_may_come_while_the_chain_before_it_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long packing takes: until it is done both are in the file, and afterwards."""
    monkeypatch.setattr(trace_writer, "KEY_EVERY", 10)
    go_on, chained = threading.Event(), trace_writer.chained
    monkeypatch.setattr(trace_writer, "chained", lambda *chain: (go_on.wait(60), chained(*chain))[1])
    path = tmp_path / "trace"
    writer = Writer(str(path), META)
    for number in range(15):
        writer.add(Readings(files(number), [], {}), NOON + number, number)
    assert [sample.boot_ms for sample in Trace(path).walk()] == list(range(15))
    assert not any(frame.chain for frame in Trace(path).frames)
    go_on.set()
    writer.close()
    assert [sample.boot_ms for sample in Trace(path).walk()] == list(range(15))
    assert [frame.chain is not None for frame in Trace(path).frames] == [True] * 10 + [False] * 5


def test_a_large_chain_ends_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_writer, "MOST_CHAIN_BYTES", 200)
    written(tmp_path / "trace", 60)
    keys = [number for number, frame in enumerate(Trace(tmp_path / "trace").frames) if frame.is_key]
    assert 2 < len(keys) < 30


def version_1(payloads: list[bytes]) -> bytes:
    """Return a trace as version 1 has it: its first chain packed as one, the payloads one after the other."""
    head, covered = struct.Struct("<2sIIq"), struct.Struct("<2sIq")
    numbers = [1000] * (len(payloads) - 1) + [len(one) for one in payloads]
    index = zlib.compress(struct.pack(f"<{len(numbers)}q", *numbers))
    filters = ({"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 20},)
    packed = lzma.compress(b"".join(payloads), lzma.FORMAT_RAW, filters=filters)
    payload = struct.pack("<II", len(payloads), len(index)) + index + packed
    crc = zlib.crc32(payload, zlib.crc32(covered.pack(b"\xa7C", len(payload), NOON)))
    return b"memtwin trace 1\n" + head.pack(b"\xa7C", len(payload), crc, NOON) + payload


def test_a_trace_of_version_1_is_read_and_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_writer, "KEY_EVERY", 10)
    encoder, path = Encoder(), tmp_path / "trace"
    payloads = [encoder.payload(number, files(number), meta=None if number else META) for number in range(20)]
    path.write_bytes(version_1(payloads))
    assert [sample.state.text("proc/meminfo") for sample in Trace(path).walk()] == [
        meminfo(1000 * n) for n in range(20)
    ]
    written(path, 25)
    trace = Trace(path)
    assert path.read_bytes().startswith(MAGIC)
    assert (trace.note, [frame.chain is not None for frame in trace.frames]) == (None, [True] * 40 + [False] * 5)
    found = [sample.state.text("proc/meminfo") for sample in trace.walk()]
    assert found == [meminfo(1000 * number) for number in [*range(20), *range(25)]]


def test_a_damaged_chain_is_no_sample_and_no_exception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_writer, "KEY_EVERY", 10)
    path = tmp_path / "trace"
    written(path, 11)
    data = path.read_bytes()
    for at in range(len(MAGIC), len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        with contextlib.suppress(RecordingError):
            assert [sample.state.text("proc/meminfo") for sample in Trace(path).walk()] in (
                [meminfo(10_000)], [meminfo(1000 * number) for number in range(10)],
            )  # fmt: skip


@pytest.mark.parametrize("what", ["a directory", "another file"])
def test_a_chain_that_cannot_be_packed_stays_as_it_is(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file beside it cannot be made, or the trace was put away under another name meanwhile."""
    monkeypatch.setattr(trace_writer, "KEY_EVERY", 10)
    path = tmp_path / "trace"
    if what == "a directory":
        (tmp_path / "trace.packed").mkdir()
    writer = Writer(str(path), META)
    for number in range(25):
        if number == 5 and what == "another file":
            path = path.rename(tmp_path / "moved")
        writer.add(Readings(files(number), [], {}), NOON + number, number)
    writer.close()
    assert [sample.boot_ms for sample in Trace(path).walk()] == list(range(25))
    assert not any(frame.chain for frame in Trace(path).frames)


def test_files_rotate_and_each_begins_a_chain(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    writer = Writer(str(path), META, Rotation(max_bytes=400, keep=2))
    for number in range(60):
        writer.add(Readings(files(number), [], {}), NOON + number, number)
    writer.close()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["trace", "trace.1", "trace.2"]
    numbers = []
    for name in ("trace.2", "trace.1", "trace"):
        numbers += [sample.boot_ms for sample in Trace(tmp_path / name).walk()]
    assert numbers == list(range(60 - len(numbers), 60))


@pytest.mark.parametrize(
    ("moment", "number"),
    [("first", 0), ("last", 9), ("-3s", 6), ("+2s", 2), ("+2.9s", 2), ("-2500ms", 6)],
)
def test_moments(tmp_path: Path, moment: str, number: int) -> None:
    written(tmp_path / "trace", 10)
    assert Trace(tmp_path / "trace").index(moment) == number


def test_a_moment_by_the_clock_is_of_the_last_day_that_has_it(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    writer = Writer(str(path), META)
    for hours in range(0, 30, 3):
        writer.add(Readings(files(hours), [], {}), NOON + 3_600_000 * hours, 3_600_000 * hours)
    writer.close()
    trace = Trace(path)

    def at(hours: float, form: str) -> str:
        return time.strftime(form, time.localtime(NOON / 1000 + 3600 * hours))

    assert trace.index(at(24, "%H:%M")) == 8
    assert trace.index(at(25, "%H:%M:%S")) == 8
    assert trace.index(at(12, "%H:%M")) == 4
    assert trace.index(at(3, "%Y-%m-%dT%H:%M")) == 1
    for wrong in ("25:61", "yesterday", "-", "+3x", "", "9999-99-99T99:99"):
        with pytest.raises(RecordingError):
            trace.index(wrong)
    with pytest.raises(RecordingError) as raised:
        trace.index("2001-01-01T00:00")
    assert "it is from" in (raised.value.hint or "")


@pytest.mark.parametrize("clock", [[0, 1, 2, -50, -49, -48, -47], [0, 0, 0, 5, 5]])
def test_a_clock_that_is_set_back_loses_no_sample(tmp_path: Path, clock: list[int]) -> None:
    path = tmp_path / "trace"
    writer = Writer(str(path), META)
    for number, second in enumerate(clock):
        writer.add(Readings(files(number), [], {}), NOON + 1000 * second, number)
    writer.close()
    trace = Trace(path)
    assert [sample.boot_ms for sample in trace.walk()] == list(range(len(clock)))
    assert trace.at("first").read("proc/meminfo") == meminfo(0).decode()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not Path("/proc/meminfo").exists():
        pytest.skip("no /proc on this machine")
    path = tmp_path_factory.mktemp("trace") / "host.trace"
    command = [sys.executable, "-m", "memtwin", "record", "-o", str(path), "--every", "200ms", "--for", "900ms"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "samples in" in done.stdout
    return path


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_reads_a_trace(live: Path, view: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run(capsys, view, "--root", f"{live}@+300ms", "--json")
    assert code == 0
    envelope = json.loads(text)
    assert envelope["root"] == f"{live}@+300ms"
    assert abs(envelope["at_unix_ms"] - Trace(live).times_ms[0]) < 5000


def test_a_trace_is_a_machine_that_can_be_saved_and_compared(
    live: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["snapshot", "--root", f"{live}@last", "-o", str(tmp_path / "s.tar")]) == 0
    last = resolve(f"{live}@last")
    assert resolve(str(tmp_path / "s.tar")).read("proc/meminfo") == last.read("proc/meminfo")
    assert run(capsys, "diff", f"{live}@first", f"{live}@last")[0] == 0
    assert run(capsys, "free", "--root", str(live))[0] == 0  # without a moment: the last sample


def test_only_its_owner_may_read_a_trace(live: Path) -> None:
    assert live.stat().st_mode & 0o777 == 0o600


def test_a_command_is_recorded_with_what_it_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "trace")
    script = "sleep 3 & sleep 3; exit 7"
    code, _, _ = run(capsys, "record", "-o", path, "--every", "100ms", "--no-arguments", "--", "sh", "-c", script)
    assert code == 7
    names, pids = set(), set()
    for sample in Trace(path).walk():
        for name in sample.state.paths():
            if name.endswith("/comm"):
                pids.add(name)
                names.add(sample.state.text(name))
        assert not [name for name in sample.state.paths() if name.endswith("/cmdline") and name != "proc/cmdline"]
    assert names <= {b"sh\n", b"sleep\n", b"memtwin\n", b"python\n", Path("/proc/self/comm").read_bytes()}
    assert len(pids) >= 2


def test_working_set_and_contents_at_their_price(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 24 MiB a program works with 8; half of all are zero and half random. What that costs is said first."""
    path = tmp_path / "t"
    script = (
        "import os, time\n"
        "zero, rest = bytearray(b'\\1') * (12 << 20), bytearray(os.urandom(12 << 20))\n"
        "end = time.time() + 6\n"
        "while time.time() < end:\n"
        " for at in range(0, 8 << 20, 4096): rest[at] = 1\n"
        " time.sleep(.1)"
    )
    words = ["--every", "200ms", "--working-set", "500ms", "--contents", "--", sys.executable, "-c", script]
    code, _, err = run(capsys, "record", "-o", str(path), *words)
    if "library of a compressor" in err:
        pytest.skip("no compressor is installed")
    assert code == 0
    assert "the working set: every 0.5 s and more smaps is read" in err
    assert "contents: once a minute 200 pages of each process" in err
    touched, contents = [], []
    for sample in Trace(path).walk():
        for name in sample.state.read_now:
            text = (sample.state.text(name) or b"").decode()
            if name.endswith("/smaps"):
                touched.append(sum(block.kib("Referenced") or 0 for block in smaps.parse(text).blocks))
            elif name.endswith("/contents"):
                contents.append(json.loads(text))
    assert len(touched) >= 3
    assert 8 << 10 <= sorted(touched)[len(touched) // 2] <= 18 << 10
    assert 0.3 <= contents[-1]["same"] <= 0.6
    assert 0.3 <= contents[-1]["whole"] <= 0.6


def test_the_price_says_whose_working_set_only_root_may_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str) -> bytes:
        if path == "/proc/1/smaps":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return b""

    monkeypatch.setattr(costly, "_read", refused)
    assert costly.WorkingSets(1.0).price([1, 2]).endswith("; 1 of them only root may read: they are left out")
    assert "only root" not in costly.WorkingSets(1.0).price([2])


@pytest.mark.parametrize("working_set_ms", [None, 1000])
def test_references_count_where_they_were_forgotten(working_set_ms: int | None, tmp_path: Path) -> None:
    """A smaps that was read by the way says what was ever touched: no working set."""
    row = "00400000-00500000 rw-p 00000000 00:00 0 \nSize: 1024 kB\nReferenced: 512 kB\nAnonymous: 1024 kB\n"
    files = {"proc/7/stat": Path("/proc/self/stat").read_bytes(), "proc/7/smaps": row.encode()}
    writer = Writer(str(tmp_path / "t"), {**META, "working_set_ms": working_set_ms})
    writer.add(Readings(files, [], {}), 0, 0)
    writer.close()
    (moment,) = Tracks(Trace(tmp_path / "t")).moments()
    found = [figures.get("touched_anon_bytes") for figures in moment.processes.values()]
    assert found == [None if working_set_ms is None else 512 << 10]


@pytest.mark.parametrize(("words", "said"), [
    (["--working-set", "500ms"], "less than --every"), (["--working-set", "often"], "is no time"),
])  # fmt: skip
def test_a_working_set_that_cannot_be(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "record", "-o", str(tmp_path / "t"), "-p", "1", *words)
    assert code == 2
    assert said in err


def test_a_process_that_ends_is_gone_from_the_next_sample(tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "60"])
    recorder = Recorder(1.0, lambda pid, _: pid == process.pid)
    first = recorder.tick()
    process.kill()
    process.wait()
    second = recorder.tick()
    recorder.close()
    assert f"proc/{process.pid}/status" in first.files
    assert f"proc/{process.pid}/status" in second.gone
    assert not [path for path in second.files if path.startswith(f"proc/{process.pid}/")]


def test_the_ladder_of_prices() -> None:
    """What takes a hundredth of its interval is read each time, what takes longer less often; a slow look doubles."""
    costs, now = Costs(), 0.0
    costs.took(now, 0.005, 1.0)
    assert costs.due_s == 1.0
    costs.took(now, 0.017, 1.0)
    assert costs.due_s == pytest.approx(0.017 / PRICE)
    costs = Costs()
    costs.took(now, 0.001, 1.0)
    costs.took(now, 0.02, 1.0)
    assert (costs.stretch, costs.due_s) == (2, 4.0)
    for _ in range(9):
        costs.took(now, 0.5, 1.0)
    assert costs.stretch == 64
    for _ in range(9):
        costs.took(now, 0.001, 1.0)
    assert (costs.stretch, costs.due_s) == (1, 1.0)


def test_looks_under_the_lock_are_bounded_together() -> None:
    """However many processes there are, and however slow each look: what was spent is waited for a hundred times."""
    recorder = Recorder(1.0, lambda pid, _: pid == os.getpid())
    recorder.tick()
    recorder._queue.clear()
    spent = 0.0
    begin = time.monotonic()
    recorder._lock_due_s = 0.0
    recorder._queue.extend((os.getpid(), name) for name in ("smaps_rollup", "maps"))
    for costs in recorder._watched[os.getpid()].costs.values():
        costs.due_s = 0.0
    made = Readings({}, [], {})
    recorder._locked(made)
    spent = time.monotonic() - begin
    assert made.files
    assert recorder._lock_due_s - begin <= spent / PRICE + 1
    made = Readings({}, [], {})
    recorder._lock_due_s = time.monotonic() + 60
    recorder._locked(made)
    assert not made.files
    recorder.close()


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["-p", "1", "--all"], "exclude each other"),
        (["-p", "999999999"], "no process 999999999"),
        (["-u", "no-such-user"], "no user no-such-user"),
        (["--every", "1"], "is no time"),
        (["--every", "1ms"], "--every: not between"),
        (["--for", "soon"], "is no time"),
        (["--max-size", "0"], "is no size"),
        (["--max-size", "12Q"], "is no size"),
        (["--keep", "-1"], "not in the range"),
        (["--", "/no/such/program"], "No such file"),
    ],
)
def test_wrong_words(args: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "record", "-o", str(tmp_path / "t"), *args)
    assert code == 2
    assert told in err


def test_where_a_trace_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("mine\n")
    (tmp_path / "link").symlink_to("text")
    (tmp_path / "pipe").symlink_to("/dev/null")
    for name, told in (
        ("text", "not a trace"),
        ("link", "symbolic link"),
        ("no/t", "No such file"),
        (".", "directory"),
    ):
        code, _, err = run(capsys, "record", "-o", str(tmp_path / name), "--for", "1s")
        assert (code, told in err) == (1, True), err
    assert (tmp_path / "text").read_text() == "mine\n"
    writer = Writer(str(tmp_path / "busy"), META)
    with pytest.raises(OutputError, match="another recorder"):
        Writer(str(tmp_path / "busy"), META)
    writer.close()


def test_what_is_no_trace_or_of_another_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t"
    path.write_bytes(b"memtwin trace 9\nabc")
    code, _, err = run(capsys, "free", "--root", f"{path}@last")
    assert (code, "is a trace of version 9" in err) == (1, True)
    with pytest.raises(OutputError, match="another version"):
        Writer(str(path), META)
    path.write_bytes(MAGIC)
    code, _, err = run(capsys, "free", "--root", str(path))
    assert (code, "no whole sample" in err) == (1, True)
    path.write_bytes(MAGIC + framed(b"no deflate", 1, is_key=True))
    code, _, err = run(capsys, "free", "--root", str(path))
    assert (code, "is damaged" in err) == (1, True)
    assert scan(b"").frames == ()
    with pytest.raises(RecordingError, match="No such file"):
        Trace(tmp_path / "none")


def test_a_full_disk_is_a_gap(tmp_path: Path) -> None:
    """Recording goes on when there is room again, with a sample that needs none before it."""
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs takes root")
    script = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_trace import *
os.chdir(sys.argv[1])
writer = Writer("t", META)
big = {{"a": os.urandom(20000)}}
told = [writer.add(Readings(big, [], {{}}), NOON, 0)]
open("filler", "wb").write(bytes(60000))
for number in range(1, 9):
    told.append(writer.add(Readings({{"b": os.urandom(10000)}}, [], {{}}), NOON + number, number))
os.unlink("filler")
told.append(writer.add(Readings({{"c": b"1"}}, [], {{}}), NOON + 9, 9))
writer.close()
samples = [(s.boot_ms, sorted(s.state.paths())) for s in Trace("t").walk()]
print([bool(t) for t in told], samples, writer.lost, Trace("t").note)
"""
    mounted = f'mount -t tmpfs -o size=150k tmpfs {tmp_path} && exec {sys.executable} -c "$0" {tmp_path}'
    done = subprocess.run(["unshare", "-m", "sh", "-c", mounted, script], capture_output=True, text=True, check=False)
    if "mount" in done.stderr and done.returncode:
        pytest.skip("no tmpfs can be mounted here")
    assert done.returncode == 0, done.stderr
    told = done.stdout.strip()
    assert told.startswith("[False, ")
    assert "True" in told.split("]")[0]
    assert "(9, " in told
    assert told.endswith("None")


def test_three_signals_end_a_recording_whole(tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        path = tmp_path / str(number)
        command = [
            sys.executable,
            "-m",
            "memtwin",
            "record",
            "-o",
            str(path),
            "-p",
            str(os.getpid()),
            "--every",
            "100ms",
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        while not path.exists() or path.stat().st_size < 100:
            time.sleep(0.02)
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        assert b"samples in" in out
        assert Trace(path).note is None


def test_durations() -> None:
    assert [duration_ms(word) for word in ("1d", "2h", "0.5m", "1", "-1s", "1s ", "")] == [
        86_400_000, 7_200_000, 30_000, None, None, None, None,
    ]  # fmt: skip


@pytest.mark.usefixtures("readable_by_others")
def test_a_user_without_rights_gets_what_there_is(tmp_path: Path) -> None:
    """Another user's smaps_rollup and io are unread, with the reason, and the rest is there."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("to become another user takes root and setpriv")
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o755)
    path = tmp_path / "t"
    path.touch(mode=0o666)
    os.chown(path, 65534, 65534)
    command = ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-m", "memtwin", "record", "-o", str(path),
               "-p", "1", "--every", "100ms", "--for", "300ms"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "ermission" in done.stderr:
        pytest.skip("the interpreter is not readable by another user here")
    assert done.returncode == 0, done.stderr
    source = resolve(f"{path}@last")
    assert source.read("proc/1/status")
    assert source.read("proc/1/smaps_rollup") is None
    assert source.unread["proc/1/smaps_rollup"] == "Permission denied"
    refused = (
        r"of [0-9]+ process(es)? smaps_rollup, maps and io may not be read: root may read them"  # and what 1 started
    )
    assert re.search(refused, done.stderr), done.stderr
