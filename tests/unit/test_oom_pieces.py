"""What people paste: cut, wrapped, exported and retold pieces of reports, and what must not become an event."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from layouts import HOG, LAYOUTS, Layout, memcg_report, report
from oom_pieces import PIECES, Piece, stamped

from memtwin import oom
from memtwin.cli import main

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "oom.schema.json").read_text())
KINDS = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}


def check(value: Any, schema: dict[str, Any], where: str = "$") -> None:
    """Hold *value* against the words of JSON Schema that docs/oom.schema.json uses; an unknown word fails."""
    assert schema.keys() <= {"$schema", "$defs", "$ref", "type", "properties", "required", "items", "enum", "const",
                             "additionalProperties", "description", "title"}, where  # fmt: skip
    if "$ref" in schema:
        check(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], where)
        return
    if "const" in schema or "enum" in schema:
        assert value in schema.get("enum", [schema.get("const")]), f"{where}: {value!r}"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    assert not kinds or any(
        isinstance(value, KINDS[kind]) and not (kind == "integer" and isinstance(value, bool)) for kind in kinds
    ), f"{where}: {value!r} is not {kinds}"
    if isinstance(value, dict):
        more = schema.get("additionalProperties", True)
        properties = schema.get("properties", {})
        assert set(schema.get("required", ())) <= value.keys(), f"{where}: {schema['required']}"
        for key, inner in value.items():
            assert key in properties or more is not False, f"{where}.{key} is not in the schema"
            check(inner, properties.get(key, more if isinstance(more, dict) else {}), f"{where}.{key}")
    if isinstance(value, list):
        for place, inner in enumerate(value):
            check(inner, schema.get("items", {}), f"{where}[{place}]")


def answer(text: str | bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Return what ``memtwin oom`` prints for a file with *text*."""
    (tmp_path / "log").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["oom", str(tmp_path / "log"), *options]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: f"{piece.kind}: {piece.name}")
def test_a_piece_has_its_answer(piece: Piece, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The events with their victims, the deaths with their causes, the words, and the schema of the JSON."""
    found = json.loads(answer(piece.text, tmp_path, capsys, "--json"))
    check(found, SCHEMA)
    assert [
        ((event["victim"] or {}).get("name"), (event["victim"] or {}).get("pid"), event["constraint"])
        for event in found["events"]
    ] == list(piece.events)
    own = [death for death in found["deaths"] if death["reason"] != "its report"]
    assert [(death["by"], death["who"], death["event"]) for death in own] == list(piece.deaths)
    said = " ".join(answer(piece.text, tmp_path, capsys, "--all").split())
    for words in piece.says:
        assert words in said
    for words in (*piece.never, "it was not the kernel's OOM killer", "It was not the kernel's OOM killer"):
        assert words not in said
    if not piece.events and not piece.deaths:
        assert said.startswith("No OOM event in ")


def test_there_are_many_kinds() -> None:
    """Sixty inputs of twenty-five kinds at least, controls among them."""
    assert len(PIECES) >= 60
    assert len({piece.kind for piece in PIECES}) >= 25
    assert sum(piece.kind == "must stay empty" for piece in PIECES) >= 10


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("width", [72, 80, 96, 120, 160])
def test_a_wrapped_report_is_the_report(layout: Layout, width: int) -> None:
    """Broken at any column, the event is that of the whole text, but for the numbers of its lines."""
    for lines in (stamped(report(layout)), stamped(memcg_report(layout))):
        broken = [line[at : at + width] for line in lines for at in range(0, len(line), width)]
        [one], [other] = oom.parse("\n".join(lines)), oom.parse("\n".join(broken))
        assert other._replace(first_line=1, last_line=1) == one._replace(first_line=1, last_line=1)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_windows_files_are_read(encoding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``wsl dmesg > x.txt`` in PowerShell writes UTF-16, with or without a mark at its start."""
    text = "\r\n".join(stamped(report(LAYOUTS[-1])))
    assert f"{HOG.name} ({HOG.pid}) was killed" in answer(text.encode(encoding), tmp_path, capsys)


def test_binary_data_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file with NUL bytes is no text: what is text in it is read, and the rest is said."""
    (tmp_path / "log").write_bytes(b"\x7fELF\0\0\0\1" * 400)
    assert main(["oom", str(tmp_path / "log")]) == 0
    assert "NUL bytes" in capsys.readouterr().err
    (tmp_path / "log").write_bytes(b"\0" * 4096 + "\n".join(stamped(report(LAYOUTS[-1]))).encode())
    assert main(["oom", str(tmp_path / "log")]) == 0
    told = capsys.readouterr()
    assert f"{HOG.name} ({HOG.pid}) was killed" in told.out
    assert "NUL bytes" in told.err


def test_many_events_are_listed_and_the_whole_one_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Repeated ones are one line with their times; the last complete event is shown, not the kill line after it."""
    kill = "Out of memory: Killed process {} (worker) total-vm:9kB, anon-rss:8kB, file-rss:0kB"
    lines = [f"[ {100 + n * 300}.0] {kill.format(n + 10)}" for n in range(5)]
    lines += [f"[ 3000.0] {line}" for line in report(LAYOUTS[-1])] + [f"[ 9000.0] {kill.format(99)}"]
    said = answer("\n".join(lines), tmp_path, capsys)
    assert "5 x worker was killed" in said
    assert "100.0 to 1300.0" in said
    assert "OOM event 6" in said
    assert "OOM event 7" not in said
