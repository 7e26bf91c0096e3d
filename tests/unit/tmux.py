"""A real terminal program, tmux, with memtwin in it: what a person would see."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Self

import pytest
from terminals import MAIN

if TYPE_CHECKING:
    from pathlib import Path

_LIMIT_S = 60.0


class Tmux:
    """memtwin with *args* in a terminal of *columns* by *rows*; a context that ends it."""

    def __init__(self, where: Path, *args: str, columns: int = 80, rows: int = 24, **environment: str) -> None:
        if shutil.which("tmux") is None:
            pytest.skip("tmux is not installed")
        self._socket, self._code = where / "tmux", where / "exit code"
        words = [sys.executable, "-c", MAIN, *args]
        settings = [f"{name}={value}" for name, value in environment.items()]
        command = f"{shlex.join(['env', *settings, *words])}; echo $? > {shlex.quote(str(self._code))}; exec sleep 600"
        bare = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "TMUX"))}
        self._do(
            "new-session", "-d", "-x", str(columns), "-y", str(rows), "-s", "test", "-c", str(where), command,
            environment={**bare, "LC_ALL": "C.UTF-8", "SHELL": "/bin/sh"},
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self._do("kill-server")

    def press(self, *keys: str) -> None:
        """Send keys by tmux's names (``Enter``, ``Down``, ``C-c``), or text."""
        self._do("send-keys", "-t", "test", *keys)

    def picture(self) -> list[str]:
        """Return the lines that the terminal shows."""
        shown = self._do("capture-pane", "-p", "-t", "test").stdout.split("\n")[:-1]
        return [line.rstrip() for line in shown]

    def until(self, text: str) -> list[str]:
        """Return the picture as soon as it has *text*."""
        end = time.monotonic() + _LIMIT_S
        shown = self.picture()
        while not any(text in line for line in shown):
            assert time.monotonic() < end, (text, shown)
            time.sleep(0.05)
            shown = self.picture()
        return shown

    def changed(self, before: list[str]) -> list[str]:
        """Return the picture as soon as it is another than *before*."""
        end = time.monotonic() + _LIMIT_S
        shown = self.picture()
        while shown == before:
            assert time.monotonic() < end, shown
            time.sleep(0.05)
            shown = self.picture()
        return shown

    def colours(self) -> set[str]:
        """Return the escape sequences that set a colour."""
        shown = self._do("capture-pane", "-p", "-e", "-t", "test").stdout
        codes = {code for part in shown.split("\x1b[")[1:] for code in part.split("m")[0].split(";")}
        return {code for code in codes if code not in {"", "0", "1", "7", "39", "49"}}

    def ended(self) -> int:
        """Return the exit code when the program has ended."""
        end = time.monotonic() + _LIMIT_S
        while not (self._code.exists() and self._code.read_text().strip()):
            assert time.monotonic() < end, self.picture()
            time.sleep(0.05)
        return int(self._code.read_text())

    def _do(self, *words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = ["tmux", "-u", "-f", "/dev/null", "-S", str(self._socket), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment, encoding="utf-8")
