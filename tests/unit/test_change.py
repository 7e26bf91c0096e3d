"""Changing a booted machine: less and more RAM, swap areas, and what its processes do in a scenario."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from overlaid import Overlaid

from memtwin import cli
from memtwin.errors import NotModelledError, ScenarioError, UsageError
from memtwin.linux.check import invariants
from memtwin.linux.mm import swapon
from memtwin.machine import resize
from memtwin.machine.build import build
from memtwin.run import change, grow
from memtwin.run.change import settle
from memtwin.run.run import Run, simulate
from memtwin.scenario import Touch, parse
from memtwin.sources.recording import Recording

if TYPE_CHECKING:
    from pathlib import Path

    from memtwin.machine.machine import Machine

NOTHING = parse("sleep 0\n")


def machine(recordings: Path, name: str, label: str) -> Machine:
    return build(Recording(recordings / name / "run1.tar.xz").at(label))


def test_a_balloon_takes_cache_first_and_kills_at_last(recordings: Path) -> None:
    built = machine(recordings, "107-oom-four-adj", "tight")
    whole, alive = built.state.memory_total, {process.name for process in built.processes}
    resize.take_away(built, whole // 2, lambda: settle(built))
    assert built.state.memory_total == whole - whole // 2
    assert built.state.oom_kills
    assert re.search(r"MiB of memory were taken away.*the OOM killer took \d", built.changes[0])
    run = Run(NOTHING, built)
    run.execute()
    gone = alive - {process.name for process in built.processes if process.alive}
    assert gone
    assert all(f"({name})" in "".join(run.dmesg) for name in gone)
    invariants.validate(built.state, ())


def test_a_balloon_swaps_where_there_is_swap(recordings: Path) -> None:
    built = machine(
        recordings, "03-anon-swap-disk", Recording(recordings / "03-anon-swap-disk/run1.tar.xz").checkpoints[2]
    )
    before = built.state.swap_pages[1]
    resize.take_away(built, 10_000, lambda: settle(built))
    assert built.state.swap_pages[1] < before
    assert "to swap" in built.changes[0]
    invariants.validate(built.state, ())


@pytest.mark.parametrize("word", ["half", "50%", "-100M"])
def test_less_ram_by_setting(recordings: Path, word: str) -> None:
    source = Recording(recordings / "02-anon-fits" / "run1.tar.xz").at("boot")
    done = simulate(NOTHING, source, settings=[f"machine.ram={word}"])
    whole = build(source)
    assert done.machine.state.memory_total < whole.state.memory_total - 25_000
    assert done.machine.sysctl["min_free_kbytes"] != whole.sysctl["min_free_kbytes"]


def test_settings_of_the_host_are_kept_when_memory_changes(recordings: Path) -> None:
    below = Recording(recordings / "02-anon-fits" / "run1.tar.xz").at("boot")
    text = (below.read("sysctl_vm") or "").replace("vm.watermark_scale_factor = 10", "vm.watermark_scale_factor = 200")
    text = re.sub(r"vm.min_free_kbytes = \d+", "vm.min_free_kbytes = 9000", text)
    for word in ("150M", "1G"):
        done = simulate(NOTHING, Overlaid({"sysctl_vm": text}, below), settings=[f"machine.ram={word}"])
        assert done.machine.sysctl["min_free_kbytes"] == "9000", word
        assert done.machine.sysctl["watermark_scale_factor"] == "200"


def test_swap_areas_are_added_resized_and_turned_off(recordings: Path) -> None:
    built = machine(recordings, "03-anon-swap-disk", "boot")
    device = built.areas[0].filename
    words = (
        "zram:64M,algo=zstd,prio=100",
        f"{device},prio=7",
        f"{device}:32M",
        "disk:16M",
        "file:8M,prio=3",
        f"{device}:off",
    )
    change.change_swaps(built, [change.swap_change(word) for word in words])
    shown = {area.filename: swapon.area_info(built.state, area.number) for area in built.areas}
    on = {name: (info.pages + 1) >> 8 for name, info in shown.items() if info.used}
    assert on == {"/dev/zram0": 64, "/dev/swapdisk0": 16, "/swapfile0": 8}
    assert shown["/swapfile0"].prio == 3
    assert len(built.changes) == len(words)
    run = Run(parse("proc A\nA mmap a 240M\nA touch a 0 240M w seq content=text\ncheckpoint c\n"), built)
    run.execute()
    assert "zram0" in run.checkpoints["c"]["proc/swaps"]
    zram = next(area for area in built.areas if area.zram)
    assert swapon.area_info(built.state, zram.number).inuse
    invariants.validate(built.state, ())


@pytest.mark.parametrize(
    "word",
    [
        "zram",
        "zram:4K",
        "zram:off",
        "disk:1X",
        "disk:64M,algo=lz4",
        "zram:64M,algo=none",
        "disk:8M,prio=x",
        "sda",
        ":1G",
    ],
)
def test_a_wrong_swap_word_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        change.swap_change(word)


def test_what_the_kernel_or_the_model_refuses_of_swap(recordings: Path) -> None:
    built = machine(recordings, "03-anon-swap-disk", "boot")
    with pytest.raises(UsageError, match="has no swap area nothing"):
        change.change_swap(built, change.swap_change("nothing:off"))
    change.change_swap(built, change.swap_change("zram:8M"))
    with pytest.raises(NotModelledError, match="a second zram device"):
        change.change_swap(built, change.swap_change("zram:8M"))


@pytest.mark.parametrize("word", ["x", "8X", "-", "+1", "half%", "0%"])
def test_a_wrong_size_of_ram_is_refused(word: str) -> None:
    if word in {"+1", "0%"}:
        assert change.ram_bytes(word, 8) in {9, 0}
        return
    with pytest.raises(UsageError):
        change.ram_bytes(word, 1 << 30)


def test_a_scenario_uses_a_booted_process(recordings: Path) -> None:
    """It grows, touches what it had, forks, locks and ends; its files are the scenario's from then on."""
    source = Recording(recordings / "107-oom-four-adj" / "run1.tar.xz").at("start")
    text = (
        "attach big comm=Plain\nbig touch anon 0 4M w seq\nbig mmap more 8M\nbig touch more 0 8M w seq\n"
        "big fork child\nchild touch anon 0 1M w seq\nbig mlock more 0 1M\ncheckpoint mid\n"
        "child exit\nbig kill\ncheckpoint end\n"
    )
    done = simulate(parse(text), source)
    assert {one.outcome for one in done.done} == {"ok"}
    pid = next(process.pid for process in done.machine.processes if process.name == "Plain")
    assert f"proc/{pid}/status" in done.checkpoints["boot"]
    assert "workers/big/status" in done.checkpoints["mid"]
    assert f"proc/{pid}/status" not in done.checkpoints["mid"]
    assert "workers/big/status" not in done.checkpoints["end"]
    invariants.validate(done.machine.state, ())


def test_an_attach_that_is_not_clear_is_refused_with_the_candidates(recordings: Path) -> None:
    source = Recording(recordings / "107-oom-four-adj" / "run1.tar.xz").at("start")
    for text in ("attach nobody\n", "attach p pid=99999\n"):
        with pytest.raises(UsageError, match="has no process of this name or pid") as refused:
            simulate(parse(text), source)
        assert "Plain 81" in str(refused.value.hint)
    with pytest.raises(ScenarioError):
        parse("attach a pid=0\n")


def test_grow_is_a_scenario(recordings: Path) -> None:
    source = Recording(recordings / "107-oom-four-adj" / "run1.tar.xz").at("start")
    done = simulate(grow.scenario(["Plain=32M,over=10s", "83=16M"]), source)
    assert done.samples[-1].time_ns - done.samples[0].time_ns >= 10_000_000_000
    assert {one.outcome for one in done.done} == {"ok"}
    for word in (
        "Plain",
        "Plain=3",
        "Plain=1M,over=",
        "Plain=1M,over=0s",
        "a b=1M",
        "Plain=1M,content=x",
        "Plain=1M,content=text:90%",
        "Plain=1M,content=text:90%+zero:20%",
        "Plain=1M,content=",
        "Plain=1M,x=1",
    ):
        with pytest.raises(UsageError):
            grow.scenario([word])


def test_what_grows_may_be_of_several_contents() -> None:
    """Each step has its parts in whole pages, without a gap."""
    ops = grow.scenario(["a=100M,content=zero:10%+text:83%+random:7%"]).ops
    touches = [op for op in ops if isinstance(op, Touch)]
    assert [op.content for op in touches] == ["zero", "text", "random"] * 2
    ends = [op.offset_pages + op.npages for op in touches]
    assert [op.offset_pages for op in touches] == [0, *ends[:-1]]
    assert ends[-1] == 100 << 8
    assert sum(op.npages for op in touches if op.content == "text") == pytest.approx(83 << 8, rel=0.01)


def test_the_command_line(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = f"{recordings / '107-oom-four-adj' / 'run1.tar.xz'}@start"
    assert cli.main(["run", "--boot", at, "--grow", "Plain=8M", "--swap", "zram:32M", "--set", "machine.ram=-20M"]) == 0
    told = capsys.readouterr().out
    assert "20 MiB of memory were taken away" in told
    assert "/dev/zram0 with 32 MiB was added" in told
    for wrong in (["run"], ["run", "--grow", "a=1G"], ["run", "x.mem", "--boot", at, "--grow", "a=1G"]):
        assert cli.main(wrong) == 2
