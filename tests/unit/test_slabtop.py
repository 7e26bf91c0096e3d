"""Does ``slabtop`` say how much slab memory can be given back, and is a file for root only explained?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memtwin import cli
from memtwin.procfs.slabinfo import SlabCache, is_reclaimable, parse
from memtwin.render import terminal
from memtwin.render.grid import texts
from memtwin.sources.recording import Recording
from memtwin.units import Bytes, Pages
from memtwin.views import slabtop

RUN = Path(__file__).parents[1] / "recordings" / "03-anon-swap-disk" / "run1.tar.xz"
ROOT = f"{RUN}@f400"


def cache(name: str, active: int, objects: int) -> SlabCache:
    return SlabCache(name, active, objects, Bytes(1024), 4, Pages(1), 0, 0, 0, objects // 4, objects // 4, 0)


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = cli.main(["slabtop", *args])
    return code, *capsys.readouterr()


def test_the_caches_add_up_to_slab_of_meminfo_without_large_kmallocs(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "--root", ROOT, "--json")
    size_kib = sum(row["size_bytes"] for row in json.loads(out)["data"]) // 1024
    slab_kib = int((Recording(RUN).at("f400").read("proc/meminfo") or "").split("\nSlab:")[1].split()[0])
    assert slab_kib * 0.9 <= size_kib <= slab_kib


def test_reclaimable_by_name_is_what_meminfo_counts_as_reclaimable() -> None:
    source = Recording(RUN).at("f400")
    caches = parse(source.read("proc/slabinfo") or "").caches
    back_kib = sum(slabtop.size_bytes(one, 4096) for one in caches if is_reclaimable(one.name)) // 1024
    counted_kib = int((source.read("proc/meminfo") or "").split("\nSReclaimable:")[1].split()[0])
    assert abs(back_kib - counted_kib) <= counted_kib * 0.05


def test_sysfs_of_this_host_agrees_with_the_names() -> None:
    slab = Path("/sys/kernel/slab")
    flags = {path.parent.name: path.read_text() == "1\n" for path in slab.glob("*/reclaim_account")}
    if not flags:
        pytest.skip("no /sys/kernel/slab on this machine")
    named = {name: is_reclaimable(name) for name in flags if not name.startswith(":")}
    assert {name for name, flag in named.items() if flag != flags[name]} == set()


def test_change_is_against_the_sample_before_and_sysfs_wins_over_the_name() -> None:
    caches = [cache("dentry", 3, 400), cache("mine", 40, 40)]
    known = {"mine": slabtop.Known(reclaimable=True, merged=("other",))}
    text = terminal.show(slabtop.explain(caches, 4096, known, {"dentry": 4096 * 60, "mine": 4096 * 10}))
    assert [line.split()[:3] for line in text.splitlines()[1:]] == [
        ["dentry", "400K", "+160K"],
        ["mine", "40K", "+0K"],
    ]
    assert text.splitlines()[1].split()[-1] == "name"
    assert "other" in text.splitlines()[2]
    said = " ".join(texts(slabtop.sentences(caches, 4096, known)))
    assert "440 of 440 KiB are of reclaimable caches" in said
    assert "dentry holds 400 KiB and uses 0% of it" in said


def test_a_host_without_the_file_is_told_what_to_do(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 8 kB\n")
    (tmp_path / "snapshot.json").write_text('{"page_bytes": 4096, "unread": {"proc/slabinfo": "Permission denied"}}')
    code, out, err = run(capsys, "--root", str(tmp_path))
    assert (code, out) == (1, "")
    assert "proc/slabinfo cannot be read: Permission denied" in err
    assert "root may read it" in err


def test_a_hostile_name_stays_text() -> None:
    assert "\x1b" not in terminal.show(slabtop.view([cache("a\x1b[2J", 1, 4)], 4096, {}))
