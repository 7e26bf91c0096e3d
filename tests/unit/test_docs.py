"""Does every command of README and docs run as it is typed, and print what stands below it?

An indented block of a page is one for a shell if a line of it begins with ``memtwin``, ``$ memtwin`` or ``cat >``. Its
lines run in the order of the page, in a directory with what a clone has at its top. What follows a line with ``$`` is
its output, ``...`` any lines of it.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from memtwin.scenario import load

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").glob("*.md") if path.stem != "chapter-shown")]
"""test_chapter_commands.py holds what the commands of the other page print."""
FOR_A_SHELL = re.compile(r"(\$ )?memtwin( |$)|cat > ")
NOT_HERE = re.compile(r"(make|pip|pipx|scp|ssh|python3|source|install|man|gunzip|cp|mkdir|export)\b|\. ")
"""Commands that install or need another machine; targets of make are looked up."""
WITHOUT_END = re.compile(r" --for \d|memtwin (top|export --listen)|-- htop|memtwin record (?!.*--for)")
"""What goes on until it is interrupted."""
NEEDS = {
    "exec --speed": "fuse", "exec ": "namespace", "--journal": "journal", "-- htop": "htop", "-- free": "free",
    "memtwin run": "core", "validate ": "core",
}  # fmt: skip
NOT_ALL_SUCCEEDED = 3
LONGEST_CPU_S = 60
"""Of CPU time, which a loaded host does not add to."""
LONGEST_S = 300.0
SHOWN_S = 1.5


class Command(NamedTuple):
    """A command of a page, and what it prints: None where the page has no output."""

    line: int
    text: str
    output: list[str] | None


def blocks(page: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each indented block with the number of its first line."""
    found: list[str] = []
    for number, line in enumerate([*page.read_text().splitlines(), "end"], 1):
        if line.startswith("    ") or (found and not line):
            found.append(line[4:])
        elif found:
            yield number - len(found), found
            found = []


def commands(page: Path) -> list[Command]:
    found: list[Command] = []
    for first, block in blocks(page):
        if not any(FOR_A_SHELL.match(line) for line in block):
            continue
        here: list[str] = []
        output: list[str] | None = None
        for number, line in enumerate(block, first):
            if here:
                here.append(line)
                if line == "END":
                    found.append(Command(number, "\n".join(here), None))
                    here = []
            elif line.startswith("cat > "):
                here = [line]
            elif line.startswith("$ "):
                output = []
                found.append(Command(number, line[2:], output))
            elif output is not None and line:
                output.append(line)
            elif line:
                found.append(Command(number, line, None))
    return found


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what a clone has, and a `memtwin` that a shell finds."""
    where = tmp_path_factory.mktemp("clone")
    for name in ("tests", "scenarios", "docs", "README.md"):
        (where / name).symlink_to(ROOT / name)
    (where / "bin").mkdir()
    program = where / "bin" / "memtwin"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m memtwin "$@"\n')
    program.chmod(0o755)
    return where


def can(need: str) -> bool:
    if need == "fuse":
        from ctypes.util import find_library

        return Path("/dev/fuse").exists() and bool(find_library("fuse3") or find_library("fuse"))
    if need == "namespace":
        return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0
    if need == "journal":
        found = subprocess.run("journalctl -q -n 1", shell=True, capture_output=True, check=False)
        return found.returncode == 0 and bool(found.stdout)
    if need == "core":
        return any((ROOT / "src" / "memtwin" / "linux").rglob("*.so"))
    return shutil.which(need) is not None


def prepare() -> None:
    """Let SIGINT end the child even where this process, in the background of a shell, ignores it; limit CPU time."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_CPU_S, LONGEST_CPU_S))


def where(group: int) -> str:
    """Return where in the kernel each process of a group waits."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            stat = (process / "stat").read_text(errors="replace").rpartition(") ")[2].split()
            if int(stat[2]) == group:
                command = (process / "cmdline").read_text(errors="replace").replace("\0", " ")
                found.append(f"{process.name} {stat[0]} {(process / 'wchan').read_text()} {command}")
                found.append((process / "stack").read_text())
        except OSError as problem:
            found.append(str(problem))
    return "\n".join(found)


def run(command: Command, clone: Path) -> tuple[int, str, str]:
    environment = {**os.environ, "PATH": f"{clone / 'bin'}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "TERM": "xterm"}
    endless = WITHOUT_END.search(command.text) is not None
    with subprocess.Popen(
        ["/bin/sh", "-c", command.text], cwd=clone, env=environment, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=prepare,  # noqa: PLW1509
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(timeout=SHOWN_S if endless else LONGEST_S)
        except subprocess.TimeoutExpired:
            waits = where(process.pid)
            os.killpg(process.pid, signal.SIGINT if endless else signal.SIGKILL)
            assert endless, f"{command} took {LONGEST_S} s\n{waits}"
            out, err = process.communicate(timeout=LONGEST_S)
            assert process.returncode in {0, 130, -signal.SIGINT}, (command, err)
            return 0, out, err
    return process.returncode, out, err


def as_pattern(lines: list[str]) -> str:
    return "".join(map(_line_pattern, lines))


def _line_pattern(line: str) -> str:
    if line.strip() == "...":
        return r"(?:[^\n]*\n)*?"
    whole = line.rstrip()
    return re.escape(whole.removesuffix("...")) + (r"[^\n]*\n" if whole.endswith("...") else r"\s*\n")


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_every_command_runs_as_typed_and_prints_what_is_shown(page: Path, clone: Path) -> None:
    for command in commands(page):
        if NOT_HERE.match(command.text) or not all(can(need) for word, need in NEEDS.items() if word in command.text):
            continue
        code, out, err = run(command, clone)
        said = f"{page.name}:{command.line}: {command.text}\n{err}"
        assert code in ({0, NOT_ALL_SUCCEEDED} if "memtwin run" in command.text else {0}), said
        assert "Traceback" not in err, said
        if command.output:
            blank_free = re.sub(r"\n\s*\n", "\n", out)
            assert re.match(as_pattern(command.output), blank_free), f"{said}\n{out}"


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "lab" / "README.md"], ids=lambda page: page.name
)
def test_every_target_of_make_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for _, block in blocks(page) for line in block for word in re.findall(r"^make ([a-z-]+)", line)}
    assert named <= targets


def test_the_commands_that_make_run_ends_with_are_commands() -> None:
    text = (ROOT / "Makefile").read_text()
    tried = re.findall(r'@echo "  \$\(BIN\)/memtwin([^"#]*)', text[text.index("== three commands to try") :])
    assert len(tried) == 3
    assert [words.split()[:1] for words in tried] == [[], ["ps"], ["run"]]
    assert load(str(ROOT / tried[2].split()[1])).checkpoints[2] == "evening"
    assert "@evening" in tried[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_row_of_a_table_stands_without_its_head(page: Path) -> None:
    lines = page.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("|") and not lines[number - 1].startswith("|"):
            assert re.fullmatch(r"\|[-:| ]+\|", lines[number + 1]), f"{page.name}:{number + 1}"


def test_links_lead_to_files() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)
