"""The OOM post-mortem: what the kernel's report says, and what follows from it.

In: text with a kernel log or a piece of one, or processes that still run. Out: events (``read``), what follows from
each (``why``), and text, JSON or HTML of it (``faces``). ``event`` is the report as data, ``layout`` the report as the
kernel's text, ``badness`` the rule of the choice, ``deaths`` what other programs of the same log say, ``live`` the
ranking of a machine now.

Never here: the model, or a sentence that does not rest on a line of the log.

>>> from memtwin import oom
>>> oom.parse("nothing happened")
[]

:func:`parse` and :func:`events` read text; :func:`rank` makes the kernel's choice again;
:func:`memtwin.oom.why.analysis.analyse` computes all that follows from an event, which ``report`` and ``data`` show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from memtwin.oom.event import OomEvent
    from memtwin.oom.read.parse import events, parse
    from memtwin.oom.why.ranking import rank

__all__ = ["OomEvent", "events", "parse", "rank"]
_LIES_IN: Final = {
    "OomEvent": "memtwin.oom.event", "events": "memtwin.oom.read.parse", "parse": "memtwin.oom.read.parse",
    "rank": "memtwin.oom.why.ranking",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: the reader of logs takes longer than a ranking of live processes."""
    if name not in _LIES_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LIES_IN[name]), name)
