"""Are the fragmentation indexes the kernel's, and does the view know whether a block can be had?"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memtwin import cli
from memtwin.procfs import buddyinfo as buddyinfo_file
from memtwin.procfs import zoneinfo as zoneinfo_file
from memtwin.render.grid import texts
from memtwin.views import buddyinfo as view

RUN = Path(__file__).parents[1] / "recordings" / "29-fragmentation" / "run1.tar.xz"
HOLES = RUN.parents[1] / "133-frag-compaction-saves" / "run1.tar.xz"
COUNTS = st.lists(st.integers(0, 5000), min_size=11, max_size=11)


@given(COUNTS, st.integers(0, 10))
def test_the_indexes_are_thousandths_and_agree_on_what_can_be_had(counts: list[int], order: int) -> None:
    assert 0 <= view.unusable_index(counts, order) <= 1000
    index = view.fragmentation_index(counts, order)
    if any(counts[order:]):
        assert index is None
    elif sum(counts):
        assert index is not None
        assert index <= 1000
        assert view.unusable_index(counts, order) == 1000


def test_debugfs_of_this_host_says_the_same(tmp_path: Path) -> None:
    """The kernel prints both indexes in debugfs; memory moves meanwhile, so that the quiet moment is waited for."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare(1)")
    script = (
        f"mount -t debugfs none {tmp_path} && cat /proc/buddyinfo && echo == && cat {tmp_path}/extfrag/extfrag_index "
        f"&& echo == && cat {tmp_path}/extfrag/unusable_index && echo == && cat /proc/buddyinfo"
    )
    for _ in range(50):
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip("this kernel has no debugfs extfrag")
        before, indexes, unusable, after = done.stdout.split("==\n")
        if before == after:
            break
    else:
        pytest.skip("the host's free lists never stood still")
    for zone, row, other in zip(
        buddyinfo_file.parse(before).zones, indexes.splitlines(), unusable.splitlines(), strict=True
    ):
        span = range(len(zone.counts))
        ours = [view.fragmentation_index(zone.counts, order) for order in span]
        printed = [float(word) for word in row.split()[4:]]
        assert [-1.0 if index is None else index / 1000 for index in ours] == printed
        assert [view.unusable_index(zone.counts, order) / 1000 for order in span] == [
            float(word) for word in other.split()[4:]
        ]


def answers(
    free: int, counts: tuple[int, ...], order: int, protection: tuple[int, ...] = (0, 0, 0)
) -> list[view.Answer]:
    text = (
        f"Node 0, zone   Normal\n  pages free     {free}\n        min      100\n        low      200\n"
        "        high     300\n        spanned  9000\n        present  9000\n        managed  9000\n"
        f"        protection: ({', '.join(map(str, protection))})\n"
    )
    blocks = buddyinfo_file.Buddyinfo((buddyinfo_file.ZoneBlocks(0, "Normal", counts),))
    return view.answers(blocks, zoneinfo_file.parse(text), order)


def test_the_block_itself_and_the_reserve_count_against_the_mark() -> None:
    assert answers(201 + 511, (200, 0, 0, 0, 0, 0, 0, 0, 0, 1), 9)[0].now
    assert not answers(200 + 511, (199, 0, 0, 0, 0, 0, 0, 0, 0, 1), 9)[0].now
    assert answers(200 + 511, (199, 0, 0, 0, 0, 0, 0, 0, 0, 1), 9)[0].after
    assert not answers(712, (200, 0, 0, 0, 0, 0, 0, 0, 0, 1), 9, (700, 700, 700))[0].after


def test_pieces_and_shortage_are_told_apart() -> None:
    (pieces,) = answers(5000, (5000,) + (0,) * 10, 9)
    (short,) = answers(50, (50,) + (0,) * 10, 9)
    assert "in pieces: the fragmentation index is 0.998" in pieces.why
    assert "memory is short" in short.why
    assert "compact_memory" in " ".join(texts(view.sentences([pieces], 9, 4)))
    assert "must be freed first" in " ".join(texts(view.sentences([short], 9, 4)))


def test_a_fragmented_guest_has_no_block_of_order_ten(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["buddyinfo", "--root", f"{RUN}@holes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["data"]
    told = {(row["zone"], row["order"]): row for row in rows}
    assert told["DMA32", 10]["fragmentation_index"] == 0.990
    assert told["DMA32", 9]["fragmentation_index"] is None
    assert told["DMA32", 9]["block_bytes"] == 2 << 20
    assert cli.main(["buddyinfo", "--root", f"{RUN}@holes", "--order", "10"]) == 0
    assert "from node 0 zone DMA" in capsys.readouterr().out


def test_metrics_bear_the_names_of_node_exporter(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["buddyinfo", "--root", f"{RUN}@holes", "--openmetrics"]) == 0
    assert 'node_buddyinfo_blocks{node="0",zone="DMA32",size="4"} 540\n' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--try"], "--try needs --order"),
        (["--order", "11", "--try"], "the kernel has no block above order 10"),
        (["--order", "3", "--for", "dma", "--try"], "a device's request is not modelled"),
    ],
)
def test_what_cannot_be_tried_is_refused(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["buddyinfo", *words, "--root", f"{HOLES}@holes"]) == 2
    assert says in capsys.readouterr().err


def test_a_request_is_tried_on_a_copy(capsys: pytest.CaptureFixture[str]) -> None:
    """Free memory in single pages: whole compaction leaves more blocks than there are; the machine stays as it is."""
    argv = ["buddyinfo", "--order", "9", "--try", "--root", f"{HOLES}@holes", "--json"]
    told = []
    for _ in range(2):
        assert cli.main(argv) == 0
        told.append(json.loads(capsys.readouterr().out)["data"])
    assert told[0] == told[1]
    found = told[0]
    assert found["found"]
    assert found["compacted_blocks_count"] > found["free_blocks_count"]
    assert found["compaction_moved_pages"] > 0
