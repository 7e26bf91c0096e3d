"""Traces as scenarios: what is written for growth, shrinking, faults, forks; and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from memtwin import cli
from memtwin.diagnose.locality import Look, worked_with
from memtwin.diagnose.player import FRESH_ANON_BYTES, FRESH_FAULTS, FRESH_FILE_BYTES, HALF, HUGE, PAGE
from memtwin.diagnose.workload import Workload, workload_of
from memtwin.errors import RecordingError
from memtwin.procfs import swaps as swaps_file
from memtwin.procfs.pid import smaps_rollup, stat
from memtwin.run.run import simulate
from memtwin.scenario import parse
from memtwin.sources.source import load
from memtwin.sources.texts import TextSource
from memtwin.sources.tracks import Moment, Process
from memtwin.units import Kib

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


FIRST = {
    "proc/version": "Linux version 6.1.0-30-amd64 (x) #1 SMP\n",
    "proc/sys/kernel/osrelease": "6.1.0-30-amd64\n",
    "sys/devices/system/cpu/online": "0-1\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    "proc/sys/vm/swappiness": "10\n",
    "proc/sys/vm/dirty_ratio": "20\n",
    "proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
    "/dev/sda2                               partition\t65532\t\t0\t\t-2\n",
    "sys/block/sda/queue/rotational": "1\n",
}


def workload(given: Samples, files: dict[str, str] = FIRST, **words: Any) -> Workload:
    """Return the workload of samples on a machine of these files."""
    return workload_of(given, TextSource("first", files), **words)  # type: ignore[arg-type]


class Samples:
    """A trace of samples: seconds; by process anonymous and file bytes above those of a fresh one, and faults."""

    def __init__(
        self, *samples: tuple[float, dict[int, tuple[int, int, int | None]]], parents: dict[int, int] | None = None
    ):
        self.samples = samples
        self.contents: dict[Process, dict[str, float]] = {}
        self.touched: dict[float, dict[str, int]] = {}
        self.programs: dict[float, dict[Process, int]] = {}
        self.start_ticks = 10_000
        self.parents = {Process(child, 10_000): Process(parent, 10_000) for child, parent in (parents or {}).items()}

    def moments(self) -> Iterator[Moment]:
        for at_s, sizes in self.samples:
            processes = {}
            for pid, (anon, file, faults) in sizes.items():
                shared = file + FRESH_FILE_BYTES
                figures = {"res_bytes": anon + FRESH_ANON_BYTES + shared, "shr_bytes": shared}
                figures |= self.touched.get(float(at_s), {})
                processes[Process(pid, self.start_ticks)] = figures | (
                    {} if faults is None else {"minor_faults": faults}
                )
            names = dict.fromkeys(processes, "prog")
            programs = self.programs.get(float(at_s), {})
            boot_ms = 100_000 + int(at_s * 1000)
            yield Moment(0, boot_ms, 100, dict(MACHINE), processes, names, self.parents, programs=programs)


def lines(given: Samples) -> list[str]:
    text = workload(given).text
    parse(text, "trace")
    return [line for line in text.splitlines() if line.startswith(("prog", "until"))]


def test_growth_by_fewer_faults_than_pages_is_huge_pages() -> None:
    """Each is one fault: six of them and 300 small ones give 13.2 MB."""
    given = Samples(
        (0, {7: (0, 0, FRESH_FAULTS)}),
        (1, {7: (6 * HUGE + 300 * PAGE, 0, FRESH_FAULTS + 306)}),
        (2, {7: (4 * HUGE + 300 * PAGE, 0, FRESH_FAULTS + 306)}),
    )
    given.touched = {1.0: {"huge_bytes": 6 * HUGE}, 2.0: {"huge_bytes": 4 * HUGE}}
    made = workload(given)
    assert made.text.startswith("machine ram=576M cpus=2 kernel=6.1 thp=madvise\n")
    assert [line for line in made.text.splitlines() if " huge " in line][2:] == [
        f"prog-7 touch huge 0 {6 * HUGE} w seq content=half",
        f"prog-7 madvise huge {4 * HUGE} {2 * HUGE} dontneed",
    ]
    run = TextSource("run", simulate(parse(made.text, "trace"), None).files())
    for label, number in (("t1.000", 6), ("t2.000", 4)):
        rollup = load(run, smaps_rollup, f"{label}/workers/prog-7/smaps_rollup")
        counters = load(run, stat, f"{label}/workers/prog-7/stat")
        assert rollup is not None
        assert counters is not None
        assert (rollup.rows["AnonHugePages"], counters.field("minflt")) == (number * HUGE >> 10, FRESH_FAULTS + 306)


def test_what_it_had_at_the_beginning_is_no_fault_of_the_trace() -> None:
    """A process that was there faults as often as it does in the trace, however large it was."""
    given = Samples((0, {7: (8 * MIB, 0, 90_000)}), (1, {7: (8 * MIB, 0, 90_256)}))
    given.start_ticks = 1
    assert f"prog-7 madvise heap {7 * MIB} {MIB} dontneed" in lines(given)


def test_a_program_that_is_executed_is_another_process() -> None:
    """Its memory is its own and new, and so are its faults; what forked it is not its parent any more."""
    given = Samples(
        (0, {7: (20 * MIB, 2 * MIB, 6000)}),
        (1, {7: (20 * MIB, 2 * MIB, 6000), 8: (20 * MIB, 2 * MIB, 90)}),
        (2, {7: (20 * MIB, 2 * MIB, 6000), 8: (4 * MIB, 9 * MIB, 90 + FRESH_FAULTS + 1024)}),
        parents={8: 7},
    )
    seven, eight = Process(7, 10_000), Process(8, 10_000)
    given.programs = {0.0: {seven: 1}, 1.0: {seven: 1, eight: 1}, 2.0: {seven: 1, eight: 2}}
    made = workload(given)
    assert [(life.word, life.ended_s, life.is_forked) for life in made.lives] == [
        ("prog-7", None, False), ("prog-8", 2.0, True), ("prog-8-2", None, False),
    ]  # fmt: skip
    found = made.text.splitlines()
    assert "prog-7 fork prog-8" in found
    assert found.index("prog-8 exit") < found.index("proc prog-8-2")
    assert f"prog-8-2 touch heap 0 {4 * MIB} w seq content=half" in found
    assert made.lives[2].sizes[0].faults == FRESH_FAULTS + 1024


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
    found = workload(given)
    assert "prog-9" not in found.text
    assert any("1 process that" in one for one in found.notes)
    assert "machine ram=576M" in found.text
    assert "swap disk size=63M rot=1" in found.text


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
        workload(Samples((0, {7: (8 * MIB, 0, 3000)})))


def header(**files: str) -> tuple[list[str], str]:
    """Return the header's lines that are of the machine, and the notes, with other files in place of the first ones."""
    given = FIRST | {name.replace("__", "/").replace("_-", "."): text for name, text in files.items()}
    found = workload(Samples((0, {7: (8 * MIB, 0, 3000)})), given)
    parse(found.text, "trace")
    lines = found.text.splitlines()
    return [line for line in lines if line.startswith(("machine", "swap", "sysctl"))], " ".join(found.notes)


def test_kernel_cpus_swap_and_settings_are_those_of_the_trace() -> None:
    """What the kernel has by itself is not written; what the model does otherwise is a note."""
    lines, notes = header()
    assert lines == ["machine ram=576M cpus=2 kernel=6.1", "swap disk size=63M rot=1", "sysctl vm.swappiness=10"]
    assert "huge pages are off here" in notes
    assert "Linux 6.1" not in notes
    lines, notes = header(proc__sys__kernel__osrelease="6.18.5-x\n", sys__devices__system__cpu__online="0-99\n")
    assert lines[0] == "machine ram=576M cpus=64 kernel=6.12"
    assert "the model's nearest is 6.12" in notes
    assert "of 100 CPUs the model has 64" in notes
    lines, notes = header(sys__kernel__mm__lru_gen__enabled="0x0007\n", sys__devices__system__cpu__online="x")
    assert lines[0] == "machine ram=576M cpus=1 kernel=6.1 lru_gen=on"
    assert "how many CPUs" in notes


def test_kinds_of_swap_are_those_of_the_trace() -> None:
    areas = (
        ("/dev/zram0", "partition", 131068, 100),
        ("/swapfile", "file", 262140, 5),
        ("/dev/zram1", "partition", 65532, 99),
    )
    swaps = swaps_file.render(swaps_file.Swaps(tuple(
        swaps_file.SwapArea(name, kind, Kib(size), Kib(0), priority) for name, kind, size, priority in areas
    )))  # fmt: skip
    lines, notes = header(proc__swaps=swaps, sys__block__zram0__comp_algorithm="lzo [zstd]\n")
    assert lines[1:4] == [
        "swap zram size=127M algo=zstd prio=100", "swap disk size=255M prio=5", "swap disk name=disk2 size=63M prio=99",
    ]  # fmt: skip
    assert "swap on /swapfile is a disk here" in notes
    assert "swap on /dev/zram1 is a disk here" in notes
    on = "sys__module__zswap__parameters__"
    zswap = {f"{on}enabled": "Y", f"{on}max_pool_percent": "25", f"{on}compressor": "lzo", f"{on}zpool": "z3fold"}
    lines, notes = header(**zswap)
    assert "swap zswap max_pool_percent=25 compressor=lzo zpool=zbud" in lines
    assert "in the trace z3fold" in notes


def test_what_it_works_with_is_touched_again() -> None:
    """Of 8 MiB it touched 3 in the second: the newest ones, less what was new to it anyhow."""
    given = Samples((0, {7: (8 * MIB, 0, None)}), (1, {7: (8 * MIB, 0, None)}), (2, {7: (9 * MIB, 0, None)}))
    for at, touched in ((1, 3), (2, 2)):
        figures = {"touched_anon_bytes": touched * MIB + FRESH_ANON_BYTES, "touched_file_bytes": 0}
        given.touched[float(at)] = figures
    found = [line for line in lines(given) if "touch" in line]
    assert found == [
        f"prog-7 touch heap 0 {8 * MIB} w seq content=half",
        f"prog-7 touch heap {8 * MIB} {MIB} w seq content=half",
        f"prog-7 touch heap {7 * MIB} {MIB} w seq",
    ]
    given.touched[1.0]["touched_anon_bytes"] = 9 * MIB
    assert f"prog-7 touch heap 0 {8 * MIB} w seq" not in lines(given)  # its first sample wrote all of it


def test_what_is_freed_and_written_again_lies_within_what_was_touched() -> None:
    """1,000 faults of a process that has 8 MiB and touched 1 of them: pages of that one are freed, four times."""
    grown = 8 * MIB // PAGE + FRESH_FAULTS
    given = Samples((0, {7: (8 * MIB, 0, grown)}), (1, {7: (8 * MIB, 0, grown + 1000)}))
    given.touched[1.0] = {"touched_anon_bytes": MIB + FRESH_ANON_BYTES, "touched_file_bytes": 0}
    found = [line.split(" ", 3)[3] for line in lines(given) if "dontneed" in line]
    rest = 1000 * PAGE - 3 * MIB
    assert found == [f"{7 * MIB} {MIB} dontneed"] * 3 + [f"{8 * MIB - rest} {rest} dontneed"]
    given.touched.clear()
    assert [line.split(" ", 3)[3] for line in lines(given) if "dontneed" in line] == [
        f"{8 * MIB - 1000 * PAGE} {1000 * PAGE} dontneed"
    ]


def test_who_started_it_is_not_itself() -> None:
    """A process that has more than it faulted on, and whose parent is in no sample, is its own."""
    given = Samples((0, {7: (8 * MIB, 0, 100)}), (1, {7: (8 * MIB, 0, 200)}))
    assert not any(" fork " in line for line in lines(given))


def test_how_often_it_goes_about_its_memory_follows_from_two_lengths() -> None:
    """2 of 8 MiB in a second and 4.6 in three: by chance, over all; the same 2 in both: these alone, in order."""
    found = {}
    for touched in ((2.0, 4.6), (2.0, 2.0)):
        given = Samples(*((at, {7: (8 * MIB, 0, None)}) for at in (0, 1, 2, 5, 6, 9)))
        for at, length in ((1, 0), (2, 0), (5, 1), (6, 0), (9, 1)):
            some = int(touched[length] * MIB) + FRESH_ANON_BYTES
            given.touched[float(at)] = {"touched_anon_bytes": some, "touched_file_bytes": 0}
        found[touched[1]] = [line for line in lines(given) if "touch heap" in line][1:]
    draws = [int(line.split("rand:")[1].split(":")[0]) for line in found[4.6]]
    assert [round(count / 100) for count in draws] == [6, 18, 6, 18]  # -2048 ln(1 - 2/8), and for 4.6 of 8
    assert all(f" 0 {8 * MIB - FRESH_ANON_BYTES} w " in line or " w rand" in line for line in found[4.6])
    assert {line.split(" ", 3)[3] for line in found[2.0]} == {f"{6 * MIB} {2 * MIB} w seq"}


def test_parts_are_known_where_lengths_differ_and_pages_come_round() -> None:
    """A part of which the longer interval has touched less than half says nothing, nor do equal lengths."""
    assert worked_with([Look(1, 100), Look(3, 300)], 0, 10_000) is None
    assert worked_with([Look(1, 100), Look(1.5, 140)], 0, 200) is None
    assert worked_with([Look(1, 100), Look(3, 200)], 0, 0) is None
    part = worked_with([Look(1, 300), Look(3, 657)], 1, 5000)
    assert part is not None
    assert part.size_bytes == pytest.approx(1000, rel=0.01)
    assert part.touched_bytes_per_s == pytest.approx(357, rel=0.01)


def test_contents_are_written_in_their_shares() -> None:
    given = Samples((0, {7: (8 * MIB, 0, None)}))
    given.contents[Process(7, 10_000)] = {"same": 0.5}
    found = workload(given, mixes=lambda one: (("zero", 50), ("text", 50)) if one["same"] == 0.5 else HALF)
    writes = [line for line in found.text.splitlines() if line.startswith("prog-7 touch heap")]
    assert writes == [
        f"prog-7 touch heap 0 {4 * MIB} w seq content=zero",
        f"prog-7 touch heap {4 * MIB} {4 * MIB} w seq content=text",
    ]  # fmt: skip
    assert not [note for note in found.notes if "contents" in note]


def test_references_are_forgotten_and_counted_again_on_the_model() -> None:
    """Referenced of smaps is what was touched since clear_refs, of small and of huge pages."""
    for thp in ("never", "always"):
        text = f"""machine ram=1G thp={thp}
file f 1M
proc A
A mmap h 16M
A touch h 0 16M w seq
A clear_refs
checkpoint none
A touch h 4M 2M r seq
checkpoint some
"""
        run = simulate(parse(text, "x"), None)
        files = TextSource("run", run.files())
        none, some = (load(files, smaps_rollup, f"{label}/workers/A/smaps_rollup") for label in ("none", "some"))
        assert none is not None
        assert some is not None
        assert none.rows["Referenced"] <= 64
        assert 2048 <= some.rows["Referenced"] - none.rows["Referenced"] <= 2048 + 64


def test_what_is_not_in_the_trace_is_named() -> None:
    notes = " ".join(workload(Samples((0, {7: (8 * MIB, 0, 3000)}))).notes)
    assert "record --working-set" in notes
    assert "record --contents" in notes
    bare = " ".join(workload(Samples((0, {7: (8 * MIB, 0, 3000)})), {}).notes)
    assert "which kernel it is is not in the trace" in bare
