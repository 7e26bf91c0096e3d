r"""Linux memory management as a Python program: look at it, ask why, ask what if.

>>> import memtwin
>>> host = memtwin.open_root("live")
>>> print(host.view("free"))                                # doctest: +SKIP
               total        used        free      shared  buff/cache   available
Mem:        24684096      827852    16859192       97612     7488948    23856244
Swap:              0           0           0
>>> run = memtwin.simulate("machine ram=128M\nproc A\nA mmap heap 300M\nA touch heap 0 300M w seq\n",
...                        settings={"vm.overcommit_memory": 1})
>>> run.operations[-1].outcome                              # all is promised, and killed for
'died'

What is wrong is raised as a :class:`MemtwinError`. ``docs/api.md`` has all of it, ``docs/library.ipynb`` a walk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memtwin.api.oom import explain_oom, oom_events
    from memtwin.api.root import Root, open_root
    from memtwin.api.run import Run, series, simulate
    from memtwin.api.workload import Workload, parse_scenario
    from memtwin.errors import MemtwinError

__version__ = "0.1.0"
__all__ = [
    "MemtwinError", "Root", "Run", "Workload", "explain_oom", "oom_events", "open_root", "parse_scenario",
    "series", "simulate",
]  # fmt: skip
_LIES_IN = {
    "MemtwinError": "memtwin.errors", "Root": "memtwin.api.root",
    "Run": "memtwin.api.run", "Workload": "memtwin.api.workload", "explain_oom": "memtwin.api.oom",
    "oom_events": "memtwin.api.oom", "open_root": "memtwin.api.root", "parse_scenario": "memtwin.api.workload",
    "series": "memtwin.api.run", "simulate": "memtwin.api.run",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: a view needs none of them."""
    if name not in _LIES_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LIES_IN[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
