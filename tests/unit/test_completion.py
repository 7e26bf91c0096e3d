"""Do real shells complete commands, options, values and files, and does man print the pages as they are meant?"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memtwin import cli
from memtwin.cli.examples import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
RUN = ROOT / "tests" / "recordings" / "35-zram-then-disk-small" / "run1.tar.xz"
SETUP = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        'source <(memtwin completion bash); bind -x \'"\\C-t": printf "<<%s>>\\n" "$READLINE_LINE"\'',
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        (
            "autoload -U compinit; compinit -u -D; source <(memtwin completion zsh); "
            "show() { print -r -- \"<<$BUFFER>>\" }; zle -N show; bindkey '^T' show; bindkey '^I' expand-or-complete"
        ),
    ),
}
READY_S = 60
TYPED = {  # what stands before the cursor when TAB is pressed -> what stands there then
    "memtwin swapu": "memtwin swapuse ",
    "memtwin free --expl": "memtwin free --explain ",
    "memtwin free --as sa": "memtwin free --as sar ",
    "memtwin free --root out.tar.xz@f35": "memtwin free --root out.tar.xz@f350 ",
    "memtwin diff out.tar.xz@bo": "memtwin diff out.tar.xz@boot ",
    "memtwin free --root li": "memtwin free --root live ",
    "memtwin free --root ou": "memtwin free --root out.tar.xz ",
    "memtwin oom lo": "memtwin oom log.txt ",
    "memtwin oom sub/de": "memtwin oom sub/deep.log ",
    "memtwin ps --sort +VIR": "memtwin ps --sort +VIRT ",
    "memtwin ps -o PID,COMMA": "memtwin ps -o PID,COMMAND ",
    "memtwin meminfo --explain HugePages_To": "memtwin meminfo --explain HugePages_Total ",
    "memtwin completion fi": "memtwin completion fish ",
    "memtwin learn 4": "memtwin learn 4 ",
    "memtwin run --set vm.swappi": "memtwin run --set vm.swappiness=",
    "memtwin run --boot live --swap zr": "memtwin run --boot live --swap zram:",
    "memtwin run lo": "memtwin run log.txt ",
    "memtwin --root out.tar.xz@f35": "memtwin --root out.tar.xz@f350 ",
    "memtwin free --root none@": "memtwin free --root none@",
    "memtwin nothing fr": "memtwin nothing fr",
}


@pytest.fixture
def shell_env(tmp_path: Path) -> dict[str, str]:
    """An environment in which ``memtwin`` is this one, in a folder with something to complete."""
    program = tmp_path / "bin" / "memtwin"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom memtwin.cli import main\nsys.exit(main())\n")
    program.chmod(0o755)
    (tmp_path / "sub").mkdir()
    for name in ("log.txt", "sub/deep.log"):
        (tmp_path / name).touch()
    (tmp_path / "out.tar.xz").symlink_to(RUN)
    return {
        "PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "TERM": "dumb",
        "PS1": "$ ", "INPUTRC": "/dev/null",
    }  # fmt: skip


class Shell:
    """A shell on a terminal of its own, to be typed into."""

    def __init__(self, words: list[str], env: dict[str, str]) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(env["HOME"])
            os.execvpe(words[0], words, env)
        self._seen = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.fd, text.encode())

    def wait(self, pattern: str) -> str:
        """Return the first group of *pattern* in what was printed since the last call."""
        end = time.monotonic() + READY_S
        while (found := re.search(pattern, self._seen)) is None:
            ready = select.select([self.fd], [], [], end - time.monotonic())[0]
            assert ready, self._seen
            self._seen += os.read(self.fd, 65536).decode(errors="replace")
        self._seen = self._seen[found.end() :]
        return found[1]

    def close(self) -> None:
        """End it."""
        os.close(self.fd)
        os.waitpid(self.pid, 0)


@pytest.fixture(params=SETUP)
def shell(request: pytest.FixtureRequest, shell_env: dict[str, str]) -> Iterator[Shell]:
    """A shell that has read the completion."""
    words, setup = SETUP[request.param]
    if not shutil.which(words[0]):
        pytest.skip(f"{words[0]} is not installed")
    shell = Shell(words, shell_env)
    shell.type(f"{setup}; echo rea''dy\n")
    shell.wait("(ready)")
    yield shell
    shell.close()


def test_a_shell_completes_what_is_typed(shell: Shell) -> None:
    """TAB completes commands, options, choices, fields, checkpoints of a run and files; ^T shows the line."""
    for typed, expected in TYPED.items():
        shell.type(f"{typed}\t\x14")
        assert shell.wait(r"<<([^>]*)>>") == expected, typed
        shell.type("\x15")  # kills the line


def test_a_pid_is_offered_with_its_sign(shell: Shell) -> None:
    """What is to be gone on with gets no blank."""
    shell.type(f"memtwin oom --live --adj {os.getpid()}\t\x14")
    assert shell.wait(r"<<([^>]*)>>").rstrip() == f"memtwin oom --live --adj {os.getpid()}="


def test_fish_completes_what_is_typed(shell_env: dict[str, str]) -> None:
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    code = "memtwin completion fish | source; for line in $argv; complete -C $line | string split -f1 \\t; echo ==; end"
    words = ["fish", "-c", code, *TYPED]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=shell_env, cwd=shell_env["HOME"])
    offers = [part.split() for part in done.stdout.split("==\n")[:-1]]
    expected = [[then.split()[-1]] if then != typed else [] for typed, then in TYPED.items()]
    assert offers == expected, done.stderr


def test_processes_are_offered_with_their_names(shell_env: dict[str, str]) -> None:
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    code = f"memtwin completion fish | source; complete -C 'memtwin limits {os.getpid()}'"
    done = subprocess.run(["fish", "-c", code], capture_output=True, text=True, check=False, env=shell_env)
    name = Path("/proc/self/comm").read_text().strip()
    assert f"{os.getpid()}\t{name}" in done.stdout


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an installation has in share/."""
    path = tmp_path_factory.mktemp("share")
    subprocess.run([sys.executable, ROOT / "packaging" / "shares.py", path], check=True, capture_output=True)
    return path


INSTALLED = {
    "zsh": "fpath=($SHARE/zsh/site-functions $fpath); autoload -U compinit; compinit -u -D; print $_comps[memtwin]",
    "fish": "complete -C 'memtwin swapu' | string split -f1 \\t",
    "bash": "source $SHARE/bash-completion/completions/memtwin; complete -p memtwin",
}
FOUND = {"zsh": "_memtwin", "fish": "swapuse", "bash": "complete -o nosort -F _memtwin_completion memtwin"}


@pytest.mark.parametrize("shell", INSTALLED)
def test_a_shell_finds_what_is_installed(shell: str, share: Path, shell_env: dict[str, str]) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    env = shell_env | {"SHARE": str(share), "XDG_DATA_DIRS": f"{share}:/usr/local/share:/usr/share"}
    done = subprocess.run([shell, "-c", INSTALLED[shell]], capture_output=True, text=True, check=False, env=env)
    assert done.stdout.strip() == FOUND[shell], done.stderr


@pytest.mark.parametrize("name", ["", *cli.COMMANDS])
def test_man_prints_each_page(name: str, share: Path) -> None:
    """Without a warning, with its sections, its options, and its examples each on a line of its own."""
    if not shutil.which("man"):
        pytest.skip("man is not installed")
    title = f"memtwin-{name}".rstrip("-")
    words = ["man", "-l", "--warnings", "-P", "cat", share / "man" / "man1" / f"{title}.1"]
    env = os.environ | {"MANWIDTH": "80", "MAN_KEEP_FORMATTING": "", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=env)
    assert done.stderr == ""
    lines = done.stdout.split("\n")
    sections = [line for line in lines if re.fullmatch(r"[A-Z][A-Z ]+", line)]
    wanted = {"NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "SEE ALSO"} | ({"OPTIONS"} if name else {"COMMANDS"})
    assert wanted <= set(sections)
    assert f"       {title} - " in done.stdout
    assert max(len(line) for line in lines) <= 100
    for example in EXAMPLES.get(name, ()):
        assert f"              {example.line}" in lines
    for option in ("--root", "--json"):
        if name and name not in NOT_VIEWS:
            assert any(line.strip().startswith(option) for line in lines), option


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_examples_are_command_lines(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command has some, in --help too, and click takes them."""
    assert cli.main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    for example in EXAMPLES[name]:
        assert example.line in shown
        program, command, *words = example.line.split(" > ", maxsplit=1)[0].split()
        assert (program, command) == ("memtwin", name)
        found = cli.group.get_command(cli.click.Context(cli.group), command)
        assert found is not None
        found.make_context(command, words)


NOT_VIEWS = {
    "mount",
    "page",
    "report",
    "compare",
    "zram-estimate",
    "whatif",
    "run",
    "validate",
    "completion",
    "snapshot",
    "diff",
    "oom",
    "export",
    "replay",
    "exec",
    "record",
    "leak",
    "learn",
    "htop",
}
"""Commands without --root or --json."""
