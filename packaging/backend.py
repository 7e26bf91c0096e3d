"""The build backend: setuptools', which is given Cython only where the core can be compiled.

``MEMTWIN_CORE`` in the environment decides: ``auto`` (the default) leaves the core out where there is no C compiler or
no Python headers, so that every view can be installed anywhere; ``require`` makes their absence an error; ``without``
leaves it out always. ``setup.py`` asks here too.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 - the other hooks are setuptools'

CORE = "MEMTWIN_CORE"
SHARES = "click>=8.1"
"""What the manual pages and completions are made with."""
COMPILER = "cython>=3.2,<4"


def why_not_compiled() -> str:
    """Return why a C file with Python's headers does not compile on this machine; nothing if it does."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "probe.c"
        source.write_text("#include <Python.h>\n")
        words = [*compiler, f"-I{sysconfig.get_path('include')}", "-c", str(source), "-o", f"{scratch}/probe.o"]
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        except OSError as problem:
            return f"no C compiler: {compiler[0]}: {problem.strerror}"
    return f"no Python headers: {(done.stderr.strip() or 'error').splitlines()[0]}" if done.returncode else ""


def wants_core() -> bool:
    """Return whether the core is to be compiled, by MEMTWIN_CORE and what this machine has."""
    core = os.environ.get(CORE, "auto")
    if core not in {"auto", "require", "without"}:
        raise SystemExit(f"{CORE}={core}: expected auto, require or without")
    why = "" if core == "without" else why_not_compiled()
    if why and core == "require":
        raise SystemExit(f"the core of memtwin cannot be compiled: {why}\nhint: apt install gcc python3-dev")
    if why:
        print(f"memtwin: {why}; installing the views without the model", file=sys.stderr)
    return core != "without" and not why


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """Return what has to be installed to build a wheel here."""
    del config_settings
    return [SHARES, COMPILER] if wants_core() else [SHARES]


get_requires_for_build_editable = get_requires_for_build_wheel


def get_requires_for_build_sdist(config_settings: Any = None) -> list[str]:
    """Return what has to be installed to build an sdist: nothing is compiled."""
    del config_settings
    return []


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    """Build an sdist."""
    os.environ[CORE] = "without"
    return build_meta.build_sdist(sdist_directory, config_settings)
