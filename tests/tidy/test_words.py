"""Do names and pages say it in the field's own words?"""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LINUX = ROOT / "src/memtwin/linux"
TEXTS = sorted(
    [*(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.pxd"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]
)

DIALECT = re.compile(
    r"\b(told|anew|likewise|nobody|somebody|looked at|takes? breath|has breath|as a sentence|as sentences have"
    r"|without a head|comes? to nothing|is no merit|by whom is|whoever|be had|for want of|in vain|fruitless"
    r"|in the midst|tried again|g(?:ive|ives|iven|ave|iving) back)\b",
    re.IGNORECASE,
)
"""Words of a house's own where the field has a term: report, print; again; also; no task; scan; latency budget; SSD;
available; for lack of; in the middle of; retried; freed, reclaimed, returned."""
LEFT: dict[str, int] = {}
"""Files that have some left: the numbers may only fall."""

SYMBOLS = {
    name: files.split(",")
    for name, files in (line.split() for line in (HERE / "kernel_symbols.txt").read_text().splitlines())
}
"""Functions of linux/ that bear the name of a function of Linux 6.1, with the files in which the kernel has it."""


def test_a_term_of_the_field_is_used_where_there_is_one() -> None:
    found = Counter({str(path.relative_to(ROOT)): len(DIALECT.findall(path.read_text())) for path in TEXTS})
    assert {path: count for path, count in found.items() if count and path != "CHANGELOG.md"} == LEFT


def test_a_kernel_name_stands_where_the_kernel_has_it() -> None:
    """Who greps both trees finds the same thing: the module follows the file that defines the function.

    A header's and mm/folio-compat.c's one-liners may stand with their callers.
    """
    defined: dict[str, set[Path]] = {}
    for path in sorted(LINUX.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name in SYMBOLS:
                defined.setdefault(node.name, set()).add(path)
    assert set(defined) == set(SYMBOLS), "a function went or was renamed: its row goes too"
    for name, paths in defined.items():
        for path in paths:
            own = path.relative_to(LINUX).with_suffix("").as_posix().replace("_", "-")
            there = [file for file in SYMBOLS[name] if not file.endswith((".h", "folio-compat.c"))]
            text = path.read_text()
            assert not there or any(
                file.removesuffix(".c").replace("_", "-") == own or file in text for file in there
            ), (name, path, there)
