"""Does an estimate say what a real zram device then holds: data within 3 %, the RAM that it takes within 5 %?

``zram_device.tsv`` is what ``lab/zram_device.py`` printed: real kernels' mm_stat of contents that the test makes again.
The recordings 103 to 105 have one content of the scenario language after the other.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from memtwin.errors import NotBuiltError
from memtwin.sources.compressors import compressors, is_same
from memtwin.sources.recording import Recording
from memtwin.sysfs.zram import mm_stat
from memtwin.sysfs.zram.zsmalloc import classes_of
from memtwin.views.zram_estimate import SAME, Estimate, Measured, estimate

ROOT = Path(__file__).parents[2]
RECORDINGS = ROOT / "tests" / "recordings"
ROWS = [line.split("\t") for line in Path(__file__).with_name("zram_device.tsv").read_text().splitlines()]
DATA, MEMORY = 0.03, 0.05
PAGE = 4096

sys.path.insert(0, str(ROOT / "lab"))
import contents  # noqa: E402
import zram_device  # noqa: E402

sys.path.pop(0)
FILES = zram_device.contents()


def estimated(algorithm: str, release: tuple[int, int], pages: list[bytes], total: int | None = None) -> Estimate:
    """Estimate what zram makes of *total* pages of which *pages* are a sample."""
    try:
        made, _ = compressors((algorithm,), release)
    except NotBuiltError as problem:
        pytest.skip(str(problem))
    lengths = tuple(SAME if is_same(page) else len(made[algorithm](page)) for page in pages)
    return estimate(Measured(algorithm, lengths, 1), total or len(pages), classes_of(release))


def pages_of(data: bytes) -> list[bytes]:
    return [data[at : at + PAGE].ljust(PAGE, b"\0") for at in range(0, len(data), PAGE)]


def version(release: str) -> tuple[int, int]:
    major, minor = release.split(".")[:2]
    return int(major), int(minor)


@pytest.mark.parametrize("row", [row for row in ROWS if row[1] != "lzo-rle"], ids=lambda row: "-".join(row[:3]))
def test_of_all_pages_it_is_what_the_device_held(row: list[str]) -> None:
    release, algorithm, name, *numbers = row
    orig, compressed, total = map(int, numbers)
    found = estimated(algorithm, version(release), pages_of(FILES[name]))
    assert found.orig_data_size == orig
    assert found.compr_data_size == pytest.approx(compressed, rel=DATA)
    assert found.mem_used_total == pytest.approx(total, rel=MEMORY)


@pytest.mark.parametrize("name", ["words", "records"])
def test_a_sample_is_within_its_interval(name: str) -> None:
    """Of 40 samples of a tenth of the pages at least 34 hold the device's figure in their interval of 95 in 100."""
    release, _, _, *numbers = next(row for row in ROWS if row[1:3] == ["zstd", name])
    pages = pages_of(FILES[name])
    held = 0
    for seed in range(40):
        chosen = random.Random(seed).sample(pages, len(pages) // 10)
        found = estimated("zstd", version(release), chosen, len(pages))
        slack = int(numbers[2]) * 0.02  # groups that are not full yet
        held += found.low - slack <= int(numbers[2]) <= found.high + slack
    assert held >= 34


@pytest.mark.parametrize(
    ("recording", "algorithm"),
    [("103-zram-lz4-classes", "lz4"), ("104-zram-zstd-classes", "zstd"), ("105-zram-lzo-classes", "lzo")],
)
def test_of_the_contents_of_a_recording_it_is_mm_stat(recording: str, algorithm: str) -> None:
    """Text, then half-random, random, zero and marked pages, as a real kernel swapped them out."""
    run = Recording(RECORDINGS / recording / "run1.tar.xz")
    pages: list[bytes] = []
    for content in ("text", "half", "random", "zero", "mark"):
        stat = mm_stat.parse(run.at(content).read("sys/block/zram0/mm_stat") or "")
        number = stat.orig_data_size // PAGE - len(pages)
        pages += [contents.page(content, 3, at) for at in range(min(number, 500))] * (number // 500)
        pages += pages[: number % 500] if content == "text" else [contents.page(content, 3, 0)] * (number % 500)
        found = estimated(algorithm, (6, 1), pages)
        assert found.compr_data_size == pytest.approx(stat.compr_data_size, rel=DATA)
        assert found.mem_used_total == pytest.approx(stat.mem_used_total, rel=MEMORY)


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_model_makes_as_much_of_the_mix(name: str) -> None:
    """Memory of the contents that the estimate names takes in the model's zram what the estimate says, within 6 %."""
    from memtwin.run.grow import mix_of
    from memtwin.run.run import simulate
    from memtwin.scenario import parse

    found = estimated("lz4", (6, 1), pages_of(FILES[name]))
    lines = ["machine ram=256M", "swap zram size=256M algo=lz4", "proc A", "A mmap h 100M"]
    at = 0
    for part in mix_of("lz4", found.same, found.whole, found.rest_mean).split("+"):
        content, _, percent = part.rstrip("%").partition(":")
        lines += [f"A touch h {at}M {percent}M w seq content={content}"]
        at += int(percent)
    assert at == 100
    run = simulate(parse("\n".join([*lines, "A madvise h 0 100M pageout", "checkpoint end", ""])), None)
    stat = mm_stat.parse(run.checkpoints["end"]["sys/block/zram0/mm_stat"])
    assert stat.orig_data_size > 99 << 20
    share = found.compr_data_size / found.orig_data_size
    assert stat.compr_data_size / stat.orig_data_size == pytest.approx(share, rel=0.06, abs=0.005)


def test_lzo_is_no_lzo_rle() -> None:
    """What the help says of it: within 3 % on these contents, and no closer."""
    worst = 0.0
    for release, algorithm, name, _, compressed, _ in ROWS:
        if algorithm == "lzo-rle":
            found = estimated("lzo", version(release), pages_of(FILES[name]))
            worst = max(worst, abs(found.compr_data_size / int(compressed) - 1))
    assert 0.005 < worst < 0.03
