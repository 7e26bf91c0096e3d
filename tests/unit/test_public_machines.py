"""What is read and said of files as people have them: pasted, of other kernels, of containers, with other owners.

Each root here has only the files that its case needs.
"""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from memtwin import cli
from memtwin.procfs import zoneinfo
from memtwin.sources import owners
from memtwin.sources.host import host
from memtwin.sources.opening import open_source

if TYPE_CHECKING:
    from pathlib import Path

ROWS = {
    "MemTotal": 16_000_000, "MemFree": 2_000_000, "MemAvailable": 4_000_000, "Buffers": 100_000, "Cached": 3_000_000,
    "SwapCached": 0, "Active": 3_000_000, "Inactive": 2_100_000, "Unevictable": 0, "SwapTotal": 0, "SwapFree": 0,
    "AnonPages": 2_000_000, "Mapped": 100_000, "Shmem": 50_000, "Slab": 500_000, "SReclaimable": 300_000,
    "SUnreclaim": 200_000, "KernelStack": 10_000, "PageTables": 20_000, "VmallocUsed": 60_000, "VmallocChunk": 0,
}  # fmt: skip
ARC = "13 1 0x01 147 39984 5 1\nname                            type data\nsize                            4    {}\n"
ZONE_410 = """\
Node 1, zone   Normal
  per-node stats
      nr_inactive_anon 9
      nr_pages_scanned 0
  pages free     500
        min      10
        low      12
        high     15
   node_scanned  3
        spanned  900
        present  900
        managed  800
      nr_free_pages 500
      nr_free_cma  0
        protection: (0, 0)
  pagesets
    cpu: 0
              count: 7
              high:  186
              batch: 31
  vm stats threshold: 6
  node_unreclaimable:  0
  start_pfn:           4096
  node_inactive_ratio: 0
"""


def meminfo(**changed: int | None) -> str:
    rows = ROWS | changed
    return "".join(f"{f'{label}:':<16}{value:8d} kB\n" for label, value in rows.items() if value is not None)


def zones(managed: int, present: int | None = None) -> str:
    return (
        "Node 0, zone   Normal\n  pages free     100\n        min      10\n        low      12\n        high     15\n"
        f"        spanned  {present or managed}\n        present  {present or managed}\n        managed  {managed}\n"
        "        protection: (0, 0)\n      nr_free_pages 100\n  pagesets\n    cpu: 0\n              count: 7\n"
        "              high:  186\n              batch: 31\n"
    )


@pytest.fixture
def make(tmp_path: Path):  # type: ignore[no-untyped-def]
    def files(**texts: str) -> Path:
        for name, text in texts.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        return tmp_path

    return files


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main(list(words))
    out, err = capsys.readouterr()
    return code, " ".join(out.split()) if "--json" not in words else out, err


def sheet(capsys: pytest.CaptureFixture[str], root: Path) -> tuple[dict[str, int], dict, str]:  # type: ignore[type-arg]
    """Return the lines of ``account`` in KiB, its data, and what it says."""
    code, out, _ = run(capsys, "account", "--root", str(root), "--json")
    assert code == 0
    whole = json.loads(out)
    lines = {line["name"]: line["size_bytes"] // 1024 for line in whole["data"]["lines"]}
    return lines, whole["data"], " ".join(one["text"] for one in whole.get("sentences", []))


@pytest.mark.parametrize("form", ["", "--json", "--csv", "--openmetrics"])
@pytest.mark.parametrize("view", ["free", "meminfo", "limits", "account"])
def test_a_file_that_a_view_does_not_need_cannot_fail_it(view: str, form: str, make, capsys) -> None:  # type: ignore[no-untyped-def]
    root = make(proc__meminfo=meminfo(), proc__zoneinfo="Node 0, zone   Normal\n  pages free     oops\n")
    code, out, _ = run(capsys, view, *form.split(), "--root", str(root))
    assert code == 0
    assert out
    code, _, err = run(capsys, "zoneinfo", "--root", str(root))
    assert code == 1
    assert "proc/zoneinfo:2: expected" in err


def test_zoneinfo_of_linux_48_to_411_is_read_and_printed_back() -> None:
    record = zoneinfo.parse(ZONE_410)
    assert zoneinfo.render(record) == ZONE_410
    assert record.zones[0].stats["nr_free_pages"] == 500
    assert record.zones[0].pagesets[0].count == 7


@pytest.mark.parametrize("change", [lambda text: text.rstrip("\n"), lambda text: text.replace("\n", "\r\n")])
def test_what_a_paste_does_to_a_text_is_undone_and_said(change, make, capsys) -> None:  # type: ignore[no-untyped-def]
    root = make(proc__meminfo=change(meminfo()), proc__vmstat=change("nr_free_pages 5\npgfault 77\n"))
    whole = make(proc__meminfo=meminfo())
    code, out, err = run(capsys, "free", "--root", str(root))
    assert (code, out) == run(capsys, "free", "--root", str(whole))[:2]
    assert err.count("\n") <= 1


def test_a_line_that_is_cut_in_its_number_is_not_taken_for_a_smaller_one(make, capsys) -> None:  # type: ignore[no-untyped-def]
    root = make(proc__meminfo=meminfo() + "Committed_AS:       12")
    code, _, err = run(capsys, "free", "--root", str(root))
    assert code == 0
    assert "not understood" in err


def test_rows_that_are_understood_are_used(make, capsys) -> None:  # type: ignore[no-untyped-def]
    root = make(proc__meminfo=meminfo() + "HugePages_Total:     0 kB\nCommitLimit:   xyz kB\n")
    code, out, err = run(capsys, "free", "--root", str(root), "--json")
    assert code == 0
    assert json.loads(out)["data"]["mem"]["total_bytes"] == 16_000_000 * 1024
    assert "line 22 is not understood, line 23 is not understood" in err


def test_one_processs_damage_is_its_own(make, capsys) -> None:  # type: ignore[no-untyped-def]
    status = "Name:\t{}\nPid:\t{}\nVmSize:\t    1000 kB\nVmRSS:\t     500 kB\n"
    root = make(
        proc__meminfo=meminfo(), proc__7__status=status.format("whole", 7), proc__8__status=status.format("bad", 8),
        proc__8__stat="8 (bad S", proc__7__stat="", proc__loadavg="0.10 0.20 0.30 1/90 99\n",
    )  # fmt: skip
    code, out, err = run(capsys, "ps", "--root", str(root), "-o", "PID,RES,MAJFLT")
    assert code == 0
    assert out.split()[3:5] == ["7", "500K"]
    assert "proc/8/stat" in err
    assert run(capsys, "loadavg", "--root", str(root))[0] == 0


@pytest.mark.parametrize(
    ("rows", "managed", "page"),
    [
        ("DirectMap4k:      100000 kB\n", 250_000, 4096),
        ("Hugepagesize:      32768 kB\n", 1, 16384),
        ("Hugepagesize:     524288 kB\n", 1, 65536),
        ("", 4_000_000, 4096),
        ("", 1_000_000, 16384),
        ("", 2_300_000, None),
    ],
)
def test_the_page_size_comes_from_what_decides_it(rows: str, managed: int, page: int | None, make) -> None:  # type: ignore[no-untyped-def]
    root = make(proc__meminfo=meminfo() + rows, proc__zoneinfo=zones(managed))
    assert host(open_source(root)).page_bytes == page


def test_a_sosreports_kernel_is_in_its_uname(make) -> None:  # type: ignore[no-untyped-def]
    root = make(proc__meminfo=meminfo())
    (root / "sos_commands" / "kernel").mkdir(parents=True)
    (root / "sos_commands" / "kernel" / "uname_-a").write_text("Linux db1 5.4.0-97-generic #110-Ubuntu SMP x86_64\n")
    assert host(open_source(root)).kernel == "5.4.0-97-generic"


def test_a_negative_amount_that_was_printed_unsigned_is_unknown_everywhere(make, capsys) -> None:  # type: ignore[no-untyped-def]
    root = make(proc__meminfo=meminfo(SwapTotal=0, SwapFree=2**64 - 128))
    for view in ("free", "meminfo", "limits", "vmstat -s"):
        _, out, _ = run(capsys, *view.split(), "--root", str(root), "--json")
        assert "18446744073709" not in out
        _, out, _ = run(capsys, *view.split(), "--root", str(root), "--openmetrics")
        assert "18446744073709" not in out.replace(" ", "")
    assert json.loads(run(capsys, "free", "--root", str(root), "--json")[1])["data"]["swap"]["free_bytes"] is None
    assert "16777216P" not in run(capsys, "limits", "--root", str(root))[1]


def test_pages_on_the_lists_without_an_owner_are_a_line(make, capsys) -> None:  # type: ignore[no-untyped-def]
    lines, data, _ = sheet(capsys, make(proc__meminfo=meminfo(Active=11_000_000)))
    assert lines["in no page table and no file"] == 8_000_000
    assert data["unexplained_bytes"] < 0.06 * data["total_bytes"]


def test_vmalloc_of_old_kernels_is_no_memory(make, capsys) -> None:  # type: ignore[no-untyped-def]
    lines, _, said = sheet(capsys, make(proc__meminfo=meminfo(VmallocUsed=9_000_000, VmallocChunk=34_000_000)))
    assert not any(name.startswith("vmalloc") for name in lines)
    assert "before Linux 4.4 it is address space" in said
    lines, _, said = sheet(capsys, make(proc__meminfo=meminfo(VmallocUsed=0)))
    assert "as Linux 4.4 to 5.2 always print it" in said


def test_vmallocinfo_says_what_an_old_meminfo_cannot(make, capsys) -> None:  # type: ignore[no-untyped-def]
    text = (
        "0xffff-0xffff   20480 load_module+0x1/0x2 pages=4 vmalloc N0=4\n"
        "0xffff-0xffff   20480 copy_process+0x1/0x2 pages=4 vmalloc N0=4\n"
        "0xffff-0xffff 8392704 mlx5_init+0x1/0x2 phys=0xf0000000 ioremap\n"
    )
    root = make(proc__meminfo=meminfo(VmallocUsed=0) + "DirectMap4k:      100000 kB\n", proc__vmallocinfo=text)
    lines, _, said = sheet(capsys, root)
    assert lines["vmalloc: modules, BPF, tables"] == 16
    assert "VmallocUsed" not in said


def test_pools_of_huge_pages_of_all_sizes_are_counted(make, capsys) -> None:  # type: ignore[no-untyped-def]
    folder = "sys__kernel__mm__hugepages__hugepages-{}kB__nr_hugepages"
    root = make(proc__meminfo=meminfo())
    for size, count in ((1 << 20, 3), (2048, 100)):
        path = root / folder.format(size).replace("__", "/")
        path.parent.mkdir(parents=True)
        path.write_text(f"{count}\n")
    assert sheet(capsys, root)[0]["huge pages"] == (3 << 20) + 100 * 2048


def test_the_owners_that_a_file_names_are_lines(make, capsys) -> None:  # type: ignore[no-untyped-def]
    arc = ARC.format(4_096_000_000)
    root = make(proc__meminfo=meminfo(), proc__spl__kstat__zfs__arcstats=arc)
    assert sheet(capsys, root)[0]["ZFS' cache (ARC)"] == 4_000_000
    assert "ZFS' cache (ARC) holds" in run(capsys, "free", "--explain", "--root", str(root))[1]
    (root / "proc/spl/kstat/zfs/abdstats").write_text(arc.replace("size   ", "scatter_data_size"))
    root = make(
        sys__kernel__debug__vmmemctl="target:              9999 pages\ncurrent:           500000 pages\n",
        proc__vmstat="nr_free_pages 5\nballoon_inflate 900\nballoon_deflate 100\nnr_memmap_pages 1000\n",
        sys__class__drm__card0__device__mem_info_gtt_used="1048576\n",
    )
    lines, _, _ = sheet(capsys, root)
    assert lines["balloon (VMware)"] == 2_000_000
    assert lines["struct pages of added memory"] == 4000
    assert lines["GPU (amdgpu, GTT)"] == 1024
    assert owners.ballooned_kib({"balloon_inflate": 900, "balloon_deflate": 100}, 4) == 3200


def test_what_others_name_never_makes_the_rest_negative(make, capsys) -> None:  # type: ignore[no-untyped-def]
    arc = ARC.format(99_000_000_000)
    _, data, _ = sheet(capsys, make(proc__meminfo=meminfo(), proc__spl__kstat__zfs__arcstats=arc))
    assert data["unexplained_bytes"] == 0


def test_struct_pages_of_memory_without_cpus_are_named(make, capsys) -> None:  # type: ignore[no-untyped-def]
    root = make(
        proc__meminfo=meminfo() + "DirectMap4k:      100000 kB\n",
        sys__devices__system__node__node1__cpulist="\n",
        sys__devices__system__node__node1__meminfo="Node 1 MemTotal:       64000000 kB\n",
        sys__devices__system__node__node0__cpulist="0-3\n",
        sys__devices__system__node__node0__meminfo="Node 0 MemTotal:       16000000 kB\n",
    )
    assert sheet(capsys, root)[0]["struct pages of nodes without CPUs"] == 1_000_000


def test_a_container_is_called_one_and_nothing_is_concluded(make, capsys) -> None:  # type: ignore[no-untyped-def]
    root = make(
        proc__meminfo=meminfo(Slab=0, SReclaimable=0, SUnreclaim=0, Cached=10_000) + "KReclaimable:     470068 kB\n"
        "DirectMap4k:      100000 kB\n",
        proc__zoneinfo=zones(16_000_000, 17_000_000),
    )
    lines, data, said = sheet(capsys, root)
    assert "These are a container's files" in said
    assert "Outside" not in said
    assert data["unexplained_bytes"] is None
    assert all(kib >= 0 for kib in lines.values())
    assert "other reclaimable" not in lines


def test_rows_that_are_absent_are_named_and_prove_nothing(make, capsys) -> None:  # type: ignore[no-untyped-def]
    _, data, said = sheet(capsys, make(proc__meminfo=meminfo(AnonPages=None, Slab=None, PageTables=None)))
    assert data["absent_rows"] == ["AnonPages", "Slab", "PageTables"]
    assert "nothing can be concluded" in said
    assert "drivers" not in said.lower()


def test_the_words_are_for_the_machines_own_page_size(make, capsys) -> None:  # type: ignore[no-untyped-def]
    root = make(proc__meminfo=meminfo() + "Hugepagesize:      32768 kB\n", proc__zoneinfo=zones(1_000_000, 1_100_000))
    assert "64 bytes for each page of 16 KiB, 0.4 %" in sheet(capsys, root)[2]


def test_the_pool_of_huge_pages_is_part_of_the_explanation(make, capsys) -> None:  # type: ignore[no-untyped-def]
    pool = "HugePages_Total:    4000\nHugePages_Free:     3000\nHugepagesize:       2048 kB\n"
    said = run(capsys, "free", "--explain", "--root", str(make(proc__meminfo=meminfo() + pool)))[1]
    assert "7.8Gi lie in the pool of huge pages, 5.9Gi of them unused" in said


def test_limits_are_known_without_memavailable_and_unknown_ones_are_said(make, capsys) -> None:  # type: ignore[no-untyped-def]
    status = "Name:\ta\nPid:\t7\nVmSize:\t    1000 kB\n"
    root = make(proc__meminfo=meminfo(MemAvailable=None), proc__7__status=status)
    said = run(capsys, "limits", "7", "--root", str(root))[1]
    assert "First comes RAM and swap" in said
    assert "Limits of cgroups are not known" in said


def test_blocks_are_counted_where_the_watermarks_are_not_known(make, capsys) -> None:  # type: ignore[no-untyped-def]
    root = make(proc__buddyinfo="Node 0, zone   Normal      1      2      3      4 \n")
    code, out, _ = run(capsys, "buddyinfo", "--order", "2", "--root", str(root))
    assert code == 0
    assert "11 blocks of order 2 (16K) or in larger ones" in out
    assert "not known" in out


def test_absent_sys_block_is_not_no_disk(make, capsys) -> None:  # type: ignore[no-untyped-def]
    root = make(proc__diskstats="   8       0 sda 100 0 800 10 50 0 400 20 0 30 30\n")
    rows = json.loads(run(capsys, "vmstat", "-d", "--root", str(root), "--json")[1])["data"]
    assert rows[0]["is_disk"] is None
    assert "- total reads" in run(capsys, "vmstat", "-D", "--root", str(root))[1]
    assert "node_disk_reads_completed_total" in run(capsys, "vmstat", "-d", "--root", str(root), "--openmetrics")[1]


def test_pss_is_summed_from_smaps_where_there_is_no_rollup(make, capsys) -> None:  # type: ignore[no-untyped-def]
    block = "00400000-00402000 r-xp 00000000 fe:00 12 /bin/a\nPss:                 8 kB\nPrivate_Clean:  8 kB\n"
    status = "Name:\ta\nPid:\t7\nVmSize:\t    1000 kB\nVmRSS:\t     500 kB\n"
    root = make(proc__meminfo=meminfo(), proc__7__status=status, proc__7__smaps=block + block.replace("004", "005"))
    row = json.loads(run(capsys, "ps", "-o", "PID,PSS,USS", "--root", str(root), "--json")[1])["data"][0]
    assert (row["pss_bytes"], row["uss_bytes"]) == (16 << 10, 16 << 10)


def test_a_hint_is_only_given_where_it_helps(make, capsys) -> None:  # type: ignore[no-untyped-def]
    _, _, err = run(capsys, "swaps", "--root", str(make(proc__meminfo=meminfo())))
    assert "proc/swaps is missing" in err
    assert "hint:" not in err


def test_swap_without_processes_is_not_blamed_on_tmpfs(make, capsys) -> None:  # type: ignore[no-untyped-def]
    root = make(proc__meminfo=meminfo(SwapTotal=9000, SwapFree=1000))
    out = run(capsys, "swapuse", "--root", str(root))[1]
    assert "no processes in these files" in out
    assert "tmpfs" not in out
    code, _, err = run(capsys, "oom", "--live", "--root", str(root))
    assert code == 1
    assert "who would die is not known" in err
    code, _, err = run(capsys, "swapuse", "--root", str(make(proc__meminfo=meminfo(SwapTotal=None))))
    assert code == 1
    assert "has no SwapTotal" in err


def test_pasted_files_are_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "paste.txt"
    path.write_text(meminfo())
    assert run(capsys, "free", "--root", str(path))[1].split()[7] == "16000000"
    path.write_text(f"==> /proc/meminfo <==\n{meminfo()}\n==> /proc/zoneinfo <==\n{zones(4_000_000)}")
    assert "CPUs' own lists" in run(capsys, "account", "--root", str(path))[1]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(meminfo().encode())))
    assert run(capsys, "account", "--root", "-", "--json")[0] == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"hello\n")))
    code, _, err = run(capsys, "account", "--root", "-")
    assert code == 1
    assert "is no file of /proc that memtwin knows" in err


def test_a_moment_is_not_repeated_and_two_forms_are_refused(make, capsys) -> None:  # type: ignore[no-untyped-def]
    root = str(make(proc__meminfo=meminfo()))
    code, _, err = run(capsys, "free", "-s", "1", "-c", "2", "--root", root)
    assert code == 2
    assert "is one moment" in err
    code, _, err = run(capsys, "free", "--json", "--csv", "--root", root)
    assert code == 2
    assert "one form at a time" in err


@pytest.mark.parametrize("view", ["meminfo", "account", "loadavg", "swaps"])
def test_every_view_repeats_and_csv_of_a_series_has_the_time(view: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([view, "--csv", "-s", "0.01", "-c", "2"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].startswith("at_unix_ms,")
    assert [row for row in rows if row.startswith("at_unix_ms")] == rows[:1]
