"""Is each line that speaks of a death joined with who killed, and is nothing said that the log does not say?"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import HOG, LAYOUTS, WEB, memcg_report, report

from memtwin import cli
from memtwin.oom.deaths.death import KERNEL, UNKNOWN
from memtwin.oom.deaths.watch import Watch
from memtwin.oom.deaths.witnesses import may_be_one, may_tell, witness_of
from memtwin.oom.deaths.words import sentences, table
from memtwin.oom.event import CERTAIN, POSSIBLE, PROBABLE
from memtwin.oom.read.clock import seconds
from memtwin.oom.read.parse import events_of
from memtwin.oom.read.shape import restored

if TYPE_CHECKING:
    from pathlib import Path

    from memtwin.oom.deaths.death import Death

LAYOUT = LAYOUTS[-2]
AT = "Dec 18 19:34:56 desk"
OOMD = f"{AT} systemd-oomd[8]: Killed /a.scope due to memory used (16) / total (17) and swap used (9) / total (10)"
EARLYOOM = f'{AT} earlyoom[4]: sending SIGTERM to process 9994 uid 1000 "firefox": badness 1181, VmRSS 4568 MiB'
LINES = (
    f"{OOMD} being more than 90.00%", EARLYOOM,
    f"{AT} systemd[1]: db.service: State 'stop-sigterm' timed out. Killing.",
    f"{AT} systemd[1]: a.service: Main process exited, code=killed, status=9/KILL", f"{AT} app[1]: exit code 137",
    f"{AT} systemd[1]: a.service: Failed with result 'oom-kill'.", '"OOMKilled": false,', "Reason: OOMKilled", "Killed",
)  # fmt: skip


def deaths(*lines: str) -> list[Death]:
    watch = Watch()
    for number, event in enumerate(events_of(watch.over(restored(lines))), 1):
        watch.note(number, event)
    return watch.joined()


def kernel_log(lines: list[str], at: str = AT) -> list[str]:
    return [f"{at} kernel: [  100.5] {line}" for line in lines]


def test_a_unit_in_the_victims_cgroup_is_certainly_of_the_event() -> None:
    log = kernel_log(memcg_report(LAYOUT))
    log += [
        f"{AT} systemd[1]: shop.service: A process of this unit has been killed by the OOM killer.",
        f"{AT} systemd[1]: shop.service: Main process exited, code=killed, status=9/KILL",
        f"{AT} systemd[1]: shop.service: Failed with result 'oom-kill'.",
        f"{AT} kubelet[2]: Got sys oom event event={{Pid:{HOG.pid} ProcessName:{HOG.name} TimeOfDeath:1}}",
    ]
    found = deaths(*log)
    assert [(death.by, death.event, death.confidence) for death in found] == [(KERNEL, 1, CERTAIN)] * 4
    assert not list(sentences(found, 1))


def test_a_death_hours_later_is_of_unknown_cause() -> None:
    """From what a log lacks nothing follows: neither that it was the kernel, nor that it was not."""
    log = kernel_log(report(LAYOUT), "Dec 18 03:00:00 desk")
    log.append(f"{AT} dockerd[7]: container web exited with exit code 137")
    log.append(f"{AT} systemd[1]: web.service: Main process exited, code=killed, status=9/KILL")
    found = deaths(*log)
    assert {death.by for death in found} == {UNKNOWN}
    said = " ".join(sentences(found, 1))
    assert "does not say who sent it" in said
    assert "it was not" not in said


def test_a_minute_later_a_name_joins_and_no_name_does_not() -> None:
    log = kernel_log(memcg_report(LAYOUT), "Dec 18 19:34:10 desk")
    log += [
        f"{AT} kubelet[2]: shop.service: Main process exited, code=killed, status=9/KILL",
        f"{AT} app[3]: exit code 137",
    ]
    assert [(death.by, death.event) for death in deaths(*log)] == [(KERNEL, 1), (UNKNOWN, None)]


@pytest.mark.parametrize(("kills", "confidence"), [(1, PROBABLE), (2, POSSIBLE)])
def test_a_nameless_death_near_kills_is_a_guess_that_says_so(kills: int, confidence: str) -> None:
    kill = "Out of memory: Killed process {} (x) total-vm:9kB, anon-rss:8kB, file-rss:0kB"
    found = deaths(
        *(f"{AT} kernel: {kill.format(pid)}" for pid in range(10, 10 + kills)), f"{AT} app[3]: exit code 137"
    )
    assert [(death.by, death.confidence) for death in found] == [(KERNEL, confidence)]
    assert "near it" in found[0].reason


@pytest.mark.parametrize(
    "text",
    ["port 137 is open", "pid 137 started", "exit code 1370", "exit code 13", "SIGKILL is 9", "Eviction is near",
     "returned 137 rows", "exit code 137 ms", "oom_score_adj=137"],
)  # fmt: skip
def test_what_only_looks_like_a_kill_is_none(text: str) -> None:
    assert deaths(f"{AT} app[1]: {text}") == []


@pytest.mark.parametrize(
    "text", ["exited with code 137", "exit code: 137", '{"exitCode": 137}', "Exited (137) 3 minutes ago",
             "exit status 137", "returned 137", "Exit Code:    137", "exitCode=137",
             "Process completed with exit code 137."]
)  # fmt: skip
def test_137_in_its_spellings(text: str) -> None:
    assert [death.by for death in deaths(f"{AT} app[1]: {text}")] == [UNKNOWN]


def test_no_layout_is_hidden_by_the_filters() -> None:
    """What a layout would know, the filters before it let through."""
    for line in LINES:
        assert may_tell(line)
        assert may_be_one(line)
        assert witness_of(line.partition("]: ")[2] or line) is not None


@given(st.lists(st.sampled_from(LINES), max_size=8), st.text())
def test_any_order_and_any_noise_is_taken(lines: list[str], noise: str) -> None:
    found = deaths(*lines, noise, f"{AT} x[1]: \x1b[31m{noise}: State 'a' timed out. Killing.")
    assert "\x1b" not in table(found, 0)


def test_clocks_that_cannot_be_compared_are_not() -> None:
    assert seconds("2026-11-25T16:00:01+00:00") == seconds("2026-11-25 16:00:01") == seconds("2026-11-25 17:00:01+0100")
    assert seconds(None) is seconds("yesterday") is seconds("2026-99-99 16:00:01") is None
    assert seconds("Nov 30 23:59:59") < seconds("Dec  1 00:00:00")  # type: ignore[operator]
    assert seconds("mars 14 02:11:05")[0] != seconds("avril 14 02:11:05")[0]  # type: ignore[index]


def test_the_command_shows_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "messages"
    log.write_text("\n".join([*kernel_log(report(LAYOUT)), EARLYOOM]) + "\n")
    assert cli.main(["oom", str(log)]) == 0
    out = capsys.readouterr().out
    assert f"{HOG.name} ({HOG.pid}) was killed" in out
    assert "Not all of it was the kernel: earlyoom killed too" in " ".join(out.split())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(log.read_bytes())))
    assert cli.main(["oom", "-", "--json"]) == 0
    told_of = json.loads(capsys.readouterr().out)
    assert [(death["by"], death["who"], death["event"]) for death in told_of["deaths"]] == [
        (KERNEL, HOG.name, 1),
        ("earlyoom", "firefox", None),
    ]
    assert told_of["events"][0]["trigger"]["name"] == WEB.name


def test_a_page_has_the_deaths_of_a_log_without_a_report(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("Reason: OOMKilled\nExit Code: 137\n")
    assert cli.main(["oom", str(tmp_path / "log"), "--html", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "the container&#x27;s state is OOMKilled" in page
    assert "its report is not in this text" in page
