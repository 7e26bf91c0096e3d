"""Write docs/api.md from the docstrings of what ``import memtwin`` offers (``make api``)."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import memtwin
from memtwin.api.columns import Columns
from memtwin.api.root import View
from memtwin.api.run import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).with_name("api.md")
HEAD = """\
# The library

Made of the docstrings by `make api`; their examples are run by the tests.

`import memtwin` costs nothing: each name is imported when it is used. Errors are raised as a `MemtwinError`,
whose `hint` says what to do. The unit of a figure is in its name or in `units`; sizes from the kernel's own files stay
in the kernel's kB (1,024 bytes). [library.ipynb](library.ipynb) is a guided tour.
"""

NAMES = (
    "open_root", "Root", "series", "parse_scenario", "Workload",
    "simulate", "Run", "oom_events", "explain_oom",
)  # fmt: skip
"""Of the package, in the order of the page."""
RETURNED = (View, Columns, Operation)
"""Classes that they return."""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page())


def page() -> str:
    """Return the page."""
    assert {*NAMES, "MemtwinError"} == set(memtwin.__all__)
    found = {name: getattr(memtwin, name) for name in NAMES}
    index = "".join(f"- [`{name}`](#{name.lower()}): {first_line(one)}\n" for name, one in found.items())
    returned = {one.__name__: one for one in RETURNED}
    sections = (part for name, one in (found | returned).items() for part in parts(name, one))
    return "\n".join((HEAD, index, *sections))


def parts(name: str, found: object) -> Iterator[str]:
    """Yield the section of a name: what it is, then its methods and properties."""
    yield f"## {name}\n\n    {signature(name, found)}\n\n{markdown(found)}"
    if not isinstance(found, type):
        return
    for member, value in vars(found).items():
        if member.startswith("_") or not (isinstance(value, property) or inspect.isfunction(value)):
            continue
        shown = f"{name}.{member}" if isinstance(value, property) else signature(f"{name}.{member}", value)
        yield f"### {name}.{member}\n\n    {shown}\n\n{markdown(value)}"


def signature(name: str, found: object) -> str:
    """Return how it is called."""
    text = str(inspect.signature(found)).replace("(self, ", "(").replace("(self)", "()")  # type: ignore[arg-type]
    return re.sub(r"((?:: |-> )|(?<=\[))'([^']+)'", r"\1\2", f"{name}{text}").replace(" -> None", "")


def first_line(found: object) -> str:
    """Return the first sentence of a docstring."""
    return plain((inspect.getdoc(found) or "").split("\n\n")[0].replace("\n", " "))


def markdown(found: object) -> str:
    """Return a docstring as markdown: roles as code, examples as blocks."""
    lines = []
    for paragraph in (inspect.getdoc(found) or "").split("\n\n"):
        if paragraph.startswith(">>>"):
            lines.append("\n".join(f"    {line}" for line in paragraph.replace("<BLANKLINE>", "").split("\n")).rstrip())
        else:
            lines.append(plain(paragraph))
    return "\n\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Return *text* without Sphinx' roles and double backquotes."""
    for role in ("class", "meth", "func", "attr"):
        text = text.replace(f":{role}:`memtwin.", f":{role}:`").replace(f":{role}:`", "`")
    return text.replace("``", "`")


if __name__ == "__main__":
    main()
