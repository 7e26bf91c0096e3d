"""Does `memtwin` alone name first what is wrong, in the words of one screen, and say what it did not see?"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from terminals import Terminal

from memtwin import cli
from memtwin.diagnose.now import Harm
from memtwin.sources import cgroups
from memtwin.sources.opening import open_source
from memtwin.sources.recording import resolve

MACHINES = Path(__file__).parents[1] / "machines"


class Judged(NamedTuple):
    """What should stand first of a machine: the finding's name, and words that name what or whose it is."""

    name: str | None
    words: tuple[str, ...]


JUDGED = {
    "leak": Judged("memory nearly full", ("applet (87) has 17.4 GiB", "memtwin ps")),
    "full-zram": Judged("swap area full", ("zram0", "vdb", "memtwin swaps")),
    "thrash": Judged("waiting for memory", ("swapped out", "memtwin pressure")),
    "limit": Judged("limit reached", ("docker-3f1c.scope", "memory.max", "48,123", "memtwin limits")),
    "fragmentation": Judged("memory in pieces", ("order 5", "memtwin buddyinfo --order 5")),
    "tmpfs": Judged("tmpfs and shared memory", ("9.2 GiB", "memtwin account")),
    "slab": Judged("kernel objects", ("kmalloc-2k", "memtwin slabtop")),
    "stale-swap": Judged("swap used but idle", ("harmless",)),
    "nothing": Judged(None, ()),
    "oom-yesterday": Judged("killed", ("Even", "1 day", "memtwin oom")),
}
"""Written before the rules."""


def findings(root: Path | str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    assert cli.main(["--root", str(root), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["data"]["findings"]
    assert isinstance(found, list)
    return found


def test_every_machine_is_judged() -> None:
    assert {path.name for path in MACHINES.iterdir() if path.is_dir()} == set(JUDGED)


@pytest.mark.parametrize("name", JUDGED)
def test_the_first_finding_is_the_one_that_was_judged(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    judged, found = JUDGED[name], findings(MACHINES / name, capsys)
    if judged.name is None:
        assert found == []
        return
    assert found[0]["name"] == judged.name
    said = json.dumps(found[0])
    for word in judged.words:
        assert word in said, word


def screen(root: Path | str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert cli.main(["--root", str(root)]) == 0
    return capsys.readouterr().out.splitlines()


def copy_of(name: str, to: Path, *without: str) -> Path:
    root = shutil.copytree(MACHINES / name, to / name)
    for path in without:
        (root / path).unlink()
    return root


@pytest.mark.parametrize("name", JUDGED)
def test_it_is_one_screen_with_a_command_for_each_line_that_says_something(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = screen(MACHINES / name, capsys)
    assert len(lines) <= 24
    assert all(len(line) <= 100 for line in lines)
    found = findings(MACHINES / name, capsys)
    text = "\n".join(lines)
    assert all(finding["command"] in text for finding in found[:5])
    assert [Harm[finding["harm"].upper()] for finding in found] == sorted(
        Harm[finding["harm"].upper()] for finding in found
    )
    assert "nearest limit: " in text
    assert ("limits of cgroups (sys/fs/cgroup)" in " ".join(text.split())) == (name != "limit")
    assert text.endswith(f"--root {MACHINES / name}")


def test_on_a_terminal_it_is_what_memtwin_alone_shows() -> None:
    with Terminal() as terminal:
        assert terminal.ended() == 0
    shown = terminal.sent.replace("\r", "").splitlines()
    assert "this host" in shown[0]
    assert len(shown) <= 24
    assert all(len(line) <= 80 for line in shown)


@pytest.mark.parametrize("name", ["leak", "limit"])
def test_a_narrow_terminal_has_all_of_it(name: str) -> None:
    with Terminal("--root", str(MACHINES / name), columns=60, NO_COLOR="1") as terminal:
        assert terminal.ended() == 0
    lines = terminal.sent.replace("\r", "").splitlines()
    assert "next to die: " in terminal.sent
    assert [line for line in lines if len(line) > 60 and str(MACHINES) not in line] == []


def test_a_colour_never_stands_alone() -> None:
    with Terminal("--root", str(MACHINES / "leak"), NO_COLOR="") as terminal:
        terminal.ended()
    assert "\x1b[1;31m!! 1" in terminal.sent
    with Terminal("--root", str(MACHINES / "leak"), NO_COLOR="1") as terminal:
        terminal.ended()
    assert "\x1b[" not in terminal.sent
    assert "!! 1" in terminal.sent


def test_what_is_not_there_is_not_judged_and_said_to_be_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = copy_of("thrash", tmp_path, "proc/pressure/memory", "proc/buddyinfo")
    text = " ".join(" ".join(screen(root, capsys)).split())
    assert "not known: waits for memory (proc/pressure/memory" in text
    assert "free blocks (proc/buddyinfo)" in text
    assert "waiting for memory: some" not in text


@pytest.mark.parametrize(
    ("moment", "fills"),
    [
        ("05-zram-text@f280", "A (83) grew the most, by 60 MiB"),
        ("03-anon-swap-disk@f400", "A (81) grew the most, by 120 MiB"),
        ("03-anon-swap-disk@reread", None),
        ("102-swapoff-under-load@off", None),
        ("05-zram-text@end", None),
    ],
)
def test_what_fills_is_named_where_an_earlier_moment_is_recorded(
    moment: str, fills: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Between two checkpoints programs grow, or pages only move between RAM and swap, or an area goes away."""
    name, _, label = moment.partition("@")
    run = MACHINES.parent / "recordings" / name / "run1.tar.xz"
    found = [one for one in findings(f"{run}@{label}", capsys) if one["name"] == "memory filling"]
    assert [one["cause"] for one in found] == ([] if fills is None else [fills])
    assert " a second | waiting" in " ".join(screen(f"{run}@{label}", capsys))


def test_a_moment_of_a_trace_has_the_one_before(tmp_path: Path) -> None:
    for number in range(3):  # beside other work the first sample may take as long as all
        where = tmp_path / f"host{number}.trace"
        assert cli.main(["record", "-o", str(where), "--every", "100ms", "--for", "500ms"]) == 0
        last, first = resolve(f"{where}@last"), resolve(f"{where}@first")
        assert first.before is None
        if last.before is not None:
            break
    assert last.before is not None
    assert last.before.read("proc/uptime") == first.read("proc/uptime")


def test_processes_that_are_hidden_are_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = copy_of("leak", tmp_path)
    (root / "proc" / "mounts").write_text("proc /proc proc rw,nosuid,hidepid=2 0 0\n")
    assert cli.main(["--root", str(root)]) == 0
    assert "hidden (hidepid)" in capsys.readouterr().err


def test_of_a_pasted_file_nothing_is_concluded_that_it_does_not_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:       16000000 kB\nMemFree:          100000 kB\n")
    lines = screen(tmp_path / "meminfo", capsys)
    assert "nothing wrong in what is known" in " ".join(" ".join(lines).split())
    assert not any(line.startswith(("ok", "nearest limit")) for line in lines)
    assert "limits of cgroups (sys/fs/cgroup)" in " ".join(" ".join(lines).split())


def test_a_kill_without_its_log_is_counted_and_not_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = findings(copy_of("oom-yesterday", tmp_path, "dmesg.txt"), capsys)[0]
    assert first["name"] == "killed"
    assert "3 processes since boot; when and why is not in the log" in first["fact"]
    assert first["since"] is None


def test_a_kill_of_a_run_is_not_told_before_it_happened(capsys: pytest.CaptureFixture[str]) -> None:
    run = MACHINES.parent / "recordings" / "108-oom-swap-full" / "run1.tar.xz"
    assert not any(one["name"] == "killed" for one in findings(f"{run}@start", capsys))
    first = next(one for one in findings(f"{run}@grown", capsys) if one["name"] == "killed")
    assert first["fact"].startswith("Grower (84) was killed")
    assert (first["harm"], first["command"]) == ("killed", f"memtwin oom --run {run}")


def test_a_trace_has_a_screen_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = tmp_path / "host.trace"
    assert cli.main(["record", "-o", str(where), "--for", "1s"]) == 0
    capsys.readouterr()
    assert "host.trace" in screen(where, capsys)[0]


def test_every_cgroup_with_a_limit_is_found_of_either_version(tmp_path: Path) -> None:
    assert [one.path for one in cgroups.limited(open_source(MACHINES / "limit"))] == [
        "cgroup /system.slice/docker-3f1c.scope"
    ]
    for name, limit in (("", 1 << 63), ("/a", 1 << 20), ("/a/b", 1 << 63), ("/a/b/c", 1 << 21)):
        folder = tmp_path / f"sys/fs/cgroup/memory{name}"
        folder.mkdir(parents=True)
        (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
        (folder / "memory.usage_in_bytes").write_text("4096\n")
    assert [one.path for one in cgroups.limited(open_source(tmp_path))] == ["cgroup /a", "cgroup /a/b/c"]
