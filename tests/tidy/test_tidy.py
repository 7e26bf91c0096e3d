"""The tree is what ARCHITECTURE.md says: one direction of imports, small pieces, nothing left lying about."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "memtwin"
MODULES = sorted(SRC.rglob("*.py"))
LAB = sorted((ROOT / "lab").glob("*.py"))
PURE_IN_MM = {"__init__", "vmstat", "sysctl"}
KERNEL_FILES = set((Path(__file__).parent / "kernel_files.txt").read_text().split())

MAY_IMPORT = {
    "units": set(),
    "errors": set(),
    "mm": {"mm", "errors", "units"},
    "engine": {"mm"},
    "procfs": {"procfs", "errors", "units"},
    "sysfs": {"sysfs", "procfs", "errors", "units"},
    "cgroupfs": {"cgroupfs", "procfs", "errors", "units"},
    "source": {"procfs", "sysfs", "errors", "units"},
    "host": {"source", "procfs", "errors", "units"},
    "processes": {"source"},
    "cgroups": {"cgroupfs", "source"},
    "snapshot": {"host", "processes", "source", "errors", ""},
    "scenario": {"scenario", "errors", "units"},
    "recording": {"source", "scenario", "procfs", "errors", "units"},
    "validate": {"recording", "errors", "units"},
    "render": {"render", "units", ""},
    "views": {"views", "procfs", "render", "errors", "units", "words"},
    "boot_layout": {"errors", "units"},
    "costs": set(),
    "compressed": set(),
    "oomreport": set(),
    "oom": {"oom", "render", "words", "units", "errors"},
    "oom_event": {"mm", "oomreport", "twin"},
    "worker": {"mm"},
    "dcache": {"mm"},
    "disk": {"machine", "mm", "scenario", "units"},
    "describe": {"boot", "source", "procfs", "errors", "units"},
    "boot": {"source", "procfs", "sysfs", "errors", "units"},
    "machine": {
        "engine", "mm", "boot", "boot_layout", "costs", "describe", "swaparea", "worker", "source", "errors", "units",
    },
    "swaparea": {"compressed", "engine", "mm", "errors", "units"},
    "timeline": set(),
    "settings": {"machine", "describe", "errors", "scenario"},
    "process": {"disk", "machine", "engine", "mm", "worker", "scenario", "errors"},
    "twin": {"machine", "engine", "mm", "procfs", "sysfs", "source", "worker", "units"},
    "run": {
        "machine", "settings", "swaparea", "timeline", "process", "twin", "engine", "mm", "dcache", "disk", "oom_event",
        "oomreport", "scenario", "source", "errors", "units", "",
    },
    "story": {"run", "scenario", "render", "story_oom", "story_swap", "words"},
    "story_oom": {"oomreport", "words"},
    "story_swap": {"swaparea", "run", "mm", "words"},
    "words": set(),
    "cli": None,
    "__main__": {"cli"},
    "__init__": set(),
}  # fmt: skip
"""What each part may import of ours; None: everything. An empty name is the package itself (its version)."""

LONGEST_FUNCTION = 60
LONGEST_FILE = 500
LONG_FILES: dict[str, int] = {}
"""Files that are longer than they should be: they may only shrink."""

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


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SRC)))
def test_imports_go_one_way(path: Path) -> None:
    """A part imports only what stands below it."""
    allowed = MAY_IMPORT[part_of(path)]
    if allowed is not None:
        assert imported(path) <= allowed | {part_of(path)}, path


def test_the_model_does_no_io() -> None:
    """Nothing under mm, nor the engine, opens a file, reads a clock or the environment, or draws at random."""
    for path in [*(SRC / "mm").glob("*.py"), SRC / "engine.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names = [node.func.id]
            assert not {"os", "time", "random", "socket", "sys", "io", "pathlib", "open", "print"} & set(names), path


def test_within_the_model_no_module_imports_in_a_circle() -> None:
    """Compiled modules form a ladder: what must call upwards goes through hooks."""
    below = {}
    for path in (SRC / "mm").glob("*.py"):
        names = re.findall(r"from cython\.cimports\.memtwin\.mm\.(\w+) import", path.read_text())
        below[path.stem] = set(names) - {path.stem}
    done: set[str] = set()
    while len(done) < len(below):
        ready = {name for name, needs in below.items() if name not in done and needs & set(below) <= done}
        assert ready, {name: needs - done for name, needs in below.items() if name not in done}
        done |= ready


def test_the_ladder_is_the_one_that_is_told() -> None:
    """In ARCHITECTURE.md's order of imports each module stands above all that it calls."""
    told = re.search(r"each above what it calls: `([^`]*)`", (ROOT / "ARCHITECTURE.md").read_text())
    assert told
    steps = [[name.strip() for name in step.split(",")] for step in told[1].split("<")]
    height = {name: number for number, names in enumerate(steps) for name in names}
    assert len(height) > 25
    for name, step in height.items():
        text = (SRC / "mm" / f"{name}.py").read_text() if name != "list" else ""
        for below in re.findall(r"from cython\.cimports\.memtwin\.mm\.(\w+) import", text):
            assert height.get(below, -1) < step, (name, below)


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


def test_every_compiled_module_has_its_header() -> None:
    """X.pxd stands beside X.py, but for the tables that are plain Python."""
    for path in (SRC / "mm").glob("*.py"):
        assert path.with_suffix(".pxd").exists() or path.stem in PURE_IN_MM, path


def test_counters_have_one_order() -> None:
    """vmstat.pxd numbers the counters in the order in which vmstat.py names them."""
    from memtwin.mm import vmstat

    names = [*vmstat.ZONE_STATS, *vmstat.NUMA_STATS, *vmstat.NODE_STATS, *vmstat.EVENTS]
    numbers = re.findall(r"^    ([A-Z0-9_]+)$", (SRC / "mm" / "vmstat.pxd").read_text(), re.MULTILINE)
    kept = [name for name in numbers if not re.fullmatch(r"NR_VM_(ZONE_STAT|NUMA_EVENT|NODE_STAT|EVENT)_ITEMS", name)]
    assert kept == [name.upper() for name in names]


def test_settings_have_one_order() -> None:
    """The fields of struct Sysctls stand in the order of the list that fills them."""
    from memtwin.mm import mm_init

    header = (SRC / "mm" / "state.pxd").read_text()
    struct = header[header.index("cdef struct Sysctls:") : header.index("cdef class State")]
    assert tuple(re.findall(r"^    i64 (\w+)$", struct, re.MULTILINE)) == tuple(
        name.replace("-", "_") for name in mm_init.SYSCTL_FIELDS
    )


def test_nothing_unfinished_is_left() -> None:
    """No marks of unfinished work and no path of anybody's machine in what is shipped or read."""
    texts = [*MODULES, *SRC.rglob("*.pxd"), *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "Makefile"]
    texts += [*LAB, ROOT / "lab" / "README.md", ROOT / "lab" / "guest.c", *(ROOT / "lab" / "scenarios").glob("*.mem")]
    for path in texts:
        found = BANNED.search(path.read_text())
        allowed = path.name == "table.py" and found and found[0].startswith("NotImplemented")
        assert not found or allowed, (path, found and found[0])


def test_no_module_is_dead() -> None:
    """Every module is imported by another, is a command, or is an entry point."""
    used = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = node.module.removeprefix("cython.cimports.")
                used |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.add(node.value)  # the table of commands
    for path in MODULES:
        name = ".".join(("memtwin", *path.relative_to(SRC).with_suffix("").parts))
        if path.stem not in {"__init__", "__main__"}:
            assert name in used or name in NOT_USED_YET, name


@pytest.mark.parametrize(("page", "least"), [("a-page-fault", 40), ("past-the-end-of-memory", 20)])
def test_functions_that_a_page_names_are_there(page: str, least: int) -> None:
    """Every `module.function` of the page is a function of that module of the model."""
    text = (ROOT / "docs" / f"{page}.md").read_text()
    modules = {path.stem: path for path in (SRC / "mm").glob("*.py")}
    named = {(m, f) for m, f in re.findall(r"\b([a-z_]+)\.([a-z_]+)\b", text) if m in modules and f not in {"py", "md"}}
    assert len(named) > least
    for module, function in sorted(named):
        defined = {n.name for n in ast.walk(ast.parse(modules[module].read_text())) if isinstance(n, ast.FunctionDef)}
        header = modules[module].with_suffix(".pxd").read_text()
        assert function in defined or re.search(rf"\b{function}\(", header), f"{module}.{function}"
