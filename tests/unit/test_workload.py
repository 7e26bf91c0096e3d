"""Traces as scenarios: what is written for growth, shrinking, faults, forks; and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memtwin import cli
from memtwin.diagnose.workload import FRESH_ANON_BYTES, FRESH_FAULTS, FRESH_FILE_BYTES, PAGE, workload_of
from memtwin.errors import RecordingError
from memtwin.procfs.pid import smaps_rollup, stat
from memtwin.run.run import simulate
from memtwin.scenario import parse
from memtwin.sources.source import load
from memtwin.sources.texts import TextSource
from memtwin.sources.tracks import Moment, Process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1 << 20
MACHINE = {
    "MemTotal_bytes": 500 * MIB,
    "AnonPages_bytes": 30 * MIB,
    "Cached_bytes": 20 * MIB,
    "SwapTotal_bytes": 64 * MIB,
}


class Samples:
    """A trace of samples: seconds; by process anonymous and file bytes above those of a fresh one, and faults."""

    def __init__(
        self, *samples: tuple[float, dict[int, tuple[int, int, int | None]]], parents: dict[int, int] | None = None
    ):
        self.samples = samples
        self.parents = {Process(child, 10_000): Process(parent, 10_000) for child, parent in (parents or {}).items()}

    def moments(self) -> Iterator[Moment]:
        for at_s, sizes in self.samples:
            processes = {}
            for pid, (anon, file, faults) in sizes.items():
                shared = file + FRESH_FILE_BYTES
                figures = {"res_bytes": anon + FRESH_ANON_BYTES + shared, "shr_bytes": shared}
                processes[Process(pid, 10_000)] = figures | ({} if faults is None else {"minor_faults": faults})
            names = dict.fromkeys(processes, "prog")
            yield Moment(0, 100_000 + int(at_s * 1000), 100, dict(MACHINE), processes, names, self.parents)


def lines(given: Samples) -> list[str]:
    text = workload_of(given).text
    parse(text, "trace")
    return [line for line in text.splitlines() if line.startswith(("prog", "until"))]


def test_growth_is_written_and_what_it_had_less_is_given_back() -> None:
    given = Samples(
        (0, {7: (8 * MIB, 0, None)}), (1, {7: (12 * MIB, 4 * MIB, None)}), (2, {7: (4 * MIB, 4 * MIB, None)})
    )
    begin, *rest = lines(given)
    assert begin.startswith("until")
    assert rest[:3] == [
        "prog-7 mmap heap 12582912",
        "prog-7 fmap files prog-7.files shared",
        "prog-7 touch heap 0 8388608 w seq content=half",
    ]
    assert "prog-7 touch heap 8388608 4194304 w seq content=half" in rest
    assert "prog-7 touch files 0 4194304 r seq" in rest
    assert "prog-7 madvise heap 4194304 8388608 dontneed" in rest


def test_faults_beyond_growth_are_pages_given_back_and_written_again() -> None:
    grown = 4 * MIB // PAGE + FRESH_FAULTS
    given = Samples((0, {7: (4 * MIB, 0, grown)}), (1, {7: (4 * MIB, 0, grown + 100)}))
    found = lines(given)
    assert f"prog-7 madvise heap {4 * MIB - 100 * PAGE} {100 * PAGE} dontneed" in found
    assert found.count(f"prog-7 touch heap {4 * MIB - 100 * PAGE} {100 * PAGE} w seq content=half") == 1


def test_more_memory_than_faults_was_the_parents() -> None:
    given = Samples(
        (0, {7: (8 * MIB, 0, 3000)}), (1, {7: (8 * MIB, 0, 3000), 8: (8 * MIB, 0, 40)}), parents={8: 7},
    )  # fmt: skip
    found = lines(given)
    assert "prog-7 fork prog-8" in found
    assert f"prog-8 touch heap {8 * MIB - 40 * PAGE} {40 * PAGE} w seq content=half" in found
    assert not any("prog-8 mmap" in line for line in found)


def test_a_process_ends_when_it_is_seen_no_more() -> None:
    given = Samples(
        (0, {7: (8 * MIB, 0, 3000), 8: (2 * MIB, 0, 900)}), (1, {7: (8 * MIB, 0, 3000)}), (2, {7: (8 * MIB, 0, 3000)})
    )
    found = lines(given)
    assert found.count("prog-8 exit") == 1
    assert "prog-7 exit" not in found


def test_a_process_whose_memory_is_gone_has_ended() -> None:
    """A zombie has no address space: its last sizes are no sizes."""

    class Ending(Samples):
        def moments(self) -> Iterator[Moment]:
            *lived, last = super().moments()
            yield from lived
            gone = {process: {"virt_bytes": 0, "res_bytes": 0, "shr_bytes": 0} for process in last.processes}
            yield last._replace(processes=gone)

    stays: dict[int, tuple[int, int, int | None]] = {7: (8 * MIB, 0, 3000)}
    found = lines(Ending((0, stays), (1, stays)))
    assert found.count("prog-7 exit") == 1
    assert not any("dontneed" in line and " files " in line for line in found)


def test_small_processes_are_left_out_and_named() -> None:
    given = Samples((0, {7: (8 * MIB, 0, 3000), 9: (0, 0, 33)}))
    found = workload_of(given)
    assert "prog-9" not in found.text
    assert any("1 process that" in one for one in found.notes)
    assert "machine ram=576M" in found.text
    assert "swap disk size=64M" in found.text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nothing.trace"], "No such file"), (["TEXT"], "is not a trace"), (["TEXT", "--json"], "a scenario is text"),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    text = tmp_path / "text"
    text.write_text("no trace\n")
    assert cli.main(["replay", *(word.replace("TEXT", str(text)) for word in words)]) != 0
    out, err = capsys.readouterr()
    assert says in err
    assert not out
    assert "Traceback" not in err


def test_a_fresh_process_of_a_scenario_is_what_is_taken_off() -> None:
    """Of each size in a trace: what it has of its program, of its own, and how often it has faulted for both."""
    run = simulate(parse("machine ram=256M\nfile f 1M\nproc A\nA mmap h 1M\nA fmap m f shared\ncheckpoint c\n"), None)
    files = TextSource("run", run.files())
    rollup, counters = load(files, smaps_rollup, "c/workers/A/smaps_rollup"), load(files, stat, "c/workers/A/stat")
    assert rollup is not None
    assert counters is not None
    anon_bytes = rollup.rows["Anonymous"] * 1024
    assert anon_bytes == FRESH_ANON_BYTES
    assert rollup.rows["Rss"] * 1024 - anon_bytes == FRESH_FILE_BYTES
    assert counters.field("minflt") == FRESH_FAULTS


def test_without_meminfo_the_machine_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(MACHINE, "MemTotal_bytes")
    with pytest.raises(RecordingError, match="how large the machine is"):
        workload_of(Samples((0, {7: (8 * MIB, 0, 3000)})))


def test_what_is_the_models_own_is_named() -> None:
    notes = " ".join(workload_of(Samples((0, {7: (8 * MIB, 0, 3000)}))).notes)
    assert "Linux 6.1, one CPU" in notes
