"""Are other killers told apart from the kernel's, and is each trace of a kill given to who did it?"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import HOG, LAYOUTS, WEB, memcg_report, report

from memtwin import cli
from memtwin.oom import events
from memtwin.oom.killers import KERNEL, UNKNOWN, Watch, seconds, sentences, told

if TYPE_CHECKING:
    from pathlib import Path

    from memtwin.oom.killers import Death

LAYOUT = LAYOUTS[-2]
AT = "Dec 18 19:34:56 desk"


def deaths(*lines: str) -> list[Death]:
    watch = Watch()
    for number, event in enumerate(events(watch.over(lines)), 1):
        watch.saw(number, event)
    return watch.joined()


def kernel_log(lines: list[str], at: str = AT) -> list[str]:
    return [f"{at} kernel: [  100.5] {line}" for line in lines]


KILLS = {  # who did it, who died, pid, and the lines as each program prints them
    "systemd-oomd": ("/user.slice/a.scope", None, """\
systemd-oomd[8]: Killed /user.slice/a.scope due to memory pressure for /user.slice being 62.07% > 50.00% for > 20s \
with reclaim activity"""),
    "systemd-oomd, swap": ("/user.slice/a.scope", None, """\
systemd-oomd[8]: Killed /user.slice/a.scope due to memory used (16000000000) / total (16500000000) and swap used (900) \
/ total (1000) being more than 90.00%"""),
    "earlyoom 1.7": ("firefox", 9994, """\
earlyoom[4]: low memory! at or below SIGTERM limits: mem 10.00%, swap 10.00%
earlyoom[4]: sending SIGTERM to process 9994 uid 1000 "firefox": badness 1181, VmRSS 4568 MiB"""),
    "earlyoom 1.8": ("bun", 223, """\
earlyoom[4]: sending SIGKILL to process 223 uid 1000 "bun": oom_score 712, oom_score_adj 0, VmRSS 4514 MiB, \
cmdline "bun test\""""),
    "nohang": ("tail", 4242, """\
nohang[9]: Process with highest badness (found in 3ms):
nohang[9]:   PID: 4242, Name: tail, badness: 900
nohang[9]: Sending SIGTERM to the victim"""),
    "kubelet": ("shop/cart-1", None, """\
kubelet[2]: I0528 16:05:54.802914 226 eviction_manager.go:627] "Eviction manager: pod is evicted successfully" \
pod="shop/cart-1\""""),
    "kubelet, event": ("a pod", None, """\
kubelet[2]: Evicted: The node was low on resource: memory. Threshold quantity: 250Mi"""),
    "systemd": ("db.service", None, "systemd[1]: db.service: State 'stop-sigterm' timed out. Killing."),
}  # fmt: skip


def lines_of(killer: str) -> list[str]:
    return [f"{AT} {line}" for line in KILLS[killer][2].split("\n")]


@pytest.mark.parametrize("killer", KILLS)
def test_a_killer_is_known_by_its_lines(killer: str) -> None:
    who, pid, _ = KILLS[killer]
    (found,) = deaths(*lines_of(killer))
    assert found.by == killer.split(",", maxsplit=1)[0].split(" ", maxsplit=1)[0]
    assert (found.who, found.pid) == (who, pid)
    assert "It was not the kernel's OOM killer" in " ".join(sentences([found], 0))


def test_an_exit_code_is_joined_with_the_kernels_kill() -> None:
    log = kernel_log(memcg_report(LAYOUT))
    log += [
        f"{AT} systemd[1]: shop.service: A process of this unit has been killed by the OOM killer.",
        f"{AT} systemd[1]: shop.service: Main process exited, code=killed, status=9/KILL",
        f"{AT} systemd[1]: shop.service: Failed with result 'oom-kill'.",
        f"{AT} kubelet[2]: Got sys oom event event={{Pid:{HOG.pid} ProcessName:{HOG.name} TimeOfDeath:1}}",
    ]
    found = deaths(*log)
    assert [(death.by, death.event) for death in found] == [(KERNEL, 1)] * 4
    assert not list(sentences(found, 1))


def test_a_kill_that_nobody_explains_was_not_the_oom_killer() -> None:
    log = kernel_log(report(LAYOUT), "Dec 18 03:00:00 desk")
    log.append(f"{AT} dockerd[7]: container web exited with exit code 137")
    log.append(f"{AT} systemd[1]: web.service: Main process exited, code=killed, status=9/KILL")
    found = deaths(*log)
    assert {death.by for death in found} == {UNKNOWN}
    assert "it was not the kernel's OOM killer" in " ".join(sentences(found, 1))


def test_a_stop_that_took_too_long_is_systemds() -> None:
    found = deaths(
        f"{AT} systemd[1]: db.service: State 'stop-sigterm' timed out. Killing.",
        f"{AT} systemd[1]: db.service: Killing process 77 (mysqld) with signal SIGKILL.",
        f"{AT} systemd[1]: db.service: Main process exited, code=killed, status=9/KILL",
    )
    assert [death.by for death in found] == ["systemd"] * 3


def test_oomds_own_traces_are_oomds() -> None:
    found = deaths(
        *lines_of("systemd-oomd"), f"{AT} systemd[8]: a.scope: systemd-oomd killed 12 process(es) in this unit."
    )
    assert [death.by for death in found] == ["systemd-oomd"] * 2


@pytest.mark.parametrize(
    "text",
    ["port 137 is open", "pid 137 started", "exit code 1370", "exit code 13", "SIGKILL is 9", "Eviction is near"],
)
def test_what_only_looks_like_a_kill_is_none(text: str) -> None:
    assert deaths(f"{AT} app[1]: {text}") == []


@pytest.mark.parametrize(
    "text", ["exited with code 137", "exit code: 137", '{"exitCode": 137}', "Exited (137) 3 minutes ago",
             "exit status 137", "returned 137", "Exit Code:    137", "exitCode=137"]
)  # fmt: skip
def test_137_in_its_spellings(text: str) -> None:
    assert [death.by for death in deaths(f"{AT} app[1]: {text}")] == [UNKNOWN]


@given(st.lists(st.sampled_from([line for killer in KILLS for line in lines_of(killer)]), max_size=8), st.text())
def test_any_order_and_any_noise_is_taken(lines: list[str], noise: str) -> None:
    assert "\x1b" not in told(deaths(*lines, noise, f"{AT} x[1]: \x1b[31m{noise}: State 'a' timed out. Killing."), 0)


def test_clocks_that_cannot_be_compared_are_not() -> None:
    assert seconds("2026-11-25T16:00:01+00:00") == seconds("2026-11-25 16:00:01")
    assert seconds(None) is seconds("yesterday") is seconds("2026-99-99 16:00:01") is None
    assert seconds("Nov 30 23:59:59") < seconds("Dec  1 00:00:00")  # type: ignore[operator]


def test_the_command_tells_of_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "messages"
    log.write_text("\n".join([*kernel_log(report(LAYOUT)), *lines_of("earlyoom 1.7")]) + "\n")
    assert cli.main(["oom", str(log)]) == 0
    out = capsys.readouterr().out
    assert f"{HOG.name} ({HOG.pid}) was killed" in out
    assert "Not all of it was the kernel: earlyoom killed too." in out.replace("\n  ", " ")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(log.read_bytes())))
    assert cli.main(["oom", "-", "--json"]) == 0
    told_of = json.loads(capsys.readouterr().out)
    assert [(death["by"], death["who"], death["event"]) for death in told_of["deaths"]] == [
        (KERNEL, HOG.name, 1),
        ("earlyoom", "firefox", None),
    ]
    assert told_of["events"][0]["trigger"]["name"] == WEB.name
