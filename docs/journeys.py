"""Count rooms, moves and climbs of three journeys through the code (``make journeys``; ``-v`` lists each of them).

The journeys: one operation of a scenario (``Run.do``), ``memtwin free --json`` on this host, and a snapshot that
becomes a machine (``prepare``).  The first is judged over one operation of each kind, together: a pair that several
kinds share counts once.  Single kinds are printed below it.

- A **room** is the first name below ``memtwin``: a package, or a module at the root.  ``units``, ``errors`` and the
  package itself are no rooms: everybody may call them, and who calls through them is who called them.
- A **move** is a call from a function of one room to a function of another; each (caller, callee) counts once.
- A **climb** is a move *up*, to a room that stands above the caller's (a callback, a lambda, a hook, an overridden
  method); or a move *on*: a function came back from a room below its own, and now calls another room below.  The first
  room below that a function calls is no climb; each further one is one, however often it is called.

Which room stands above is counted from the imports, those for annotations only left out: a room's height is the longest
way down from it; rooms that import each other in a circle have the same height.

The Python part is traced: the package's own functions between the entry's call and its return, the second time that
the process goes this way, so that imports are done and caches filled.  A comprehension belongs to the function that it
stands in; a generator is called by who resumes it.  Making a NamedTuple or a dataclass is no call, nor is reading a
figure of the compiled state; reading a row of a record through a method of ours is one.

Of the compiled core, Python sees the entries only.  From each entry that was called, the way goes on through the static
call graph of the core's sources, so it has every call that could follow (reclaim, swap, the OOM killer), not only those
that did: a function that another one names is called by it, and ``hooks.X`` calls what was assigned to it.  A header's
inline function that calls nothing but its like is an accessor, and no call.  Methods that the core itself calls are not
followed, nor is a function of the core that Python keeps elsewhere than under a name, or in a table, of a module.

After modules have moved: edit ``WHERE``.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import gc
import io
import os
import re
import sys
from ctypes import py_object, pythonapi
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

WHERE = {
    "do": "memtwin.run.run:Run.do",
    "run": "memtwin.run.run:Run",
    "free": "memtwin.cli:main",
    "prepare": "memtwin.run.settings:prepare",
    "settings": "memtwin.run.settings:settings_of",
    "scenario": "memtwin.scenario:parse",
    "recording": "memtwin.sources.recording:Recording",
}
"""The entries, and what makes their arguments: edit this after a move."""
HOOKS = "hooks"
"""The core's table of calls upwards."""
LEAVES = {"", "units", "errors"}

HERE = Path(__file__).parent
SRC = HERE.parent / "src" / "memtwin"
RECORDING = HERE.parent / "tests" / "recordings" / "22-fork-cow" / "run1.tar.xz"
OPERATIONS = """\
machine ram=256M cpus=1
swap disk size=64M on=0
file data 4M
proc P
P mmap heap 4M
P touch heap 0 4M w seq content=text
P fread data 0 1M 64K
P fwrite data 0 1M 64K
P fmap map data shared
P fsync data
P fork C
P madvise heap 0 1M cold
P mlock heap 0 1M
P munlock heap 0 1M
C munmap heap
C exit
P fork D
D kill
sleep 2
sync
drop_caches 3
sysctl vm.swappiness=50
swapon disk
swapoff disk
checkpoint end
"""
"""One operation of each kind; the first of each is traced."""
SINGLE = ("Touch", "Fread", "Fork")


class Step(NamedTuple):
    """A call: functions as ``module:name``."""

    caller: str
    callee: str


def module_of(path: Path) -> str:
    """The dotted name of a module or a header."""
    parts = ("memtwin", *path.relative_to(SRC).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(function: str) -> str:
    """The first name below memtwin of a function or a module."""
    return ".".join(function.partition(":")[0].split(".")[1:2])


def find(where: str) -> Any:
    """What ``module:name`` names."""
    module, _, path = where.partition(":")
    found: Any = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found


# --- what stands above what ------------------------------------------------------------------------------------------


def header_imports(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield (module, name there, name here) of a header's ``cimport`` lines."""
    for module, listed in re.findall(r"^from (\S+) cimport (\([^)]*\)|.*)", text, re.MULTILINE):
        for item in listed.strip("()").split(","):
            words = item.split("#")[0].split()
            if words:
                yield module, words[0], words[-1]


@cache
def parsed(path: Path) -> ast.Module:
    """A module's tree without the imports for annotations only."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    return tree


@cache
def imports(path: Path) -> tuple[tuple[str, str, str], ...]:
    """(module, name there, name here) of all imports of ours."""
    if path.suffix == ".pxd":
        return tuple(header_imports(path.read_text()))
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = node.module.removeprefix("cython.cimports.")
            found += [(module, alias.name, alias.asname or alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, "", alias.asname or alias.name) for alias in node.names]
    return tuple(item for item in found if item[0].split(".")[0] == "memtwin")


def heights() -> dict[str, int]:
    """Every room's height."""
    below: dict[str, set[str]] = {}
    for path in sorted([*SRC.rglob("*.py"), *SRC.rglob("*.pxd")]):
        rooms = {room_of(f"{module}.{name}" if module == "memtwin" else module) for module, name, _ in imports(path)}
        below.setdefault(room_of(module_of(path)), set()).update(rooms)
    reach = {room: below[room] & set(below) for room in below}
    for middle, further in reach.items():
        for seen in reach.values():
            if middle in seen:
                seen.update(further)
    height: dict[str, int] = {}

    def of(room: str) -> int:
        if room not in height:
            height[room] = max((of(lower) + 1 for lower in reach[room] if room not in reach[lower]), default=0)
        return height[room]

    return {room: of(room) for room in sorted(below)}


# --- the compiled core -----------------------------------------------------------------------------------------------


def named(node: ast.AST) -> Iterator[tuple[str, bool]]:
    """Yield (name, whether it is called) of what *node* reads, in order, annotations and hooks' settings left out."""
    if isinstance(node, ast.Assign) and is_hook(node.targets[0]):
        return
    if isinstance(node, ast.Call):
        yield from ((name, True) for name, _ in named(node.func))
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id, False
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        yield f"{node.value.id}.{node.attr}", False
        return
    for name, child in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list"} or (isinstance(node, ast.Call) and name == "func"):
            continue
        for item in child if isinstance(child, list) else [child]:
            if isinstance(item, ast.AST):
                yield from named(item)


def is_hook(target: ast.AST) -> bool:
    """Whether this is an entry of the table of calls upwards."""
    return isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == HOOKS


class Core:
    """The static call graph of the compiled core."""

    def __init__(self) -> None:
        self.names: dict[str, dict[str, tuple[str, str]]] = {}
        """What each module imports: name here, (module, name there)."""
        self.calls: dict[str, list[tuple[str, bool]]] = {}
        """What each function names, as it is written there."""
        self.classes: dict[str, list[str]] = {}
        """Methods of each class."""
        self.tables: dict[str, list[tuple[str, bool]]] = {}
        """What a name of a module was made of: functions in a table."""
        self.hooks: dict[str, list[tuple[str, str]]] = {}
        self.inline: set[str] = set()
        for path in sorted(SRC.rglob("*.pxd")):
            self._read_header(path)
        for path in sorted(SRC.rglob("*.py")):
            if any(path.parent.glob(f"{path.stem}.*.so")):
                self._read(path)
        self._edges: dict[str, list[str]] = {}
        self.helpers: set[str] = set()
        while more := {f for f in self.inline - self.helpers if set(self.edges(f)) <= self.helpers}:
            self.helpers |= more

    def _read_header(self, path: Path) -> None:
        module, text = module_of(path), path.read_text()
        for source, there, here in imports(path):
            self.names.setdefault(module, {})[here] = source, there
        for name, body in re.findall(
            r"^cdef inline [^(]*?(\w+)\([^\n]*:\n((?:[ \t]+[^\n]*\n|\n)+)", text, re.MULTILINE
        ):
            code = re.sub(r'""".*?"""|#[^\n]*', "", body, flags=re.DOTALL)
            self.calls[f"{module}:{name}"] = [(word, True) for word in re.findall(r"([A-Za-z_][\w.]*)\s*\(", code)]
            self.inline.add(f"{module}:{name}")

    def _read(self, path: Path) -> None:
        module, tree = module_of(path), parsed(path)
        for source, there, here in imports(path):
            self.names.setdefault(module, {})[here] = source, there
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and is_hook(node.targets[0]):
                assert isinstance(node.targets[0], ast.Attribute)
                self.hooks.setdefault(node.targets[0].attr, []).append((module, ast.unparse(node.value)))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                self._add(f"{module}:{node.name}", node)
            elif isinstance(node, ast.ClassDef):
                methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
                self.classes[f"{module}:{node.name}"] = [item.name for item in methods if not item.decorator_list]
                made = [item.name for item in methods if item.name in {"__init__", "__cinit__"}]
                self.calls[f"{module}:{node.name}"] = [(f"{node.name}.{name}", True) for name in made]
                for item in methods:
                    self._add(f"{module}:{node.name}.{item.name}", item)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.tables[f"{module}:{node.targets[0].id}"] = list(named(node.value))

    def _add(self, function: str, node: ast.FunctionDef) -> None:
        own = {item.arg for item in ast.walk(node) if isinstance(item, ast.arg)}
        own |= {item.id for item in ast.walk(node) if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)}
        self.calls[function] = [pair for pair in named(node) if pair[0].split(".")[0] not in own]

    def resolve(self, module: str, name: str, *, called: bool) -> list[str]:
        """The functions that *name* means in *module*."""
        here = f"{module}:{name}"
        first, _, rest = name.partition(".")
        if here in self.calls:
            return [here] if called or here not in self.classes else []
        if first == HOOKS and rest:
            return [f for at, to in self.hooks.get(rest, ()) for f in self.resolve(at, to, called=True)]
        if here in self.tables:
            return [f for word, is_call in self.tables[here] for f in self.resolve(module, word, called=is_call)]
        source, there = self.names.get(module, {}).get(first, (module, ""))
        if rest:
            source, there = f"{source}.{there}".rstrip("."), rest
        return self.resolve(source, there, called=called) if source != module else []

    def edges(self, function: str) -> list[str]:
        """The functions that *function* may call, in order."""
        if function not in self._edges:
            module = function.partition(":")[0]
            found = [f for name, called in self.calls[function] for f in self.resolve(module, name, called=called)]
            self._edges[function] = [f for f in dict.fromkeys(found) if f != function]
        return self._edges[function]

    def onward(self, entry: str) -> Iterator[Step]:
        """Yield every call that may follow that of *entry*, depth first."""
        seen, todo = {entry}, [iter(self.edges(entry))]
        way = [entry]
        while todo:
            callee = next(todo[-1], None)
            if callee is None:
                todo.pop()
                way.pop()
            elif callee not in self.helpers:
                yield Step(way[-1], callee)
                if callee not in seen:
                    seen.add(callee)
                    way.append(callee)
                    todo.append(iter(self.edges(callee)))

    def is_compiled(self, function: str) -> bool:
        """Whether this is a function of the core."""
        return function in self.calls


# --- the trace -------------------------------------------------------------------------------------------------------


class Door:
    """Stands for a function, a method or a class of the core while a journey is traced, and notes who came in."""

    def __init__(self, trace: Trace, inside: Any, name: str) -> None:
        self._trace, self._inside, self._name = trace, inside, name

    def __get__(self, instance: object, owner: type) -> Any:
        return self if instance is None else lambda *args, **words: self(instance, *args, **words)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._inside)

    def __call__(self, *args: Any, **words: Any) -> Any:
        """Go in."""
        self._trace.enter(self._name)
        try:
            return self._inside(*args, **words)
        finally:
            self._trace.stack.pop()


class Trace:
    """The calls of one journey in the order in which they first happened; ``entries``: ways into the core."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.stack: list[str] = []
        self.steps: dict[Step, None] = {}
        self.functions: dict[str, None] = {}

    def of(self, call: Callable[[], object]) -> Trace:
        """Trace *call*."""
        gc.collect()
        gc.disable()
        with doors(self):
            sys.setprofile(self._event)
            try:
                call()
            finally:
                sys.setprofile(None)
                gc.enable()
        return self

    def enter(self, function: str) -> None:
        """Note a call; what is no function of ours, or of a leaf, stands for who called it."""
        caller = self.stack[-1] if self.stack else ""
        if not function or room_of(function) in LEAVES:
            self.stack.append(caller)
            return
        self.stack.append(function)
        if self.core.is_compiled(function) and self.core.is_compiled(caller):
            return
        if caller and caller != function:
            self.steps[Step(caller, function)] = None
        if function not in self.functions and self.core.is_compiled(function):
            for step in self.core.onward(function):
                self.steps[step] = None
                self.functions[step.callee] = None
        self.functions[function] = None

    def _event(self, frame: FrameType, event: str, arg: object) -> None:
        del arg
        if frame.f_code.co_filename == function_of.__code__.co_filename:
            return
        if event == "call":
            self.enter(function_of(frame))
        elif event == "return" and self.stack:
            self.stack.pop()


def function_of(frame: FrameType) -> str:
    """The function that a frame runs, by its name; empty if it is not ours."""
    code = frame.f_code
    if not code.co_filename.startswith(f"{SRC}{os.sep}"):
        return ""
    name = re.sub(r"(\.<locals>)?\.<(listcomp|dictcomp|setcomp|genexpr)>", "", code.co_qualname)
    line = f":{code.co_firstlineno}" if name.endswith("<lambda>") else ""
    return f"{frame.f_globals['__name__']}:{name.replace('.<locals>', '')}{line}"


@contextlib.contextmanager
def doors(trace: Trace) -> Iterator[None]:
    """Put a door before each function, method and class of the core wherever Python finds it."""
    made: dict[int, Door] = {}
    places: list[tuple[dict[str, Any], str, Any, type | None]] = []
    for function in [*trace.core.calls, *trace.core.classes]:
        module, _, path = function.partition(":")
        inside: Any = sys.modules.get(module)
        for name in path.split("."):
            inside = getattr(inside, name, None)
        owner, _, method = path.rpartition(".")
        if inside is not None and not owner:
            made[id(inside)] = Door(trace, inside, function)
        elif inside is not None and method in trace.core.classes[f"{module}:{owner}"] and not method.startswith("__"):
            kind = getattr(sys.modules[module], owner)
            places.append((gc.get_referents(kind.__dict__)[0], method, Door(trace, inside, function), kind))
    for name, at in list(sys.modules.items()):
        if name.split(".")[0] == "memtwin":
            new = {key: with_doors(value, made) for key, value in at.__dict__.items() if not key.startswith("__")}
            places += [(at.__dict__, key, value, None) for key, value in new.items() if value is not at.__dict__[key]]
    before = [(place, key, place[key], kind) for place, key, _, kind in places]
    put(places)
    try:
        yield
    finally:
        put(before)


def with_doors(value: Any, made: dict[int, Door]) -> Any:
    """A value of a module with doors in it, in place of what they stand for: a function, or a table of functions."""
    if id(value) in made:
        return made[id(value)]
    if isinstance(value, dict):
        pairs = {key: with_doors(item, made) for key, item in value.items()}
        return pairs if any(pairs[key] is not value[key] for key in value) else value
    if isinstance(value, (tuple, list)):
        items = [with_doors(item, made) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    return value


def put(places: Iterable[tuple[dict[str, Any], str, Any, type | None]]) -> None:
    """Set names of modules and of compiled classes."""
    for place, key, value, kind in places:
        place[key] = value
        if kind is not None:
            pythonapi.PyType_Modified(py_object(kind))


# --- the three journeys ----------------------------------------------------------------------------------------------


def operations(core: Core) -> dict[str, Trace]:
    """One operation of each kind, by the name of its kind."""
    scenario = find(WHERE["scenario"])(OPERATIONS, "operations")
    name = WHERE["do"].rpartition(".")[2]
    found: dict[str, Trace] = {}
    for traced in (False, True):
        run = find(WHERE["run"])(scenario, find(WHERE["prepare"])(scenario, None, find(WHERE["settings"])(())))
        do = getattr(run, name)
        for op in scenario.ops:
            kind = type(op).__name__
            if traced and kind not in found:
                found[kind] = Trace(core).of(partial(do, op))
            else:
                do(op)
        assert all(done.outcome == "ok" for done in run.done), [d.op.text for d in run.done if d.outcome != "ok"]
    return found


def free(core: Core) -> Trace:
    """``memtwin free --json`` on this host."""
    main = find(WHERE["free"])
    with contextlib.redirect_stdout(io.StringIO()):
        main(["free", "--json"])
        return Trace(core).of(lambda: main(["free", "--json"]))


def snapshot(core: Core) -> Trace:
    """The boot of a recording becomes a machine."""
    prepare, settings = find(WHERE["prepare"]), find(WHERE["settings"])(())
    recordings = [find(WHERE["recording"])(RECORDING) for _ in range(2)]
    scenario = recordings[0].scenario()
    prepare(scenario, recordings[0].at("boot"), settings)
    boot = recordings[1].at("boot")
    return Trace(core).of(lambda: prepare(scenario, boot, settings))


class Journey(NamedTuple):
    """A journey's figures; *moves* with what kind of climb each is: "up", "on" or none."""

    rooms: set[str]
    moves: dict[Step, str]
    modules: set[str]
    """Modules of the core that were reached."""


def judge(traces: Iterable[Trace], height: dict[str, int]) -> Journey:
    """Count what one or several traces have together."""
    journey = Journey(set(), {}, set())
    went: dict[str, set[str]] = {}
    for trace in traces:
        journey.rooms.update(room_of(function) for function in trace.functions)
        journey.modules.update(f.partition(":")[0] for f in trace.functions if trace.core.is_compiled(f))
        for step in trace.steps:
            here, there = room_of(step.caller), room_of(step.callee)
            if here == there or step in journey.moves or there in LEAVES or here in LEAVES:
                continue
            climb = ""
            if height[there] > height[here]:
                climb = "up"
            elif height[there] < height[here]:
                before = went.setdefault(step.caller, set())
                climb = "on" if before and there not in before else ""
                before.add(there)
            journey.moves[step] = climb
    return journey


def show(name: str, journey: Journey, core: Core, *, verbose: bool) -> None:
    """Print a row of the table, and with *verbose* the moves in order."""
    climbs = list(journey.moves.values())
    inside = [climb for step, climb in journey.moves.items() if all(map(core.is_compiled, step))]
    print(
        f"{name:32}{len(journey.rooms):6}{len(climbs):7}{len(climbs) - climbs.count(''):8}"
        f"{climbs.count('up'):6}{climbs.count('on'):6}"
        f"{len(inside):12}{len(inside) - inside.count(''):8}{len(journey.modules):9}"
    )
    if verbose:
        print(f"    rooms: {' '.join(sorted(journey.rooms))}")
        for step, climb in journey.moves.items():
            caller, callee = (function.removeprefix("memtwin.") for function in step)
            print(f"    {climb:2}  {caller} > {callee}")
        print()


def main() -> None:
    """Walk the journeys that are asked for and print what they have."""
    parser = argparse.ArgumentParser(description="Count rooms, moves and climbs of three journeys through the code.")
    parser.add_argument("-v", "--verbose", action="store_true", help="list the rooms, and the moves in order")
    parser.add_argument("only", nargs="*", metavar="JOURNEY", help="operation, free, snapshot (default: all)")
    asked = parser.parse_args()
    core, height = Core(), heights()
    print(
        f"{'journey':32}{'rooms':>6}{'moves':>7}{'climbs':>8}{'up':>6}{'on':>6}"
        f"{'core: moves':>12}{'climbs':>8}{'modules':>9}"
    )
    if "operation" in asked.only or not asked.only:
        kinds = operations(core)
        show(f"an operation of each of {len(kinds)} kinds", judge(kinds.values(), height), core, verbose=asked.verbose)
        for kind in SINGLE:
            show(f"  {kind.lower()} alone", judge([kinds[kind]], height), core, verbose=asked.verbose)
    if "free" in asked.only or not asked.only:
        show("free --json", judge([free(core)], height), core, verbose=asked.verbose)
    if "snapshot" in asked.only or not asked.only:
        show("a snapshot becomes a machine", judge([snapshot(core)], height), core, verbose=asked.verbose)
    if asked.verbose:
        print("heights:", " ".join(f"{room}={height[room]}" for room in sorted(height, key=lambda r: (height[r], r))))


if __name__ == "__main__":
    main()
