"""Does ``lru`` show generations where there are any, and the lists where there are none?"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from memtwin import cli
from memtwin.errors import ProcParseError
from memtwin.linux.mm import lru_gen_state
from memtwin.run import run
from memtwin.scenario import parse as scenario
from memtwin.sources.recording import Recording
from memtwin.sysfs import lru_gen
from memtwin.twin.twin import Twin

RECORDINGS = Path(__file__).parents[1] / "recordings"
TEXT = """memcg     1 /
 node     0
          3        818      17830         426 
          4        673         22         120 
memcg    52 /system.slice
 node     0
          7          9          1           2 
"""  # noqa: W291 - as the kernel prints it


def test_the_file_comes_back_byte_for_byte() -> None:
    record = lru_gen.parse(TEXT)
    assert lru_gen.render(record) == TEXT
    assert record.groups[1].path == "/system.slice"
    assert lru_gen.parse(TEXT.replace("426 ", "426x")).groups[0].nodes[0].generations[0].file == 426


@pytest.mark.parametrize("line", ["memcg x /", " node", "          3        818", " node     0"])
def test_a_damaged_line_is_named(line: str) -> None:
    with pytest.raises(ProcParseError, match=r"lru_gen:1: expected"):
        lru_gen.parse(f"{line}\n")


def test_the_twin_prints_what_the_model_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "machine ram=192M kernel=6.12\nfile f 40M\nproc A\nA mmap h 60M\nA touch h 0 60M w seq\n"
    text += "A fread f 0 40M 64K seq\n"
    machine = run.simulate(scenario(text), None).machine
    twin = Twin(machine)
    record = lru_gen.parse(twin.read(lru_gen.PATH) or "")
    assert [(g.seq, g.anon, g.file) for g in record.groups[0].nodes[0].generations] == [
        (g.seq, g.anon, g.file) for g in lru_gen_state.generations(machine.state)
    ]
    assert twin.read(lru_gen.ENABLED) == "0x0007\n"
    (tmp_path / "s.mem").write_text(f"{text}checkpoint end\n")
    assert cli.main(["run", str(tmp_path / "s.mem"), "-o", str(tmp_path / "out"), "--quiet"]) in {0, None}
    capsys.readouterr()
    cli.main(["lru", "--root", f"{tmp_path / 'out'}@end", "--json"])
    rows = json.loads(capsys.readouterr().out)["data"]
    assert sum(row["anon_bytes"] for row in rows) >= 60 << 20
    assert [row["counts_as"] for row in rows][-2:] == ["active", "active"]


def test_without_generations_there_are_two_ages(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["lru", "--root", f"{RECORDINGS / '19-file-thrash' / 'run1.tar.xz'}@random"])
    out = capsys.readouterr().out
    assert "inactive" in out
    assert "eclaim takes from the inactive lists" in " ".join(out.split())
    cli.main(["lru", "--root", f"{RECORDINGS / '19-file-thrash.k612' / 'run1.tar.xz'}@boot"])
    assert "only root may read" in capsys.readouterr().out


def machine(root: Path, zoneinfo: str, on: str | None) -> str:
    """Write a machine with pages of 64 KiB."""
    (root / "proc").mkdir(parents=True)
    (root / "proc/zoneinfo").write_text(zoneinfo)
    (root / "snapshot.json").write_text('{"page_bytes": 65536}')
    if on is not None:
        (root / lru_gen.ENABLED).parent.mkdir(parents=True)
        (root / lru_gen.ENABLED).write_text(on)
    return str(root)


def recorded() -> str:
    return Recording(RECORDINGS / "19-file-thrash" / "run1.tar.xz").at("random").read("proc/zoneinfo") or ""


@pytest.mark.parametrize("on", ["0x0000\n", None])
def test_lists_are_counted_in_the_machines_own_pages(
    on: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the kernel does not say is not known: no file does not mean that the policy is off."""
    text = recorded()
    assert cli.main(["lru", "--root", machine(tmp_path / "s", text, on), "--json"]) in {0, None}
    found = json.loads(capsys.readouterr().out)
    for age, row in zip(("inactive", "active"), found["data"], strict=True):
        for kind in ("anon", "file"):
            pages = sum(map(int, re.findall(rf"nr_zone_{age}_{kind} +(\d+)", text)))
            assert row[f"{kind}_bytes"] == pages << 16
    assert ("is not known" in found["sentences"][0]["text"]) == (on is None)


def test_counts_that_are_not_there_are_not_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = re.sub(r".*nr_(zone_)?(in)?active_.*\n", "", recorded())
    assert cli.main(["lru", "--root", machine(tmp_path / "s", text, "0x0000\n")]) == 1
    assert "has no row of the lists" in capsys.readouterr().err


def test_a_policy_is_written_as_a_setting_while_the_machine_runs() -> None:
    """y, n and bits are taken, anything else is EINVAL; a header has its own word."""
    text = "machine kernel=6.12\nproc A\nsysctl lru_gen.enabled={}\nsysctl lru_gen.min_ttl_ms=50\n"
    for word, caps in (("n", 0), ("y", 7), ("0x0003", 3), ("5", 5)):
        done = run.simulate(scenario(text.format(word)), None)
        assert lru_gen_state.enabled(done.machine.state) == caps
        assert lru_gen_state.min_ttl_ms(done.machine.state) == 50
    assert run.simulate(scenario(text.format("maybe")), None).done[1].errno == 22
