"""Write docs/core-map.md: the compiled core's modules in the order of their imports (``make map``)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
SRC = HERE.parent / "src" / "memtwin"
PAGE = HERE / "core-map.md"
HEAD = """# The core, from the floor up

Made by `make map`: each module of `linux` stands above all that it calls. What must call upwards (an
allocation that reclaims, a wait in which others run) goes through `hooks` in `linux/core/state.pxd`.

| step | modules |
|---|---|
"""


def modules() -> dict[str, Path]:
    """Return the core's modules by their dotted name below ``memtwin``, packages left out."""
    named = {
        ".".join(path.relative_to(SRC).with_suffix("").parts): path for path in sorted((SRC / "linux").rglob("*.py"))
    }
    return {name: path for name, path in named.items() if path.stem != "__init__"}


def calls(path: Path) -> set[str]:
    """Return the dotted names of the core's modules from which *path* cimports, or all of which its header includes."""
    header = path.with_suffix(".pxd").read_text() if path.with_suffix(".pxd").exists() else ""
    found = re.findall(r"^from memtwin\.([\w.]+) cimport \*", header, re.MULTILINE)
    return {*found, *re.findall(r"^from cython\.cimports\.memtwin\.([\w.]+) import", path.read_text(), re.MULTILINE)}


def steps() -> list[list[str]]:
    """Return the modules in steps, each above all that it calls; raises ValueError where they call in a circle."""
    known = modules()
    below = {name: (calls(path) & set(known)) - {name} for name, path in known.items()}
    found: list[list[str]] = []
    done: set[str] = set()
    while len(done) < len(below):
        ready = sorted(name for name, needs in below.items() if name not in done and needs <= done)
        if not ready:
            raise ValueError({name: needs - done for name, needs in below.items() if name not in done})
        found.append(ready)
        done |= set(ready)
    return found


def purpose(name: str) -> str:
    """Return the first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(modules()[name].read_text())) or "").split("\n")[0]


def page() -> str:
    """Return the page."""
    rows = [
        f"| {number} | " + "<br>".join(f"`{name.replace('.', '/')}`: {purpose(name)}" for name in names) + " |\n"
        for number, names in enumerate(steps())
    ]
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page())
