"""What the chapter's page says to try runs on this host, on a snapshot and on the twin; its own machine prints it."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from memtwin import cli

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
import chapter_shown  # noqa: E402 - beside the page that it writes

PAGE = (ROOT / "docs" / "chapter.md").read_text()
NO_VIEW = ("learn", "run", "leak", "htop", "snapshot")
"""Commands that make or watch something: they have tests of their own."""
COMMANDS = sorted(
    words
    for words in set(re.findall(r"`memtwin ([^`]*)`", PAGE))
    if words.split()[0] not in NO_VIEW and "--root" not in words
)
MACHINE = re.findall(r"^    \$ (memtwin [^\n]*)\n((?:    [^$\n][^\n]*\n)+)", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, int]]:
    """Where each of the three lies, and a process that is there."""
    directory = tmp_path_factory.mktemp("chapter")
    taken, run = str(directory / "snapshot.tar"), str(directory / "run")
    assert cli.main(["snapshot", "-o", taken]) == 0
    assert cli.main(["run", str(ROOT / "scenarios/chapter/virtual-memory.mem"), "--quiet", "-o", run]) == 0
    workers = (directory / "run" / "desktop" / "workers.txt").read_text().split()
    return {
        "live": ("live", os.getpid()),
        "snapshot": (taken, os.getpid()),
        "twin": (f"{run}@desktop", int(workers[1])),
    }


def test_the_page_has_commands_for_every_section() -> None:
    assert len(COMMANDS) > 15
    assert PAGE.count("\n## ") >= 9


def test_every_statement_has_a_command_that_all_three_answer() -> None:
    """An experiment (a lesson, a scenario) runs on the twin alone: beside it there is a view."""
    alone = [row.said for row in chapter_shown.rows(PAGE) if not set(row.commands) & {*COMMANDS, "htop"}]
    assert alone == ["cinnamon has 5 GB of VIRT, 292 MB of RES and 133 MB of SHR"]  # its command names the run


@pytest.mark.parametrize("where", ["live", "snapshot", "twin"])
@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_of_the_page_answers_on_all_three(
    words: str, where: str, sources: dict[str, tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    root, pid = sources[where]
    asked = shlex.split(words.replace("PID", str(pid)))
    if asked == ["top"]:
        asked += ["-b", "-n", "1"]
    code = cli.main([*asked, "--root", root])
    out, err = capsys.readouterr()
    if code and "ermission denied" in err:
        pytest.skip("only root may read it on this host")
    assert code == 0, err
    assert out.strip() or words.startswith("swaps"), words  # as swapon: nothing where there is no swap


@pytest.mark.parametrize(("line", "printed"), MACHINE, ids=[line for line, _ in MACHINE])
def test_the_chapters_machine_prints_what_the_page_says(
    line: str, printed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    command, _, given = line.partition(" < ")
    with Path(given or os.devnull).open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert cli.main(shlex.split(command)[1:]) == 0
    expected = "".join(f"{row[4:]}\n" for row in printed.splitlines())
    assert capsys.readouterr().out == expected


def test_what_is_shown_is_what_the_commands_print(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/chapter-shown.md is what the commands print, statement by statement."""
    monkeypatch.setenv("COLUMNS", "100")
    assert chapter_shown.PAGE.read_text() == chapter_shown.page(), "make chapter writes it"
    shown = chapter_shown.PAGE.read_text()
    assert all(f"**{row.said}.**" in shown for row in chapter_shown.rows(PAGE))


def test_the_chapters_machine_is_shown() -> None:
    assert len(MACHINE) >= 4
