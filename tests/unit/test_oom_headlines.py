"""The first two sentences: who died, whose memory it was, what filled it, and what would help, in that order."""

from __future__ import annotations

import pytest
from layouts import LAYOUTS, Layout, memcg_report, report

from memtwin import oom
from memtwin.oom.badness import RULE_4_17, Charge, printed_score
from memtwin.oom.tell import summary
from memtwin.oom.why.analysis import Analysis, analyse

MODERN = LAYOUTS[-2]


def analysis(lines: list[str]) -> Analysis:
    [event] = oom.parse("\n".join(lines))
    return analyse(event)


def changed(*pairs: tuple[str, str], lines: list[str] | None = None) -> list[str]:
    """Lines of a report with some words replaced; each of them must be there."""
    text = "\n".join(report(MODERN) if lines is None else lines)
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text.split("\n")


def test_a_process_that_grew() -> None:
    said = summary(analysis(report(MODERN)))
    assert said.startswith(
        "java (777) was killed: the machine (371 MiB of RAM, 39 MiB of swap) was out of memory. It had"
    )
    assert "what would help: (1) limit java, or find what makes it grow" in said
    assert "(2) add swap: its 39 MiB were full" in said


def test_a_cgroup_at_its_limit() -> None:
    said = summary(analysis(memcg_report(MODERN)))
    assert "cgroup /system.slice/shop.service had reached its limit of 293 MiB" in said
    assert "(1) raise its limit of 293 MiB, or find what makes java grow; (2) let it use swap" in said


def test_huge_pages_come_first() -> None:
    """Most of RAM set aside by vm.nr_hugepages, and unused: that they are too many is the advice, and a change."""
    huge = "Node 0 hugepages_total=100 hugepages_free=90 hugepages_surp=0 hugepages_size=2048kB"
    lines = changed(("active_anon:70000", "active_anon:20000"))
    lines.insert(next(place for place, line in enumerate(lines) if "total pagecache" in line), huge)
    found = analysis(lines)
    assert found.advice[0].startswith(
        "lower vm.nr_hugepages: 200 MiB are set aside as huge pages, 180 MiB of them unused"
    )
    assert found.changes[0].what == "huge pages"
    assert found.changes[0].amount == 2048


def test_fragmentation_is_in_the_headline() -> None:
    lines = changed(("order=0", "order=3"), ("DMA32 free:6000kB", "DMA32 free:40000kB"), ("1500*4kB", "10000*4kB"))
    said = summary(analysis(lines))
    assert "no usable block of 32 KiB (order 3): fragmentation" in said
    assert "what would help" in said.lower()
    assert "add RAM" not in said


def test_a_zone_that_may_not_be_used_is_in_the_headline() -> None:
    """Free memory in zone Movable is of no use to the kernel itself."""
    movable = "Node 0 Movable free:900000kB min:10kB low:20kB high:30kB present:1000000kB managed:1000000kB"
    lines = changed((MODERN.mask, "gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"))
    lines.insert(next(place for place, line in enumerate(lines) if line.startswith("Node 0 DMA: ")), movable)
    said = summary(analysis(lines))
    assert "the request may use zone Normal and below only" in said
    assert "879 MiB were free above" in said


def test_a_page_fault_that_failed_beside_free_memory_is_a_false_alarm() -> None:
    lines = changed(
        (MODERN.mask, "gfp_mask=0x0(), order=0, oom_score_adj=0"), ("DMA32 free:6000kB", "DMA32 free:300000kB")
    )
    said = summary(analysis(lines))
    assert "a false alarm of a global OOM" in said
    assert "was out of memory" not in said
    assert "could not drop" not in said


def test_a_limit_of_memory_and_swap_is_tried_at_both_ends() -> None:
    """Version 1: the printed score says how much swap the cgroup could have."""
    score = printed_score(Charge(131000, 100, 50, 547), 262144, RULE_4_17)
    found = analysis([
        "Task in /p killed as a result of limit of /p", "memory: usage 524288kB, limit 524288kB, failcnt 9",
        "memory+swap: usage 524688kB, limit 1048576kB, failcnt 0",
        "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
        "[    777]  1000   777   140000   131000   204800      100           547 java",
        "[    778]  1000   778   140000     1000    20480        0           999 sh",
        f"Memory cgroup out of memory: Kill process 777 (java) score {score} or sacrifice child",
        "Killed process 777 (java) total-vm:560000kB, anon-rss:524000kB, file-rss:0kB, shmem-rss:0kB",
    ])  # fmt: skip
    check = found.ranking.score_check
    assert check is not None
    assert (check.printed, check.equal, check.total) == (score, True, 262144)
    assert found.ranking.follows is True


def test_a_sheet_that_cannot_add_up_is_left_out() -> None:
    """The zones of one node with the counters of all."""
    assert analysis(report(MODERN)).sheet is not None
    lines = [
        line.replace("active_anon:", "active_anon:9", 1) if line.startswith("active_anon:") else line
        for line in report(MODERN)
    ]
    assert analysis(lines).sheet is None


def test_swapcached_is_a_counter() -> None:
    lines = changed(("sock 0", "sock 0\nswapcached 3145728"), lines=memcg_report(MODERN))
    sheet = analysis(lines).sheet
    assert sheet is not None
    assert sheet.kib("swapcached") == min(3072, analysis(memcg_report(MODERN)).sheet.kib("unnamed"))  # type: ignore[union-attr]
    assert sum(item.kib for item in sheet.items) == sheet.total_kib


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_the_last_word_is_what_would_help(layout: Layout) -> None:
    for lines in (report(layout), memcg_report(layout)):
        assert analysis(lines).advice
