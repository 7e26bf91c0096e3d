"""The kernel's choice made again, why the request could not be had, the sheet, and what would have changed it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import HOG, LAYOUTS, MEMORY_KIB, PROCS, RESERVED_PAGES, SMALL, WEB, Layout, Proc, memcg_report, report

from memtwin import oom
from memtwin.oom.badness import RULE_2_6_39, RULE_3_5, RULE_3_14, RULE_5_9, Charge, points, printed_score
from memtwin.oom.faces.report import sentence, text
from memtwin.oom.why.analysis import Analysis, analyse

OLD, NEW = LAYOUTS[:4], LAYOUTS[4:]
MODERN = LAYOUTS[-2]
TOTAL = MEMORY_KIB // 4 - RESERVED_PAGES + 10_000


def analysis(lines: list[str]) -> Analysis:
    """Return what follows from a text of one event."""
    [event] = oom.parse("\n".join(lines))
    return analyse(event)


def plain(proc: Proc) -> int:
    """Points of 5.9 and later, by the sentence of the documentation."""
    return proc.rss + proc.swap + proc.tables + proc.adj * (TOTAL // 1000)


@pytest.mark.parametrize("layout", NEW, ids=lambda layout: layout.name)
def test_the_largest_is_the_victim(layout: Layout) -> None:
    """And the margin is to the next, in points."""
    found = analysis(report(layout)).ranking
    assert found.follows is True
    assert found.pid == HOG.pid
    assert found.margin == plain(HOG) - plain(WEB)
    assert [row.task.pid for row in found.rows] == [777, 410, 301, 302]
    assert found.rows[-1].spared == "oom_score_adj is -1000"
    assert found.total is not None
    assert found.total.low == TOTAL


@pytest.mark.parametrize(
    ("layout", "score"),
    [
        (LAYOUTS[1], 60150 * 1000 // TOTAL),
        (LAYOUTS[1], (60150 - 60150 * 3 // 100) * 1000 // TOTAL),
        (LAYOUTS[1], (60150 - 30 * (TOTAL // 1000)) * 1000 // TOTAL),
        (LAYOUTS[3], 60150 * 1000 // TOTAL),
    ],
    ids=["no bonus", "a share", "a thirtieth", "4.19"],
)
def test_the_printed_score_tells_the_rule(layout: Layout, score: int) -> None:
    """Distributions ported the rules of root to kernels with older numbers: the score says which."""
    root = HOG._replace(uid=0)
    check = analysis(report(layout, (*PROCS[:-1], root), victim=root, score=score)).ranking.score_check
    assert check is not None
    assert (check.printed, check.computed, check.equal) == (score, score, True)


def test_a_score_that_nothing_makes_is_said() -> None:
    """It differs, and why is named."""
    found = analysis(report(LAYOUTS[3], score=123))
    check = found.ranking.score_check
    assert check is not None
    assert check.equal is False
    assert "changed" in check.why
    assert "The printed score is 123" in " ".join(text(found, 1).split())


@pytest.mark.parametrize("layout", NEW, ids=lambda layout: layout.name)
def test_a_victim_that_does_not_follow(layout: Layout) -> None:
    """Somebody had more points and lived: said, with the reasons that a table cannot show."""
    found = analysis(report(layout, victim=WEB)).ranking
    assert found.follows is False
    assert found.pid == HOG.pid
    assert "does not follow" in found.why
    assert found.margin == plain(WEB) - plain(HOG)


def test_hidden_swap_makes_it_unknown() -> None:
    """2.6.32 has no column of swap: whether the smaller had more in it cannot be known, and the larger may do."""
    near = WEB._replace(rss=HOG.rss - 100)
    lines = report(LAYOUTS[0], (SMALL, near, HOG), score=571)
    assert analysis(lines).ranking.follows is None
    assert "pages in swap" in analysis(lines).ranking.why


def test_a_child_that_died_in_place_of_its_parent() -> None:
    """Before 5.1 the chosen process is one, and the killed one another."""
    lines = report(LAYOUTS[3])
    lines[-1] = lines[-1].replace(f"{HOG.pid} (java)", "888 (child)")
    found = analysis(lines).ranking
    assert found.follows is True
    assert "in its place" in found.why


def test_oom_kill_allocating_task() -> None:
    """Points play no part."""
    lines = report(MODERN, victim=WEB)
    lines[-1] = lines[-1].replace("Out of memory:", "Out of memory (oom_kill_allocating_task):")
    found = analysis(lines).ranking
    assert (found.follows, found.pid) == (True, WEB.pid)


def test_who_was_killed_before_is_not_chosen_again() -> None:
    """A victim of an earlier report that is still in the table."""
    lines = [*report(MODERN), *report(MODERN, victim=WEB)]
    second = analyse(oom.parse("\n".join(lines))[1]).ranking
    assert second.follows is True
    assert next(row for row in second.rows if row.task.pid == HOG.pid).spared == "was killed before"


charges = st.builds(
    Charge,
    st.integers(0, 1 << 24),
    st.integers(0, 1 << 22),
    st.integers(0, 1 << 12),
    st.integers(-999, 1000),
    st.booleans(),
)


@given(charges, st.integers(1, 1 << 26))
def test_points_grow_with_each_part(charge: Charge, total: int) -> None:
    """A page more never makes a process less likely to die, by any rule."""
    for rule in (RULE_5_9, RULE_3_14, RULE_3_5, RULE_2_6_39):
        for more in (charge._replace(rss=charge.rss + 1), charge._replace(swapents=charge.swapents + 1)):
            assert (points(more, total, rule) or 0) >= (points(charge, total, rule) or 0)
        assert (printed_score(charge, total, rule) or 0) >= 0 or rule is RULE_5_9


def test_zones_against_their_marks() -> None:
    """The large zone is below its min mark; the small one keeps its pages for those who need them there."""
    dma, dma32 = analysis(report(MODERN)).zones
    assert (dma32.short, dma32.reserve, dma32.passes) == (6020 + 4 - 6000, 0, False)
    assert (dma.short, dma.reserve) == (60 + 480 * 4 + 4 - 1960, 480 * 4)


def test_no_block_is_large_enough() -> None:
    """Order 3 with 40 MB free in single pages: fragmentation, not shortage."""
    lines = [
        line.replace("order=0", "order=3")
        .replace("DMA32 free:6000kB", "DMA32 free:40000kB")
        .replace("1500*4kB", "10000*4kB")
        for line in report(MODERN)
    ]
    found = analysis(lines)
    assert found.zones[1].short < 0
    assert found.zones[1].has_block is False
    assert "fragmented" in text(found, 1)
    assert not [change for change in found.changes if change.what in {"RAM", "swap"} and change.gives == "no kill"]
    assert "no piece of 32 KiB" in found.ruled_out[0]


def test_free_pages_of_cma_are_of_no_use_to_the_kernel() -> None:
    """GFP_KERNEL may not use them: with 30 MB free the request fails."""
    mask = "gfp_mask=0xcc0(GFP_KERNEL), order=0"
    lines = [
        line.replace(MODERN.mask, mask).replace("DMA32 free:6000kB", "DMA32 free:30000kB free_cma:24100kB")
        for line in report(MODERN)
    ]
    zone = analysis(lines).zones[1]
    assert (zone.unusable, zone.short) == (24100, 6020 + 4 - 5900)


@pytest.mark.parametrize("lines", [report(layout) for layout in LAYOUTS] + [memcg_report(MODERN)])
def test_the_sheet_adds_up(lines: list[str]) -> None:
    """To the RAM of the machine, or to what the cgroup is charged, with a line for what no counter names."""
    sheet = analysis(lines).sheet
    assert sheet is not None
    assert sum(item.kib for item in sheet.items) == sheet.total_kib
    assert sheet.kib("unnamed") > 0
    assert sheet.total_kib in {MEMORY_KIB - RESERVED_PAGES * 4, 300_000}


def test_the_changes_are_the_smallest() -> None:
    """One step less of the victim's adj, and it dies all the same."""
    found = analysis(report(MODERN))
    change = next(change for change in found.changes if change.what == "adj of the victim")
    assert change.then_pid == WEB.pid
    for adj, dies in ((change.amount, WEB.pid), (change.amount + 1, HOG.pid)):
        procs = (*PROCS[:-1], HOG._replace(adj=adj))
        assert analysis(report(MODERN, procs, victim=procs[-1])).ranking.rows[0].task.pid == dies
    ram = next(change for change in found.changes if change.what == "RAM")
    assert ram.amount == min(view.short for view in found.zones)


def test_a_hog_that_is_spared_is_named() -> None:
    """The culprit is not the victim, and the adj that would have had it is told."""
    spared = HOG._replace(adj=-900)
    found = analysis(report(MODERN, (SMALL, WEB, spared), victim=WEB))
    assert found.ranking.follows is True
    assert found.culprit is not None
    assert (found.culprit.pid, found.culprit.is_victim) == (HOG.pid, False)
    change = next(change for change in found.changes if change.what == "adj of the hog")
    procs = (SMALL, WEB, spared._replace(adj=change.amount))
    assert analysis(report(MODERN, procs, victim=procs[-1])).ranking.follows is True
    assert "Not the victim" in text(found, 1)


def test_many_small_ones_are_the_culprit_together() -> None:
    """Thirty workers of one name outweigh the victim."""
    workers = tuple(Proc(1000 + number, "php-fpm", 3000) for number in range(30))
    found = analysis(report(MODERN, (SMALL, HOG._replace(rss=40000), *workers), victim=HOG._replace(rss=40000)))
    assert found.culprit is not None
    assert (found.culprit.kind, found.culprit.name, found.culprit.processes) == ("processes", "php-fpm", 30)


def test_kernel_memory_can_be_the_culprit() -> None:
    """Slab that no process holds: killing does not give it back."""
    lines = [
        line.replace("slab_unreclaimable 2097152", f"slab_unreclaimable {200_000 * 1024}")
        .replace("kernel 6291456", f"kernel {205_000 * 1024}")
        .replace(f"anon {291_000 * 1024}", f"anon {80_000 * 1024}")
        for line in memcg_report(MODERN, (SMALL, WEB), victim=WEB)
    ]
    found = analysis(lines)
    assert found.culprit is not None
    assert (found.culprit.kind, found.culprit.name) == ("memory", "slab_unreclaimable")
    assert "No process" in text(found, 1)


def test_a_cgroup_without_known_swap_is_judged_all_the_same() -> None:
    """Who has more pages and no lower adj dies whatever the total is; else it depends."""
    found = analysis(memcg_report(MODERN, swap_limit=9007199254740988)).ranking
    assert found.total is not None
    assert found.total.high is None
    assert found.follows is True
    favoured = (SMALL, WEB._replace(adj=500), HOG)
    assert analysis(memcg_report(MODERN, favoured, swap_limit=9007199254740988)).ranking.follows is None
    assert analysis(memcg_report(MODERN, favoured, swap_limit=0)).ranking.follows is True


def test_a_limit_of_a_page_more_lets_the_request_pass() -> None:
    """The smallest change of a cgroup, with what it assumes."""
    found = analysis(memcg_report(MODERN))
    told = [sentence(change) for change in found.changes]
    assert any(
        line.startswith("4 KiB more for the limit of the cgroup: this request would have passed.") for line in told
    )
    assert all("Assumes:" in line for line in told)


def test_swap_that_was_free_would_not_have_helped() -> None:
    """Said, so that nobody adds some."""
    lines = [line.replace("Free swap  = 0kB", "Free swap  = 30000kB") for line in report(MODERN)]
    found = analysis(lines)
    assert found.ruled_out == ("More swap would not have helped: 29 MiB of it were free.",)
    assert not [change for change in found.changes if change.what in {"swap", "zram"}]
    assert found.ruled_out[0] in " ".join(text(found, 1).split())
