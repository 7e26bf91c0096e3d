"""Run the cells of docs/library.ipynb and keep what they print in it (``make api``).

The cells are plain Python: they run here as a notebook runs them, without one. A cell's last expression is shown as its
value, as Jupyter shows it.
"""

from __future__ import annotations

import ast
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).with_name("library.ipynb")


def main() -> None:
    """Write the notebook with what its cells print now."""
    NOTEBOOK.write_text(executed(NOTEBOOK.read_text()))


def executed(text: str) -> str:
    """Return the notebook *text* with the outputs of its cells."""
    notebook = json.loads(text)
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells, 1):
        cell["execution_count"] = number
        cell["outputs"] = outputs("".join(cell["source"]), names, number)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def outputs(source: str, names: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """Run one cell; return what it printed, and the value of its last expression."""
    tree = ast.parse(source, f"cell {number}")
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(tree, f"cell {number}", "exec"), names)
        value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names) if last else None
    found: list[dict[str, Any]] = []
    if printed.getvalue():
        found.append({"name": "stdout", "output_type": "stream", "text": lines(printed.getvalue())})
    if value is not None:
        shown = {"text/plain": lines(repr(value))}
        found.append({"data": shown, "execution_count": number, "metadata": {}, "output_type": "execute_result"})
    return found


def lines(text: str) -> list[str]:
    """Return *text* as a notebook keeps it."""
    return text.splitlines(keepends=True)


if __name__ == "__main__":
    main()
