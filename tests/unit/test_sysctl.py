"""The settings below vm.: one table of ranges, the same answer wherever a value comes from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from overlaid import Overlaid

from memtwin.errors import MemtwinError, NotModelledError, ScenarioError, SnapshotError, UsageError
from memtwin.linux.core import mm_types as t
from memtwin.linux.kernel import sysctl
from memtwin.linux.mm import mm_init, util
from memtwin.machine.build import build
from memtwin.run import run
from memtwin.scenario import parse
from memtwin.units import kib

CORE = Path(sysctl.__file__).parents[1]
REFUSED = (
    ("swappiness", "201"), ("swappiness", "-1"), ("swappiness", "lots"), ("swappiness", "1 2"), ("swappiness", "0x3c"),
    ("swappiness", "\u0663"), ("vfs_cache_pressure", "2147483648"), ("vfs_cache_pressure", "999999999999999999"),
    ("overcommit_ratio", "999999999999999999"), ("overcommit_memory", "3"), ("min_free_kbytes", "2147483648"),
    ("percpu_pagelist_high_fraction", "1"), ("percpu_pagelist_high_fraction", "7"), ("dirty_bytes", "0"),
    ("dirty_bytes", "4096"), ("dirty_bytes", "8191"), ("dirty_background_bytes", "0"), ("watermark_scale_factor", "0"),
    ("watermark_scale_factor", "3001"), ("dirty_expire_centisecs", "-1"), ("user_reserve_kbytes", "1" * 30),
    ("lowmem_reserve_ratio", "abc"), ("lowmem_reserve_ratio", "99999999999999999999,1,1,1,1"),
    ("lowmem_reserve_ratio", "-1"), ("lowmem_reserve_ratio", "1,2,3,4,5,6,7,8,9"), ("page-cluster", "32"),
)  # fmt: skip
ACCEPTED = (
    ("percpu_pagelist_high_fraction", "0"), ("percpu_pagelist_high_fraction", "8"), ("dirty_bytes", "8192"),
    ("dirty_background_bytes", "1"), ("vfs_cache_pressure", "2147483647"), ("oom_dump_tasks", "7"),
    ("overcommit_ratio", "2147483647"), ("lowmem_reserve_ratio", "2147483647"), ("lowmem_reserve_ratio", "1,1,1,1,1"),
    ("min_free_kbytes", "2147483647"), ("user_reserve_kbytes", str(sysctl.LONG_MAX)),
)  # fmt: skip


def shown(name: str, value: str) -> bool:
    """Whether the file shows this value, as while a ratio is in force, though it cannot be written."""
    return str(sysctl.BY_NAME[name].shown) == value


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_value_that_the_kernel_refuses_is_refused_everywhere(name: str, value: str) -> None:
    """In the header, by --set, and EINVAL in the midst of a run, which changes nothing."""
    said = re.escape(f"vm.{name} as ")
    with pytest.raises(UsageError, match=said):
        run.simulate(parse("proc A\n"), None, settings=[f"vm.{name}={value}"])
    if " " not in value and not shown(name, value):  # a header may say what the snapshot's file shows
        with pytest.raises(ScenarioError, match=f"s.mem:2: expected {said}"):
            run.simulate(parse(f"machine ram=192M\nsysctl vm.{name}={value}\nproc A\n", "s.mem"), None)
    done = run.simulate(parse(f"proc A\nsysctl vm.{name}={value.replace(' ', ',')}\n"), None)
    assert [(d.outcome, d.errno) for d in done.done] == [("ok", 0), ("error", t.EINVAL)]
    fresh = run.simulate(parse("proc A\n"), None)
    assert done.machine.sysctl == fresh.machine.sysctl


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_a_value_that_the_kernel_takes_is_taken_everywhere(name: str, value: str) -> None:
    """The bounds themselves; and a machine goes on with them."""
    work = "A mmap h 4M\nA touch h 0 4M w seq\ndrop_caches 2\nA munmap h\nsleep 10\ncheckpoint end\n"
    for text, settings in (
        (f"proc A\n{work}", [f"vm.{name}={value}"]),
        (f"sysctl vm.{name}={value}\nproc A\n{work}", []),
        (f"proc A\nsysctl vm.{name}={value}\n{work}", []),
    ):
        done = run.simulate(parse(text), None, settings=settings)
        assert done.machine.sysctl[name].split()[0] == value.split(",", maxsplit=1)[0]
        assert all("-" not in files["proc/meminfo"] for files in done.checkpoints.values())


def test_the_shortest_vector_keeps_the_other_zones() -> None:
    done = run.simulate(parse("sysctl vm.lowmem_reserve_ratio=128\nproc A\n"), None)
    assert done.machine.sysctl["lowmem_reserve_ratio"] == "128\t256\t32\t0\t0"


def test_a_setting_in_another_unit_shows_0() -> None:
    """As in /proc/sys/vm: of dirty_ratio and dirty_bytes one is in force, the other 0."""
    done = run.simulate(parse("proc A\n"), None, settings=["vm.dirty_bytes=8192", "vm.overcommit_kbytes=400000"])
    assert [done.machine.sysctl[name] for name in ("dirty_ratio", "overcommit_ratio")] == ["0", "0"]
    assert kib(util.commit_limit(done.machine.state)) == 400000


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_snapshot_with_a_setting_that_cannot_be_is_refused(name: str, value: str) -> None:
    if shown(name, value):
        build(Overlaid({"sysctl_vm": f"vm.{name} = 0\n"}))
        return
    with pytest.raises(SnapshotError, match=re.escape(f"vm.{name} as ")):
        build(Overlaid({"sysctl_vm": f"vm.{name} = {value.replace(',', chr(9))}\n"}))


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("proc A\n", ["vm.admin_reserve_kbytes=50"]), ("sysctl vm.admin_reserve_kbytes=50\nproc A\n", []),
        ("proc A\nsysctl vm.admin_reserve_kbytes=50\n", []),
    ],
)  # fmt: skip
def test_a_setting_that_the_model_does_not_read_is_noted(text: str, settings: list[str]) -> None:
    done = run.simulate(parse(text), None, settings=settings)
    told = [note for note in done.machine.notes if "vm.admin_reserve_kbytes" in note]
    assert told == ["vm.admin_reserve_kbytes was set to 50; nothing in the model depends on it"]


def test_a_setting_that_nobody_knows_is_refused_before_anything_runs() -> None:
    for text in ("sysctl vm.laptop_mode=1\nproc A\n", "proc A\nsysctl vm.laptop_mode=1\n"):
        with pytest.raises(NotModelledError, match=r"s\.mem:\d: the model cannot do .*laptop_mode"):
            run.simulate(parse(text, "s.mem"), None)
    with pytest.raises(MemtwinError, match="not a setting"):
        run.simulate(parse("proc A\n"), None, settings=["vm.laptop_mode=1"])


def test_what_is_called_modelled_is_read_by_the_model() -> None:
    """A setting of the table that no line of the core or of its report reads is marked so."""
    core = "".join(path.read_text() for path in CORE.rglob("*.py") if path.name not in {"mm_init.py", "sysctl.py"})
    core += (Path(run.__file__).parents[1] / "twin" / "oom_event.py").read_text()
    for setting in sysctl.SETTINGS:
        read = re.search(rf"sysctl\.{setting.name.replace('-', '_')}\b|sysctl\.get\(\"{setting.name}\"", core)
        assert setting.modelled == bool(read), setting.name
        if setting.modelled and setting.count == 1:
            assert setting.name in mm_init.SYSCTL_FIELDS
