"""The tree is what ARCHITECTURE.md says: one direction of imports, small pieces, nothing left lying about."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "memtwin"
MODULES = sorted(SRC.rglob("*.py"))
LAB = sorted((ROOT / "lab").glob("*.py"))
PURE = {"linux/core/vmstat.py", "linux/features.py", "linux/kernel/sysctl.py", "linux/records.py"}
"""Tables of the core in plain Python."""
CORE = [path for path in MODULES if path.relative_to(SRC).parts[0] == "linux" and path.stem != "__init__"]
KERNEL_FILES = set((Path(__file__).parent / "kernel_files.txt").read_text().split())

FLOOR = {"", "units", "errors"}
"""What everybody may import: the package itself (its version), the units and the errors."""

LONGEST_FUNCTION = 60
LONGEST_FILE = 500
LONG_FILES: dict[str, int] = {}
"""Files that are longer than they should be: they may only shrink."""

FOR_TESTS = {"memtwin.linux.check.testing"}
"""Modules that only tests import."""
NOT_USED_YET: set[str] = set()
"""Records of files that the twin cannot fill yet; the schema tests read them."""

BANNED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|/work/|/root/|NotImplementedError\(", re.IGNORECASE)


def part_of(path: Path) -> str:
    """The first name below memtwin: a package or a module."""
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imported(path: Path, *, typing: bool = False) -> set[str]:
    """Parts of memtwin that a module imports; without those for annotations only, unless *typing*."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not typing:
            node.body = []
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "memtwin":
                names = [f"memtwin.{alias.name}" for alias in node.names]
        for name in names:
            words = name.removeprefix("cython.cimports.").split(".")
            if words[0] == "memtwin":
                found.add("" if len(words) == 1 or words[1] == "__version__" else words[1])
    return found


def may_import() -> dict[str, set[str]]:
    """Read ARCHITECTURE.md's table of rooms: what each may import beside the floor."""
    page = (ROOT / "ARCHITECTURE.md").read_text()
    table = page[page.index("| room | may import |") :].split("\n\n", 1)[0].splitlines()[2:]
    rows = [tuple(set(re.findall(r"`(\w+)`", cell)) for cell in row.split("|")[1:3]) for row in table]
    assert len(rows) <= 22
    return {room: allowed for rooms, allowed in rows for room in rooms}


def rooms() -> dict[str, set[str]]:
    """Return each room of the tree with what its files import, for annotations too."""
    found: dict[str, set[str]] = {}
    for path in MODULES:
        found.setdefault(part_of(path), set()).update(imported(path, typing=True) - {part_of(path)})
    return found


def test_imports_go_one_way() -> None:
    """A room imports what ARCHITECTURE.md's table allows, and the table allows nothing that no file imports."""
    allowed = may_import()
    found = rooms()
    for room in sorted(found.keys() - FLOOR - {"__init__"}):
        assert room in allowed, f"{room} has no row"
        assert found[room] - FLOOR == allowed[room], room
    for room in ("units", "errors"):
        assert not found[room], room
    assert set(allowed) <= set(found)


def test_no_room_imports_in_a_circle() -> None:
    """The rooms form a ladder."""
    below = may_import()
    done: set[str] = set()
    while len(done) < len(below):
        ready = {room for room, needs in below.items() if room not in done and needs <= done}
        assert ready, {room: needs - done for room, needs in below.items() if room not in done}
        done |= ready


def module_of(path: Path) -> str:
    """The dotted name of a module."""
    return ".".join(("memtwin", *path.relative_to(SRC).with_suffix("").parts)).removesuffix(".__init__")


def test_no_module_imports_in_a_circle() -> None:
    """Nor do the modules within a room, imports within functions counted: what two of them need stands below both."""
    modules = {module_of(path): path for path in MODULES}
    below: dict[str, set[str]] = {}
    for name, path in modules.items():
        tree = ast.parse(path.read_text())
        typing = [
            node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        ]
        for node in typing:
            node.body = []
        found = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                whole = node.module.removeprefix("cython.cimports.")
                parts = {f"{whole}.{alias.name}" for alias in node.names}
                found |= (parts & set(modules)) | ({whole} if parts - set(modules) else set())
        below[name] = (found & set(modules)) - {name}
    done: set[str] = set()
    while len(done) < len(below):
        ready = {name for name, needs in below.items() if name not in done and needs <= done}
        assert ready, {name: needs - done for name, needs in below.items() if name not in done}
        done |= ready


@pytest.mark.parametrize("room", sorted({path.parent for path in MODULES}), ids=lambda path: str(path.relative_to(SRC)))
def test_every_room_opens_with_what_it_is_for(room: Path) -> None:
    """A package's first file says what comes in, what goes out and what may never be here."""
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    assert text, room
    if room.parent == SRC:
        assert len(text) > 250, room
        assert "Never here" in text, room


def test_the_model_does_no_io() -> None:
    """Nothing of the core opens a file, reads a clock or the environment, or draws at random."""
    for path in CORE:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names = [node.func.id]
            assert not {"os", "time", "random", "socket", "sys", "io", "pathlib", "open", "print"} & set(names), path


def script(name: str) -> ModuleType:
    """Import a script of docs/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_cores_order_of_imports_is_written_down() -> None:
    """Compiled modules form a ladder (what must call upwards goes through hooks), and docs/core-map.md has it."""
    core_map = script("core_map")
    assert core_map.PAGE.read_text() == core_map.page(), "make map writes it"


def test_the_cores_stubs_are_what_python_sees() -> None:
    """Each compiled module has a stub with the types of its `def` lines, and nothing of it is Any."""
    stubs = script("stubs").written()
    for path, text in stubs.items():
        assert path.read_text() == text, f"{path.name}: make stubs writes it"
        assert not re.search(r"(?:: |-> )(?:Any|dict|list|tuple|object)\b(?!\[)", text), path
    assert len(stubs) > 50
    assert set(SRC.rglob("*.pyi")) == set(stubs)


@pytest.mark.parametrize("path", [*MODULES, *LAB], ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_and_files_are_small(path: Path) -> None:
    """Functions of at most 60 lines, files of at most 500; the exceptions may only shrink."""
    text = path.read_text()
    name = str(path.relative_to(ROOT))
    assert len(text.splitlines()) <= LONG_FILES.get(name, LONGEST_FILE)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, node.name


def test_every_module_says_what_it_is() -> None:
    """A docstring at the head of each, and a kernel file that is known where it names one."""
    for path in [*MODULES, *LAB]:
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text)), path
        for file, version in re.findall(r'^SOURCE = \(?"([^"]+)", "([^"]+)"', text, re.MULTILINE):
            assert file in KERNEL_FILES, path
            assert re.fullmatch(r"v\d+\.\d+(\.\d+)?", version), path


def test_the_kernels_code_lies_under_the_kernels_paths() -> None:
    """A module of linux/ follows the file at its own path, or names another in SOURCE; so a reader needs no map."""
    paths = {file.replace("-", "_").removesuffix(".c") for file in KERNEL_FILES}
    for path in CORE:
        room, _, rest = path.relative_to(SRC).with_suffix("").as_posix().partition("/")
        if room == "linux" and "/" in rest and not rest.startswith(("check/", "core/")):
            assert (rest in paths) != ("SOURCE = " in path.read_text()), path


def test_every_compiled_module_has_its_header() -> None:
    """X.pxd stands beside X.py, but for the tables that are plain Python."""
    for path in CORE:
        assert path.with_suffix(".pxd").exists() or path.relative_to(SRC).as_posix() in PURE, path


def test_every_command_has_examples() -> None:
    """They end its --help and stand in its manual page."""
    from memtwin.cli import COMMANDS
    from memtwin.cli.examples import EXAMPLES

    assert set(EXAMPLES) == set(COMMANDS)


def test_counters_have_one_order() -> None:
    """vmstat.pxd numbers the counters in the order in which vmstat.py names them."""
    from memtwin.linux.core import vmstat

    names = [*vmstat.ZONE_STATS, *vmstat.NUMA_STATS, *vmstat.NODE_STATS, *vmstat.EVENTS]
    numbers = re.findall(r"^    ([A-Z0-9_]+)$", (SRC / "linux" / "core" / "vmstat.pxd").read_text(), re.MULTILINE)
    kept = [name for name in numbers if not re.fullmatch(r"NR_VM_(ZONE_STAT|NUMA_EVENT|NODE_STAT|EVENT)_ITEMS", name)]
    assert kept == [name.upper() for name in names]


def test_settings_have_one_order() -> None:
    """The fields of struct Sysctls stand in the order of the list that fills them."""
    from memtwin.linux.mm import mm_init

    header = (SRC / "linux" / "core" / "state.pxd").read_text()
    struct = header[header.index("cdef struct Sysctls:") : header.index("cdef class State")]
    assert tuple(re.findall(r"^    i64 (\w+)$", struct, re.MULTILINE)) == tuple(
        name.replace("-", "_") for name in mm_init.SYSCTL_FIELDS
    )


def test_nothing_unfinished_is_left() -> None:
    """No marks of unfinished work and no path of anybody's machine in what is shipped or read."""
    texts = [*MODULES, *SRC.rglob("*.pxd"), *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "Makefile"]
    texts += [*LAB, ROOT / "lab" / "README.md", *(ROOT / "lab").glob("*.[ch]"), *(ROOT / "lab").glob("*/*.mem")]
    for path in texts:
        found = BANNED.search(path.read_text())
        allowed = path.name == "table.py" and found and found[0].startswith("NotImplemented")
        assert not found or allowed, (path, found and found[0])


def test_tables_of_pages_are_whole() -> None:
    """A row of a table has a head above it: a blank line in the middle leaves the rest as plain text."""
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
            assert re.match(r"\|.*\n\|[\s:|-]+\|$", block, re.MULTILINE), (path.name, block[:80])


def test_no_module_is_dead() -> None:
    """Every module is imported by another, is a command, or is an entry point."""
    used = set(FOR_TESTS)
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = node.module.removeprefix("cython.cimports.")
                used |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                used |= {alias.name for alias in node.names}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.add(node.value)  # the table of commands
    for path in MODULES:
        name = ".".join(("memtwin", *path.relative_to(SRC).with_suffix("").parts))
        if path.stem not in {"__init__", "__main__"}:
            assert name in used or name in NOT_USED_YET, name


@pytest.mark.parametrize(("page", "least"), [("a-page-fault", 40), ("past-the-end-of-memory", 20), ("kernel-map", 40)])
def test_functions_that_a_page_names_are_there(page: str, least: int) -> None:
    """Every `module.function` of the page is a function of that module of the model."""
    text = (ROOT / "docs" / f"{page}.md").read_text()
    modules = {path.stem: path for path in CORE}
    named = {(m, f) for m, f in re.findall(r"\b([a-z_]+)\.([a-z_]+)\b", text) if m in modules and f not in {"py", "md"}}
    assert len(named) > least
    for module, function in sorted(named):
        defined = {n.name for n in ast.walk(ast.parse(modules[module].read_text())) if isinstance(n, ast.FunctionDef)}
        header = modules[module].with_suffix(".pxd").read_text()
        assert function in defined or re.search(rf"\b{function}\(", header), f"{module}.{function}"
