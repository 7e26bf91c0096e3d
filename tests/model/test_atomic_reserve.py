"""Pageblocks that are kept for blocks of requests that cannot wait (MIGRATE_HIGHATOMIC)."""

from __future__ import annotations

from growing import Growing

from memtwin.linux.check import invariants
from memtwin.linux.mm import buddy_info

DMA32 = 1
HIGHATOMIC = 3
BLOCK = 512
HEADER = "machine ram={ram} kernel={kernel} cpus=1 thp=never\nswap disk name=vdb size=256M\n"


def filled(ram: str = "512M", kernel: str = "6.1", fill_m: int = 380) -> Growing:
    """A machine with little left."""
    one = Growing(HEADER.format(ram=ram, kernel=kernel))
    one.do("proc A")
    one.do(f"A mmap h {fill_m + 100}M")
    one.do(f"A touch h 0 {fill_m}M w seq")
    return one


def kept(one: Growing) -> int:
    """Pages kept in zone DMA32."""
    return buddy_info.reserved_highatomic(one.state, DMA32)


def test_a_block_below_the_low_mark_reserves_its_pageblock() -> None:
    """Above the mark nothing is kept; below it 1 % of the zone and a pageblock, at most."""
    one = filled()
    assert one.do("kalloc net 3 100 atomic") == "ok"
    assert kept(one) == 0
    assert one.do("kalloc more 3 3000 atomic") == "error"
    managed = one.run.machine.boot.zoneinfo.zones[DMA32].managed
    assert 0 < kept(one) <= managed // 100 + 2 * BLOCK
    assert buddy_info.pageblocks(one.state, DMA32)[HIGHATOMIC] * BLOCK == kept(one)
    invariants.validate(one.state)


def test_single_pages_and_blocks_that_can_wait_reserve_nothing() -> None:
    for line in ("kalloc net 0 30000 atomic", "kalloc net 3 3000 unmovable"):
        one = filled()
        one.do(line)
        assert kept(one) == 0


def test_direct_reclaim_gives_up_all_but_one() -> None:
    """A pageblock that others are denied is given up when reclaim has brought no page; each zone's last one is not."""
    one = filled()
    one.do("kalloc more 3 3000 atomic")
    one.do("kfree more every:2")
    before = kept(one)
    assert one.do("A touch h 380M 60M w seq") == "ok"
    assert BLOCK <= kept(one) < before
    invariants.validate(one.state)


def test_the_last_is_given_up_before_a_process_is_killed() -> None:
    one = filled()
    one.do("kalloc more 3 3000 atomic")
    assert one.do("swapoff vdb") == "ok"
    assert kept(one)
    assert one.do("A touch h 380M 100M w seq") == "died"
    assert kept(one) == 0
    invariants.validate(one.state)


def test_a_small_zone_of_six_twelve_keeps_none() -> None:
    """Since 6.12 a zone of which 1 % is less than a pageblock reserves nothing; others that much, rounded up."""
    one = filled("256M", "6.12", 150)
    one.do("kalloc net 3 5000 atomic")
    assert kept(one) == 0
    large = filled("512M", "6.12")
    large.do("kalloc net 3 3000 atomic")
    assert kept(large) == 3 * BLOCK
