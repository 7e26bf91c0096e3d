"""Twelve expectations that a person who knows memory would have of a recommendation."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("memtwin.linux.core.state")

from memtwin.scenario import parse
from memtwin.sweep import axes, document, local, subject, sweep
from memtwin.sweep import goal as goals
from memtwin.sweep.cache import Cache

COLD = """machine ram=256M
swap disk size=512M rot=0
proc A
A mmap heap {size}M
A touch heap 0 {size}M w seq content={content}
checkpoint filled
"""
"""Written once and never used again."""
HOT = COLD + "A touch heap 0 {size}M r rand:60000:7\nA touch heap 0 {size}M r rand:60000:8\ncheckpoint end\n"
FILES = """machine ram=256M
swap disk size=512M rot=0
file data 120M
proc A
A mmap heap 120M
A touch heap 0 120M w seq content=text
proc R
R fread data 0 120M 128K seq
R fread data 0 120M 128K seq
R fread data 0 120M 128K seq
R fread data 0 120M 128K seq
checkpoint end
"""
"""Memory that is cold beside a file that is read again and again."""


def ask(text: str, *vary: str, goal: str | None = None, minimise: str = "", seeds: int = 1) -> dict[str, Any]:
    found = subject.Subject("expected", "scenario", parse(text), None)
    asked = sweep.Asked(found, axes.axes(vary), goals.goal(goal), seeds=seeds)
    bench = sweep.Bench(asked, local.run, Cache(None), lambda *_: None)
    return document.document(sweep.least(bench, minimise) if minimise else sweep.grid(bench))


def chosen(whole: dict[str, Any]) -> dict[str, Any]:
    assert whole["recommendation"]["point"] is not None
    found: dict[str, Any] = whole["points"][whole["recommendation"]["point"]]
    return found


def by_value(whole: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    return {point["values"][key]: point for point in whole["points"]}


def test_what_fits_needs_no_more_ram() -> None:
    """1: A workload that fits into the smallest machine gets it, and no point of it does better."""
    whole = ask(COLD.format(size=60, content="text"), "machine.ram=192M..384M/64M")
    assert chosen(whole)["values"]["machine.ram"] == "192M"
    assert {point["figures"]["swap_out_bytes"] for point in whole["points"]} == {0}


def test_cold_memory_that_does_not_fit_gets_swap() -> None:
    """2: Without swap it is killed; with a disk it is not."""
    whole = ask(COLD.format(size=210, content="random"), "swap=none,disk:512M")
    assert chosen(whole)["values"]["swap"] == "disk:512M"
    assert not by_value(whole, "swap")["none"]["meets_goal"]


def test_what_does_not_compress_gets_no_zram() -> None:
    """3: Random contents in zram take the RAM that they leave."""
    whole = ask(COLD.format(size=230, content="random"), "swap=zram:256M,disk:512M")
    assert chosen(whole)["values"]["swap"] == "disk:512M"


def test_what_compresses_and_is_used_gets_zram() -> None:
    """4: Text that is read at random comes back sooner from zram than from a disk."""
    whole = ask(HOT.format(size=230, content="text"), "swap=disk:512M,zram:256M")
    assert chosen(whole)["values"]["swap"] == "zram:256M"
    both = by_value(whole, "swap")
    assert both["zram:256M"]["figures"]["finish_s"] < both["disk:512M"]["figures"]["finish_s"]


def test_who_may_not_wear_a_disk_gets_zram() -> None:
    """5: The goal decides: nothing is written to a disk."""
    whole = ask(COLD.format(size=230, content="half"), "swap=disk:512M,zram:256M", goal="no oom, written<1M")
    assert chosen(whole)["values"]["swap"] == "zram:256M"
    assert any("compresses otherwise" in words for words in whole["recommendation"]["wrong_if"])


def test_cold_memory_beside_a_hot_file_wants_a_higher_swappiness() -> None:
    """6: What is cold goes, so that the file stays: fewer of its pages are read again."""
    whole = ask(FILES, "vm.swappiness=1,150")
    points = by_value(whole, "vm.swappiness")
    assert points["150"]["figures"]["refaults"] < points["1"]["figures"]["refaults"]
    assert chosen(whole)["values"]["vm.swappiness"] == "150"


def test_a_swappiness_of_one_keeps_memory_that_is_used() -> None:
    """7: Where what is used is anonymous and the file is read once, less goes to swap."""
    text = FILES.replace("R fread data 0 120M 128K seq\n" * 4, "R fread data 0 120M 128K seq\n")
    text = text.replace("checkpoint end", "A touch heap 0 120M r seq\ncheckpoint end")
    points = by_value(ask(text, "vm.swappiness=1,200"), "vm.swappiness")
    assert points["1"]["figures"]["swap_out_bytes"] <= points["200"]["figures"]["swap_out_bytes"]
    assert points["1"]["figures"]["major_faults"] <= points["200"]["figures"]["major_faults"]


def test_more_ram_never_swaps_more() -> None:
    """8: And the least that does not swap is the one that the search finds."""
    text = HOT.format(size=150, content="text")
    whole = ask(text, "machine.ram=160M..352M/32M", goal="no oom, no swap")
    swapped = [point["figures"]["swap_out_bytes"] for point in whole["points"]]
    assert swapped == sorted(swapped, reverse=True)
    search = ask(text, "machine.ram=160M..352M/32M", goal="no oom, no swap", minimise="machine.ram")
    assert chosen(search)["values"] == chosen(whole)["values"]


def test_the_knee_is_where_the_working_set_fits() -> None:
    """9: A file that is read again and again: beyond the RAM that holds it and the process, more gains nothing."""
    whole = ask(FILES.replace("swap disk size=512M rot=0\n", ""), "machine.ram=224M..448M/32M")
    knees = [knee for knee in whole["knees"] if knee["at"] is not None]
    assert len(knees) == 1
    assert 256 <= int(knees[0]["at"].removesuffix("M")) <= 352
    assert any("knee" in words for words in whole["recommendation"]["sentences"])


def test_what_the_kernel_refuses_is_no_success() -> None:
    """10: Strict overcommit refuses the mapping: no kill, and yet not good enough."""
    whole = ask(COLD.format(size=230, content="text"), "vm.overcommit_memory=0,2", "swap=disk:64M")
    refused = by_value(whole, "vm.overcommit_memory")["2"]
    assert (refused["figures"]["oom_kills"], refused["misses"]) == (0, ["no failures"])


def test_a_larger_reserve_needs_more_ram() -> None:
    """11: min_free_kbytes is taken from what the workload may have."""
    text = COLD.replace("swap disk size=512M rot=0\n", "").format(size=120, content="random")
    least = [
        ask(text, "machine.ram=160M..352M/4M", f"vm.min_free_kbytes={kib}", minimise="machine.ram")
        for kib in (2048, 65536)
    ]
    sizes = [int(chosen(whole)["values"]["machine.ram"].removesuffix("M")) for whole in least]
    assert 40 <= sizes[1] - sizes[0] <= 72  # 62 MiB more


def test_chance_does_not_make_a_machine_smaller() -> None:
    """12: With several runs a point the worst of them decides, so the least RAM is no less than with one."""
    text = COLD.replace("swap disk size=512M rot=0\n", "").format(size=120, content="random")
    sizes = [
        int(chosen(whole)["values"]["machine.ram"].removesuffix("M"))
        for whole in (ask(text, "machine.ram=160M..240M/4M", minimise="machine.ram", seeds=seeds) for seeds in (1, 4))
    ]
    assert sizes[0] <= sizes[1] <= sizes[0] * 1.05
