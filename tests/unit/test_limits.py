"""Is the nearest limit found, over the cgroups above a process and of both versions, and is it a real one?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from memtwin import cli

MIB = 1 << 20
STATUS = "Name:\tdb\nPid:\t7\nVmSize:\t  409600 kB\nVmLck:\t       0 kB\nVmData:\t  204800 kB\nVmStk:\t     132 kB\n"
LIMITS = (
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max address space         524288000            unlimited            bytes     \n"
    "Max locked memory         8388608              8388608              bytes     \n"
)
MEMINFO = "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\nCommitLimit: 4194304 kB\nCommitted_AS: 4093952 kB\n"


def tree(root: Path, files: dict[str, str]) -> Path:
    base = {"proc/meminfo": MEMINFO, "proc/7/status": STATUS, "proc/7/comm": "db\n", "proc/7/limits": LIMITS}
    for path, text in (base | files).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def told(capsys: pytest.CaptureFixture[str], root: Path, *args: str) -> dict:  # type: ignore[type-arg]
    assert cli.main(["limits", *args, "--root", str(root), "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    return whole["data"] | {"notes": [one["text"] for one in whole["sentences"]]}  # type: ignore[no-any-return]


V2 = {
    "proc/7/cgroup": "0::/system.slice/db.service\n",
    "sys/fs/cgroup/system.slice/memory.max": "314572800\n",
    "sys/fs/cgroup/system.slice/memory.high": "max\n",
    "sys/fs/cgroup/system.slice/memory.current": "262144000\n",
    "sys/fs/cgroup/system.slice/db.service/memory.max": "536870912\n",
    "sys/fs/cgroup/system.slice/db.service/memory.high": "max\n",
    "sys/fs/cgroup/system.slice/db.service/memory.current": "209715200\n",
    "sys/fs/cgroup/system.slice/db.service/memory.swap.max": "0\n",
    "sys/fs/cgroup/system.slice/db.service/memory.swap.current": "0\n",
    "sys/fs/cgroup/system.slice/memory.stat": "anon 1\ninactive_file 20971520\n",
    "sys/fs/cgroup/system.slice/memory.events": "low 0\nhigh 0\nmax 12\noom 2\noom_kill 2\n",
}


def test_a_parents_limit_that_is_nearer_is_first(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = told(capsys, tree(tmp_path, V2), "7")["limits"]
    assert [(one["name"], one["scope"]) for one in found[:3]] == [
        ("memory.max", "cgroup /system.slice"),
        ("RLIMIT_AS", "process"),
        ("memory.max", "cgroup /system.slice/db.service"),
    ]
    assert found[0]["left_bytes"] == 50 * MIB
    assert {one["name"] for one in found if one["special"]} == {"memory.swap.max", "RLIMIT_MEMLOCK"}


def test_words_name_the_first_limit_the_cache_in_it_and_past_kills(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["limits", "7", "--root", str(tree(tmp_path, V2))]) == 0
    text = capsys.readouterr().out.replace("\n  ", " ")
    assert "First comes memory.max of cgroup /system.slice, 50 MiB away: the OOM killer ends a process" in text
    assert "20 MiB of what it counts are cache" in text
    assert "2 processes killed by the OOM killer in it" in text


@pytest.mark.parametrize("hybrid", [False, True])
def test_version_one_has_no_limit_at_the_largest_number(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, hybrid: bool
) -> None:
    base = "sys/fs/cgroup/memory/lxc"
    files = {
        "proc/7/cgroup": "5:cpu,memory:/lxc/web\n" + ("0::/lxc/web\n" if hybrid else ""),
        f"{base}/memory.limit_in_bytes": "268435456\n",
        f"{base}/memory.usage_in_bytes": "104857600\n",
        f"{base}/web/memory.limit_in_bytes": "9223372036854771712\n",
        f"{base}/web/memory.usage_in_bytes": "104857600\n",
        f"{base}/web/memory.memsw.limit_in_bytes": "9223372036854771712\n",
    }
    found = told(capsys, tree(tmp_path, files), "7")["limits"]
    assert [(one["name"], one["scope"]) for one in found if "cgroup" in one["scope"]] == [
        ("memory.limit_in_bytes", "cgroup /lxc")
    ]


def test_a_containers_own_view_starts_at_its_root(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    files = {"proc/7/cgroup": "0::/../..\n", "sys/fs/cgroup/memory.max": "134217728\n",
             "sys/fs/cgroup/memory.current": "134217728\n"}  # fmt: skip
    first = told(capsys, tree(tmp_path, files), "7")["limits"][0]
    assert (first["name"], first["scope"], first["left_bytes"]) == ("memory.max", "cgroup /", 0)


@pytest.mark.parametrize(("mode", "binds"), [("0", False), ("1", False), ("2", True)])
def test_the_commit_limit_binds_in_mode_two_only(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, mode: str, binds: bool
) -> None:
    root = tree(tmp_path, {"proc/sys/vm/overcommit_memory": f"{mode}\n"})
    found = told(capsys, root)
    assert ("CommitLimit" in {one["name"] for one in found["limits"]}) == binds
    assert any(note.startswith(f"vm.overcommit_memory is {mode}") for note in found["notes"])


def test_many_mappings_are_a_limit_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = "".join(f"{0x1000 * i:08x}-{0x1000 * (i + 1):08x} rw-p 00000000 00:00 0 \n" for i in range(1, 96))
    root = tree(tmp_path, {"proc/7/maps": rows, "proc/sys/vm/max_map_count": "100\n"})
    assert "95 of 100 mappings" in " ".join(told(capsys, root, "7")["notes"])


def test_nobody_is_told_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["limits", "9", "--root", str(tree(tmp_path, {}))]) == 1
    assert "no process 9" in capsys.readouterr().err


def made_cgroup() -> tuple[Path, str, str]:
    """Make a memory cgroup for this test: its directory, the file of its limit, and its path."""
    name = f"memtwin-test-{os.getpid()}"
    for top, file in ((Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), (Path("/sys/fs/cgroup"), "memory.max")):
        with suppress(OSError):
            (top / name).mkdir()
            if (top / name / file).exists():
                return top / name, file, f"/{name}"
            (top / name).rmdir()
    pytest.skip("this machine lets us make no memory cgroup")


def test_a_real_cgroup_limits_a_real_process(capsys: pytest.CaptureFixture[str]) -> None:
    folder, file, path = made_cgroup()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        (folder / file).write_text(str(256 * MIB))
        (folder / "cgroup.procs").write_text(str(child.pid))
        assert cli.main(["limits", str(child.pid), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["data"]["limits"]
        limit = next(one for one in found if one["scope"] == f"cgroup {path}")
        assert (limit["name"], limit["limit_bytes"]) == (file, 256 * MIB)
        assert 0 <= limit["used_bytes"] < 256 * MIB
        assert found[0] == limit
    finally:
        child.communicate(b"\n")
        folder.rmdir()
