"""``memtwin oom``: where it reads, what it prints, what it says when there is nothing."""

from __future__ import annotations

import gzip
import json
import lzma
from typing import TYPE_CHECKING

import pytest
from layouts import HOG, LAYOUTS, WEB, memcg_report, report

from memtwin.cli import main

if TYPE_CHECKING:
    from pathlib import Path

MODERN = LAYOUTS[-2]


def log(path: Path, *reports: list[str]) -> str:
    """Write a log with *reports* and return its name."""
    lines = [f"[ {number}.000000] {line}" for number, lines in enumerate(reports, 1) for line in lines]
    path.write_text("\n".join(["[ 0.000000] Linux version 6.1", *lines, ""]))
    return str(path)


def test_words_come_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who was killed, then why, then the tables."""
    assert main(["oom", log(tmp_path / "log", report(MODERN))]) == 0
    told = capsys.readouterr().out
    marks = [
        "java (777) was killed",
        "Who asked",
        "Why not",
        "Who died",
        "What would have changed it",
        "Zones",
        "Ranking",
    ]
    assert [told.index(mark) for mark in marks] == sorted(told.index(mark) for mark in marks)
    assert "Next was tmux: server (410)" in " ".join(told.split())


def test_json_has_the_promised_shape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object with a version and the events."""
    assert main(["oom", "--json", log(tmp_path / "log", report(MODERN), memcg_report(MODERN))]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == 2
    first, second = told["events"]
    assert (first["kernel"], first["constraint"], first["complete"], first["missing"]) == (
        MODERN.kernel,
        "global",
        True,
        [],
    )
    assert first["trigger"]["name"] == WEB.name
    assert first["trigger"]["gfp_flags"] == "GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO"
    assert (first["victim"]["pid"], first["victim"]["oom_score_adj"]) == (HOG.pid, 0)
    assert (first["recomputed"]["pid"], first["recomputed"]["follows"]) == (HOG.pid, True)
    assert first["ranking"][0]["points"] == 60150
    assert first["tasks"][-1]["rss_pages"] == HOG.rss
    assert sum(item["bytes"] for item in first["memory"]["items"]) == first["memory"]["total_bytes"]
    assert first["would_change"]
    assert first["summary"].startswith("java (777) was killed")
    assert (second["constraint"], second["memcg"]["limit_bytes"]) == ("memcg", 300_000 * 1024)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress], ids=["gz", "xz"])
def test_packed_logs_are_unpacked(pack, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    """Rotated logs, also those that are cut off."""
    packed = pack("\n".join(report(MODERN) * 20).encode())
    for octets, name in ((packed, "whole"), (packed[:-20], "cut")):
        (tmp_path / name).write_bytes(octets)
        assert main(["oom", str(tmp_path / name)]) == 0
        assert "java (777) was killed" in capsys.readouterr().out


def test_of_many_events_all_are_listed_and_the_last_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With five of them nobody wants to read five pages."""
    name = log(tmp_path / "log", *[report(MODERN)] * 4, report(MODERN, victim=WEB))
    assert main(["oom", name]) == 0
    told = capsys.readouterr().out
    assert "4 x java was killed: the machine" in told
    assert "1.000000 to 4.000000" in told
    assert told.count("OOM event") == 1
    assert "OOM event 5" in told
    assert main(["oom", "--event", "2", name]) == 0
    assert "OOM event 2" in capsys.readouterr().out
    assert main(["oom", "--all", name]) == 0
    assert capsys.readouterr().out.count("OOM event") == 5
    assert main(["oom", "--event", "9", name]) == 2
    assert "has 5" in capsys.readouterr().err


def test_nothing_found_is_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Said in a sentence; an empty list in JSON."""
    (tmp_path / "log").write_text("all is well\n")
    assert main(["oom", str(tmp_path / "log")]) == 0
    assert "No OOM event" in capsys.readouterr().out
    assert main(["oom", "--json", str(tmp_path / "log")]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == []


def test_what_cannot_be_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No file, a binary journal, two sources at once: a sentence and what to do, no traceback."""
    assert main(["oom", str(tmp_path / "none")]) == 1
    assert "No such file" in capsys.readouterr().err
    (tmp_path / "binary").write_bytes(b"LPKSHHRH" + bytes(100))
    assert main(["oom", str(tmp_path / "binary")]) == 1
    assert "journalctl --file" in capsys.readouterr().err
    assert main(["oom", "--journal", "x"]) == 2
    (tmp_path / "bad.gz").write_bytes(b"\x1f\x8b" + b"\xff" * 50)
    assert main(["oom", str(tmp_path / "bad.gz")]) == 1
    assert "cannot be unpacked" in capsys.readouterr().err


def test_the_recording_of_a_real_kernel(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four processes with different oom_score_adj: each kill follows by the rule of 6.1."""
    assert main(["oom", "--json", "--run", str(recordings / "107-oom-four-adj" / "run1.tar.xz")]) == 0
    events = json.loads(capsys.readouterr().out)["events"]
    assert len(events) > 1
    for event in events:
        assert event["complete"]
        assert event["recomputed"]["follows"] is True
        assert event["recomputed"]["pid"] == event["victim"]["pid"]
        assert not any(zone["passes"] for zone in event["zones"])


def test_no_journal_is_an_error_and_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = tmp_path / "journalctl"
    tool.write_text('#!/bin/sh\ncase "$*" in *--quiet*) ;; *) echo No journal files were found. >&2;; esac\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert main(["oom", "--journal"]) == 1
    assert "there is no journal that may be read" in capsys.readouterr().err
    tool.write_text("#!/bin/sh\necho Mar 14 02:11:05 host kernel: quiet\n")
    assert main(["oom", "--journal"]) == 0
    assert "No OOM event in the journal" in capsys.readouterr().out
