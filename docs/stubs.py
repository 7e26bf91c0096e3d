"""Write the stubs of the compiled core: what Python sees of each module, with its types (``make stubs``).

A stub has the functions and classes that the module's header does not keep for itself, its plain constants, and the
enumerations of its header that are open to Python. Types are those of the ``def`` lines: C integers are ``int``.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

SRC = Path(__file__).parents[1] / "src" / "memtwin"
PURE = {"core/vmstat.py", "features.py", "kernel/sysctl.py", "records.py"}
"""Modules of the core that are plain Python already."""
INTEGERS = re.compile(r"\b(?:[iu](?:8|16|32|64)|cython\.(?:int|long|longlong|uint))\b")


def modules() -> list[Path]:
    """Return the compiled modules."""
    found = sorted((SRC / "linux").rglob("*.py"))
    return [p for p in found if p.stem != "__init__" and p.relative_to(SRC / "linux").as_posix() not in PURE]


def stub(path: Path) -> str:
    """Return the stub of a compiled module."""
    header = path.with_suffix(".pxd").read_text()
    hidden = set(re.findall(r"^cdef [^\n=]*?\b(\w+)\(", header, re.MULTILINE))
    tree = ast.parse(path.read_text())
    parts = [*_enumerations(header)]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name not in hidden:
            parts.append(_function(node))
        elif isinstance(node, ast.ClassDef):
            parts.append(_class(node, header))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            parts += _constant(node.targets[0].id, node.value)
    body = "\n".join(parts)
    return f'"""Made by ``make stubs`` from {path.name} and {path.stem}.pxd."""\n\n{_imports(tree, body)}{body}\n'


def _enumerations(header: str) -> list[str]:
    names = []
    for body in re.findall(r"^cpdef enum\w*[^\n]*:[^\n]*\n((?:    [^\n]*\n)+)", header, re.MULTILINE):
        names += re.findall(r"^    ([A-Z]\w*)", body, re.MULTILINE)
    return [f"{name}: int" for name in names]


def _constant(name: str, value: ast.expr) -> list[str]:
    if not name.isupper() or name == "SOURCE":
        return []
    if isinstance(value, (ast.Dict, ast.DictComp)):
        return [f"{name}: dict[str, str]"]
    if isinstance(value, ast.Constant) and isinstance(value.value, int):
        return [f"{name}: int"]
    if isinstance(value, ast.Tuple) and all(isinstance(getattr(e, "value", None), str) for e in value.elts):
        return [f"{name}: tuple[str, ...]"]
    return []


def _type(annotation: ast.expr | None) -> str:
    text = "None" if annotation is None else ast.unparse(annotation)
    return INTEGERS.sub("int", text.replace("cython.bint", "bool").replace("cython.double", "float"))


def _function(node: ast.FunctionDef, indent: str = "") -> str:
    arguments = node.args.args
    defaults = [None] * (len(arguments) - len(node.args.defaults)) + list(node.args.defaults)
    words = [
        argument.arg
        if argument.arg == "self"
        else f"{argument.arg}: {_type(argument.annotation)}{'' if default is None else ' = ...'}"
        for argument, default in zip(arguments, defaults, strict=True)
    ]
    lines = [f"{indent}@{ast.unparse(decorator)}" for decorator in node.decorator_list]
    name = "__init__" if node.name == "__cinit__" else node.name
    return "\n".join([*lines, f"{indent}def {name}({', '.join(words)}) -> {_type(node.returns)}: ..."])


def _class(node: ast.ClassDef, header: str) -> str:
    struct = re.search(rf"^cdef class {node.name}\b[^\n]*:\n((?:(?:    [^\n]*)?\n)+)", header, re.MULTILINE)
    body = struct[1] if struct else ""
    hidden = set(re.findall(r"^    cdef [^\n=]*?\b(\w+)\(", body, re.MULTILINE))
    public = re.findall(r"^    cdef (?:public|readonly) \w+ (\w+)", body, re.MULTILINE)
    lines = [f"    {name}: int" for name in public]
    methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
    lines += [_function(item, "    ") for item in methods if item.name not in hidden | {"__dealloc__"}]
    return "\n".join([f"class {node.name}:", *(lines or ["    ..."])])


def _imports(tree: ast.Module, body: str) -> str:
    """Import the names of other modules that the stub uses."""
    lines = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            module = node.module.removeprefix("cython.cimports.")
            used = [a.name for a in node.names if re.search(rf"\b{a.name}\b", body) and a.name[0].isupper()]
            used = [name for name in used if not name.isupper() and module.startswith("memtwin")]
            if used and not re.search(r"mm_types$", module):
                lines.append(f"from {module} import {', '.join(sorted(used))}")
    return "".join(f"{line}\n" for line in sorted(lines)) + ("\n" if lines else "")


def written() -> dict[Path, str]:
    """Return every stub by its path."""
    return {path.with_suffix(".pyi"): stub(path) for path in modules()}


if __name__ == "__main__":
    for target, text in written().items():
        target.write_text(text)
    sys.exit(0)
