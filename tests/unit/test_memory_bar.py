"""Do the segments of the memory bar add up, and is none larger than it is?"""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from memtwin.procfs import meminfo, swaps
from memtwin.sources.recording import Recording
from memtwin.sources.source import load
from memtwin.views.memory_bar import GLYPHS, lines, segments

RUN = Path(__file__).parents[1] / "recordings" / "35-zram-then-disk-small" / "run1.tar.xz"
ROWS = ("MemTotal", "MemFree", "Buffers", "Cached", "SReclaimable", "Shmem", "Dirty", "Writeback")


def test_they_add_up_at_every_checkpoint_of_a_real_run() -> None:
    recording = Recording(RUN)
    for label in recording.checkpoints:
        memory = load(recording.at(label), meminfo)
        assert memory is not None
        parts = segments(memory)
        assert parts is not None
        assert sum(part.kib for part in parts) == memory["MemTotal"]
        assert [part.name for part in parts] == list(GLYPHS)


def test_without_a_row_that_tells_them_apart_there_is_no_bar() -> None:
    assert segments(meminfo.Meminfo({"MemTotal": 100, "MemFree": 10})) is None


@given(st.lists(st.integers(0, 1 << 40), min_size=8, max_size=8), st.integers(1, 300), st.booleans())
def test_any_figures_make_a_bar_of_its_width(figures: list[int], columns: int, unicode: bool) -> None:
    parts = segments(meminfo.Meminfo(dict(zip(ROWS, figures, strict=True))))
    assert parts is not None
    bar, legend = lines(parts, None, columns, unicode=unicode)
    assert len(bar) in {max(columns, 15), 5}  # 5: of nothing
    assert unicode or (bar + legend).isascii()
    glyph = GLYPHS["shared"][not unicode]
    whole = sum(max(part.kib, 0) for part in parts)
    share = max(parts[1].kib, 0) / whole if whole else 0
    assert abs(bar.count(glyph) - share * (len(bar) - 5)) <= 1


def test_each_area_has_a_bar_and_hostile_names_stay_text() -> None:
    area = swaps.SwapArea("/dev/e\x1b[2Jz", "partition", 1000, 250, 5)  # type: ignore[arg-type]
    memory = meminfo.Meminfo({"MemTotal": 100, "MemFree": 50, "Buffers": 0, "Cached": 0})
    parts = segments(memory)
    assert parts is not None
    told = lines(parts, swaps.Swaps((area,)), 60, unicode=False)
    assert told[2].startswith(r"e\x1b[2Jz[#######")
    assert told[2].endswith(" 250K/1.0M")
    assert "\x1b" not in "".join(told)
    assert {len(told[0]), len(told[2])} == {60}
