"""A whole trace in the forms of other programs, read by the libraries of those."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from memtwin import cli
from memtwin.procfs import meminfo
from memtwin.sources.source import load
from memtwin.sources.trace import Trace
from memtwin.sources.tracks import PROCESS_FIGURES, Tracks, unit_of
from memtwin.views import exported_trace

if TYPE_CHECKING:
    from pathlib import Path

GROWING = "import time\nkept = []\nfor _ in range(12): kept.append(bytearray(b'x') * (4 << 20)); time.sleep(0.1)"
MAIN = "import sys; from memtwin.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real program that grows by 48 MiB, ten samples a second."""
    where = tmp_path_factory.mktemp("trace") / "host.trace"
    program = [sys.executable, "-c", MAIN, "record", "-o", str(where), "--every", "0.1s", "--"]
    subprocess.run([*program, sys.executable, "-c", GROWING], check=True, capture_output=True)
    return where


@pytest.fixture(scope="module")
def grown(trace: Path) -> int:
    """The process that grew."""
    found = {}
    for moment in Tracks(Trace(trace)).moments():
        found.update({process.pid: figures["res_bytes"] for process, figures in moment.processes.items() if figures})
    return max(found, key=found.__getitem__)


def test_a_moment_has_what_was_read_for_it(trace: Path, grown: int) -> None:
    whole, sizes, seen = Trace(trace), [], 0
    for number, moment in enumerate(Tracks(whole).moments()):
        seen += 1
        memory = load(whole.sample(number), meminfo)
        assert memory is not None
        assert moment.machine.get("MemFree_bytes") in {
            memory["MemFree"] * 1024,
            None,
        }  # a sample may be of processes alone
        sizes += [figures["res_bytes"] for process, figures in moment.processes.items() if process.pid == grown]
        assert all(set(figures) <= set(PROCESS_FIGURES) for figures in moment.processes.values())
    assert seen == len(whole.frames)
    assert max(sizes) - min(sizes) > 16 << 20  # as much of its growth as a crowded machine let be seen


def test_perfetto_reads_every_packet(trace: Path, grown: int, tmp_path: Path) -> None:
    proto = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    unknown = pytest.importorskip("google.protobuf.unknown_fields").UnknownFieldSet
    out = tmp_path / "host.pftrace"
    assert cli.main(["export", "--root", str(trace), "--perfetto", str(out)]) == 0
    read = proto.Trace()
    read.ParseFromString(out.read_bytes())
    tracks, values, clocks = {}, {}, []
    for packet in read.packet:
        assert not len(unknown(packet))
        if packet.HasField("track_descriptor"):
            assert not len(unknown(packet.track_descriptor))
            tracks[packet.track_descriptor.uuid] = packet.track_descriptor
        elif packet.HasField("track_event"):
            assert not len(unknown(packet.track_event))
            assert packet.timestamp_clock_id == 6
            values.setdefault(packet.track_event.track_uuid, []).append(
                (packet.timestamp, packet.track_event.counter_value or packet.track_event.double_counter_value)
            )
        else:
            clocks.append({clock.clock_id: clock.timestamp for clock in packet.clock_snapshot.clocks})
    assert set(values) == {uuid for uuid, track in tracks.items() if track.HasField("counter")}
    moments = list(Tracks(Trace(trace)).moments())
    assert clocks == [{6: one.boot_ms * 1_000_000, 1: one.unix_ms * 1_000_000} for one in moments]
    (of_process,) = (uuid for uuid, track in tracks.items() if track.process.pid == grown)
    (resident,) = (u for u, t in tracks.items() if t.parent_uuid == of_process and t.name == "res_bytes")
    assert tracks[resident].counter.unit == proto.CounterDescriptor.UNIT_SIZE_BYTES
    assert values[resident] == [
        (one.boot_ms * 1_000_000, figures["res_bytes"])
        for one in moments
        for process, figures in one.processes.items()
        if process.pid == grown and "res_bytes" in figures
    ]


def test_a_perfetto_trace_can_be_read_up_to_any_of_its_samples(trace: Path) -> None:
    proto = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    for number, piece in enumerate(exported_trace.perfetto(Tracks(Trace(trace)))):
        read = proto.Trace()
        read.ParseFromString(piece)
        assert read.packet[0].HasField("clock_snapshot"), number


def test_pyarrow_reads_a_row_a_sample_and_a_row_a_process(trace: Path, grown: int, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "tables"
    assert cli.main(["export", "--root", str(trace), "--parquet", str(out)]) == 0
    moments = list(Tracks(Trace(trace)).moments())
    machine = parquet.read_table(out / "machine.parquet").to_pydict()
    assert machine["time_unix_ms"] == [one.unix_ms for one in moments]
    assert machine["MemFree_bytes"] == [one.machine.get("MemFree_bytes") for one in moments]
    assert machine["pgfault"] == [one.machine.get("pgfault") for one in moments]
    assert None in machine["pgfault"]  # read at every tenth sample
    processes = parquet.read_table(out / "processes.parquet").to_pylist()
    assert [row["res_bytes"] for row in processes if row["pid"] == grown] == [
        figures.get("res_bytes") for one in moments for key, figures in one.processes.items() if key.pid == grown
    ]
    assert out.stat().st_mode & 0o77 == 0  # it has the names of processes


def test_prometheus_reads_all_samples_with_their_times(trace: Path, grown: int, tmp_path: Path) -> None:
    out = tmp_path / "host.om"
    assert cli.main(["export", "--root", str(trace), "--openmetrics", str(out)]) == 0
    families = {family.name: family for family in text_string_to_metric_families(out.read_text())}
    moments = list(Tracks(Trace(trace)).moments())
    free = families["node_memory_MemFree_bytes"]
    known = [one for one in moments if "MemFree_bytes" in one.machine]
    assert [sample.value for sample in free.samples] == [one.machine["MemFree_bytes"] for one in known]
    assert [round(float(sample.timestamp) * 1000) for sample in free.samples] == [one.unix_ms for one in known]
    resident = families["memtwin_process_res_bytes"]
    assert any(sample.labels["pid"] == str(grown) for sample in resident.samples)
    assert families["memtwin_process_cpu_seconds"].type == "counter"
    assert families["node_pressure_memory_stalled_seconds"].type == "counter"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--root", "live", "--perfetto", "out"], "is not a trace"),
        (["--root", "nothing", "--openmetrics", "out"], "is not a trace"),
        (["--root", "TRACE", "--perfetto", "out", "--listen", "127.0.0.1:0"], "serves one moment"),
        (["--root", "TRACE", "--perfetto", ""], "directory"),
        (["--root", "TRACE", "--perfetto", "out", "--openmetrics", "./out"], "cannot have one name"),
        (["--root", "TRACE@first", "--perfetto", "out"], "is not a trace"),
        (["--root", "TRACE", "--perfetto", "no/such/directory"], "there is no directory"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(
    trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], says: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", *(word.replace("TRACE", str(trace)) for word in words)]) != 0
    out, err = capsys.readouterr()
    assert says in err
    assert not out
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_figures_end_with_their_unit() -> None:
    assert all(re.search("_(bytes|us|faults)$", name) for name in PROCESS_FIGURES)
    assert {unit_of(name) for name in ("MemFree_bytes", "cpu_us", "nr_dirty", "pgfault")} == {
        "bytes", "us", "pages", "count",
    }  # fmt: skip
