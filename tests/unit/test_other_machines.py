"""Do the views work over what memtwin's makers do not run: Linux 3.10, pages of 64 KiB, a container behind lxcfs?"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from old_zone import ZONE

from memtwin import cli
from memtwin.sources.host import host
from memtwin.sources.opening import open_source
from memtwin.sources.recording import Recording

RUN = Path(__file__).parents[1] / "recordings" / "03-anon-swap-disk" / "run1.tar.xz"
FILES = ("meminfo", "vmstat", "stat", "loadavg", "uptime", "swaps", "buddyinfo", "slabinfo", "zoneinfo")
VIEWS = ("account", "buddyinfo", "free", "loadavg", "meminfo", "slabtop", "swaps", "swapuse", "vmstat", "zoneinfo")
NEW_ROWS = ("MemAvailable", "Zswap", "Zswapped", "KReclaimable", "ShadowCallStack", "SecPageTables", "Percpu",
            "ShmemHugePages", "ShmemPmdMapped", "FileHugePages", "FilePmdMapped", "Hugetlb", "Unaccepted")  # fmt: skip


def recorded() -> dict[str, str]:
    source = Recording(RUN).at("f400")
    return {name: source.read(f"proc/{name}") or "" for name in FILES}


def rows(text: str, **changed: int | None) -> str:
    """Return meminfo with some rows changed, or left out (None)."""
    kept = []
    for line in text.splitlines():
        label = line.split(":")[0]
        if label in changed:
            if changed[label] is not None:
                kept.append(f"{label + ':':<16}{changed[label]:8d} kB")
        else:
            kept.append(line)
    return "".join(f"{line}\n" for line in kept)


def machine(root: Path, files: dict[str, str]) -> Path:
    (root / "proc").mkdir()
    for name, text in files.items():
        (root / "proc" / name).write_text(text)
    return root


@pytest.fixture
def linux_310(tmp_path: Path) -> Path:
    files = recorded()
    total = int(files["meminfo"].split()[1])
    vmstat = [
        line for line in files["vmstat"].splitlines() if not line.startswith(("workingset", "nr_zspages", "zswp"))
    ]
    return machine(tmp_path, files | {
        "meminfo": rows(files["meminfo"], **dict.fromkeys(NEW_ROWS)),
        "vmstat": "".join(f"{line}\n" for line in vmstat),
        "zoneinfo": ZONE.format(free=3000, pages=total // 4),
    })  # fmt: skip


@pytest.fixture
def pages_of_64k(tmp_path: Path) -> Path:
    files = recorded()
    total = int(files["meminfo"].split()[1])
    x86 = dict.fromkeys(("DirectMap4k", "DirectMap2M", "DirectMap4M", "DirectMap1G"))
    meminfo = rows(files["meminfo"], **x86)
    return machine(tmp_path, files | {"meminfo": meminfo, "zoneinfo": ZONE.format(free=500, pages=total // 64)})


@pytest.fixture
def container(tmp_path: Path) -> Path:
    """lxcfs: the host's available memory with the container's total, and more free swap than there is."""
    files = recorded()
    meminfo = rows(files["meminfo"], MemTotal=131072, MemFree=65536, MemAvailable=400000, SwapTotal=0,
                   SwapFree=18014398509481983)  # fmt: skip
    shown = {name: files[name] for name in ("stat", "uptime", "vmstat", "swaps", "loadavg")}
    return machine(tmp_path, shown | {"meminfo": meminfo})


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", ["linux_310", "pages_of_64k"])
def test_every_view_works(
    view: str, kind: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    root = request.getfixturevalue(kind)
    for form in ([], ["--json"], ["--csv"], ["--openmetrics"]):
        assert cli.main([view, "--root", str(root), *form]) == 0
        out, err = capsys.readouterr()
        assert out
        assert err == ""


def test_a_kernel_without_memavailable_is_told_so(linux_310: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["free", "--explain", "--root", str(linux_310)]) == 0
    assert "has no MemAvailable" in capsys.readouterr().out


def test_large_pages_are_found_and_counted(pages_of_64k: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert host(open_source(pages_of_64k)).page_bytes == 65536
    assert cli.main(["buddyinfo", "--root", str(pages_of_64k), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"][0]["block_bytes"] == 65536
    assert cli.main(["account", "--root", str(pages_of_64k), "--json"]) == 0
    lines = {line["name"]: line["size_bytes"] for line in json.loads(capsys.readouterr().out)["data"]["lines"]}
    assert lines["on the CPUs' own lists"] == 10 * 65536


@pytest.mark.parametrize("view", ["free", "meminfo", "swaps", "swapuse", "vmstat", "loadavg", "account", "limits"])
def test_a_containers_filter_breaks_nothing(view: str, container: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([view, "--root", str(container)]) == 0
    out, err = capsys.readouterr()
    assert err == "" or "SwapFree out of range" in err
    assert "Traceback" not in out


def test_more_available_than_there_is_is_explained(container: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["free", "--explain", "--root", str(container)]) == 0
    assert capsys.readouterr().out.count("lxcfs") == 2
    assert cli.main(["free", "--root", str(container), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["mem"]["used_bytes"] == (131072 - 65536) * 1024


def test_no_more_is_used_than_there_is(container: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["limits", "--root", str(container), "--json"]) == 0
    (machine,) = json.loads(capsys.readouterr().out)["data"]["limits"]
    assert (machine["used_bytes"], machine["limit_bytes"]) == ((131072 - 65536) * 1024, 131072 * 1024)


def test_a_row_below_0_is_printed_as_it_is_and_counts_as_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A host printed such a Committed_AS with a sign."""
    text = re.sub(r"Committed_AS: *[0-9]+ kB", "Committed_AS:   -2074688 kB", recorded()["meminfo"])
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text(text)
    assert cli.main(["meminfo", "--root", str(tmp_path)]) == 0
    assert "\nCommitted_AS:   -2074688 kB\n" in capsys.readouterr().out
    assert cli.main(["free", "--root", str(tmp_path), "--json"]) == 0
    out, err = capsys.readouterr()
    assert "Committed_AS out of range (below 0): unknown" in err
    assert json.loads(out)["data"]["commit"]["committed_bytes"] is None
