"""Do the shells themselves take the completion, and do the manual pages hold what --help says?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from memtwin import cli

ROOT = Path(__file__).parents[2]
WORDS = {
    "bash": "source <(memtwin completion bash); COMP_WORDS=(memtwin sw); COMP_CWORD=1; _memtwin_completion memtwin; "
    'printf "%s\\n" "${COMPREPLY[@]}"',
    "fish": "memtwin completion fish | source; complete -C 'memtwin sw' | string split -f1 \\t",
}


@pytest.fixture
def shell_env(tmp_path: Path) -> dict[str, str]:
    """An environment in which ``memtwin`` is this one."""
    program = tmp_path / "memtwin"
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom memtwin.cli import main\nsys.exit(main())\n")
    program.chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}


@pytest.mark.parametrize("shell", WORDS)
def test_a_shell_completes_a_command(shell: str, shell_env: dict[str, str]) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-c", WORDS[shell]], capture_output=True, text=True, check=False, env=shell_env)
    assert sorted(done.stdout.split()) == ["swaps", "swapuse"], done.stderr


def test_zsh_takes_the_code(shell_env: dict[str, str]) -> None:
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    code = "autoload -U compinit; compinit -u; source <(memtwin completion zsh); print -l $_comps[memtwin]"
    done = subprocess.run(["zsh", "-c", code], capture_output=True, text=True, check=False, env=shell_env)
    assert done.stdout.strip() == "_memtwin_completion", done.stderr


NOT_VIEWS = {"run", "validate", "completion", "snapshot", "diff", "oom", "export", "exec", "record", "leak"}
"""Commands without --root or --json."""


def test_every_command_has_a_manual_page_with_all_its_options(tmp_path: Path) -> None:
    pytest.importorskip("click_man")
    subprocess.run([sys.executable, ROOT / "docs" / "man.py", tmp_path], check=True, capture_output=True)
    for name, entry in cli.COMMANDS.items():
        page = (tmp_path / f"memtwin-{name}.1").read_text().replace("\\-", "-")
        assert entry.help.rstrip(".") in page, name
        for option in ("--root", "--json"):
            if name not in NOT_VIEWS:
                assert option in page, name
