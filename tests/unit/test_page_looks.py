"""Pages of a trace: what is read of them, and which touches of a scenario are made of them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from memtwin.diagnose.page_bits import runs
from memtwin.diagnose.player import FRESH_FAULTS, PAGE
from memtwin.diagnose.workload import workload_of
from memtwin.errors import ProcParseError, ScenarioError
from memtwin.procfs.pid import smaps_rollup
from memtwin.run.run import simulate
from memtwin.scenario import Listed, Touch, pages, parse
from memtwin.sources import open_files, page_looks
from memtwin.sources.open_files import OpenFile
from memtwin.sources.page_looks import PAGES_PER_TABLE, MappedFile, PageLook, Pages
from memtwin.sources.source import load
from memtwin.sources.texts import TextSource
from memtwin.sources.tracks import Moment, Process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAPS = (
    "00400000-00402000 r-xp 00000000 fe:00 12                                 /bin/x\n"
    "00402000-00a00000 rw-p 00000000 00:00 0                                  [heap]\n"
)


def digits(bits: int) -> str:
    """Return a table's bits as the sampler writes them."""
    return "".join(chr(ord("a") + (bits >> at & 15)) for at in range(0, PAGES_PER_TABLE, 4))


def test_pages_of_files_are_told_from_a_process_s_own() -> None:
    line = f"2 {digits(0b1111)} {digits(0b1110)} {digits(0b0110)}\n"
    found = page_looks.parse(line, MAPS)
    assert found.own == {2: Pages(0b1100, 0b1100, 0b0100)}
    assert found.files == {MappedFile("/bin/x", executable=True): Pages(0b0011, 0b0010, 0b0010, 2)}


@pytest.mark.parametrize("text", ["2 aa aa aa", f"x {digits(1)} {digits(1)} {digits(1)}", f"2 {digits(1)}"])
def test_what_is_no_look_is_refused(text: str) -> None:
    with pytest.raises(ProcParseError, match="page table"):
        page_looks.parse(text, MAPS)


def test_open_files_have_their_way_of_access() -> None:
    one, other, both = open_files.parse(
        "0 0100000 5 9 /a b\n1 0100001 7 7 /out\n2 0100002 0 0 /c\n3 0 0 140737471594496 /proc/kcore\n"
    )
    assert [(file.reads, file.writes) for file in (one, other, both)] == [(True, False), (False, True), (True, True)]
    assert (one.path, one.position, one.size) == ("/a b", 5, 9)
    with pytest.raises(ProcParseError, match="open file"):
        open_files.parse("0 rw 5 9 /a\n")


def drawn(seed: int, share: float, npages: int) -> int:
    chance = random.Random(seed)
    return sum(1 << page for page in range(npages) if chance.random() < share)


def test_runs_are_walked_beside_one_another_each_upwards() -> None:
    bits = drawn(1, 0.3, 400)
    pattern = Listed(bits, seed=9, read=drawn(2, 0.1, 400))
    steps = list(pattern.steps)
    order = [page for page, _, _ in steps]
    assert sorted(order) == [page for page in range(400) if bits >> page & 1]
    assert order != sorted(order)
    for first, npages in pattern.runs:
        assert [page for page in order if first <= page < first + npages] == list(range(first, first + npages))
    assert {page for page, _, reads in steps if reads} == {page for page in order if pattern.read >> page & 1}


def test_a_set_of_pages_is_touched_and_nothing_else() -> None:
    text = "machine ram=256M\nproc A\nA mmap h 64K\nA touch h 8K 20K w set:d1\ncheckpoint c\n"
    op = next(op for op in parse(text).ops if isinstance(op, Touch))
    assert op.pattern == Listed(0b0001_1101)
    assert list(pages(op.pattern, op.npages)) == [0, 2, 3, 4]
    without = simulate(parse(text.replace("w set:d1", "w rand:0:1")), None)
    run = simulate(parse(text), None)
    rows = [load(TextSource("run", one.files()), smaps_rollup, "c/workers/A/smaps_rollup") for one in (run, without)]
    assert rows[0] is not None
    assert rows[1] is not None
    assert rows[0].rows["Anonymous"] - rows[1].rows["Anonymous"] == len(op.pattern.runs) * 4 + 2 * 4


@pytest.mark.parametrize(
    "line",
    [
        "A touch h 0 8K w set:7",
        "A touch h 0 8K w set:xyz",
        "A touch h 0 8K w set:3 rate=1M/s",
        "A touch h 0 8K w set:3 &",
    ],
)
def test_a_set_that_cannot_be_is_refused(line: str) -> None:
    with pytest.raises(ScenarioError):
        parse(f"machine ram=256M\nproc A\nA mmap h 64K\n{line}\n")


class Samples:
    """A trace of one process that has looks at its pages and at its files."""

    def __init__(self, *looks: tuple[PageLook, int, Sequence[OpenFile]]) -> None:
        self.looks = looks
        self.contents: dict[Process, dict[str, float]] = {}

    def moments(self) -> Iterator[Moment]:
        process = Process(7, 10_000)
        machine = {"MemTotal_bytes": 500 << 20}
        for number, (look, faults, files) in enumerate(self.looks):
            size = 8 << 20
            figures = {"res_bytes": size, "shr_bytes": 0, "minor_faults": faults}
            yield Moment(
                0, 100_000 + 1000 * number, 100, dict(machine), {process: figures}, {process: "p"}, {},
                {process: look}, {process: files},
            )  # fmt: skip


def look(had: int, touched: int, written: int) -> PageLook:
    return PageLook({5: Pages(had, touched, written)}, {})


def lines(*looks: Any) -> list[str]:
    given = Samples(*looks)
    text = workload_of(given, TextSource("first", {"proc/version": "Linux version 6.1.0\n"})).text  # type: ignore[arg-type]
    parse(text, "trace")
    return [line for line in text.splitlines() if line.startswith("p-7 ") and " files" not in line]


def test_new_pages_are_written_used_ones_touched_and_lost_ones_freed() -> None:
    begin = FRESH_FAULTS + 3
    found = lines((look(0b0111, 0b0111, 0b0111), begin, ()), (look(0b1110, 0b1110, 0b1010), begin + 2, ()))
    assert found == [
        "p-7 mmap heap 2097152",
        f"p-7 touch heap 0 {3 * PAGE} w seq content=half",
        f"p-7 madvise heap 0 {PAGE} dontneed",
        f"p-7 touch heap {PAGE} {2 * PAGE} w set:3:1:2",
        f"p-7 touch heap {3 * PAGE} {PAGE} w seq content=half",
    ]  # fmt: skip


def test_faults_that_neither_growth_nor_protection_explains_are_pages_given_back() -> None:
    pages = (1 << 200) - 1
    begin = FRESH_FAULTS + 200
    found = lines((look(pages, pages, pages), begin, ()), (look(pages, pages, 0b111), begin + 3 + 100, ()))
    assert [line for line in found if "dontneed" in line] == [f"p-7 madvise heap 0 {100 * PAGE} dontneed"]
    assert f"p-7 touch heap 0 {100 * PAGE} w seq content=half" in found


def test_files_are_read_and_written_as_far_as_positions_moved() -> None:
    nothing = look(1, 1, 1)
    found = lines(
        (nothing, 10, [OpenFile(3, 0, 0, 20_000, "/in"), OpenFile(4, 1, 0, 0, "/out")]),
        (nothing, 10, [OpenFile(3, 0, 9000, 20_000, "/in"), OpenFile(4, 1, 5000, 5000, "/out")]),
    )
    assert [line for line in found if " fread " in line or " fwrite " in line] == [
        "p-7 fread file0 0 12288 4096", "p-7 fwrite file1 0 8192 4096",
    ]  # fmt: skip


def test_runs_are_those_of_a_listed_pattern() -> None:
    bits = drawn(8, 0.3, 100)
    assert list(runs(bits)) == Listed(bits).runs
