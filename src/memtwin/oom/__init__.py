"""The OOM post-mortem: what the kernel's report says, and what follows from it.

>>> from memtwin import oom
>>> oom.parse("nothing happened")
[]

:func:`parse` and :func:`events` read text; :func:`rank` makes the kernel's choice again;
:func:`memtwin.oom.analysis.analyse` computes all that follows from an event, which ``report`` and ``data`` show.
"""

from __future__ import annotations

from memtwin.oom.event import OomEvent
from memtwin.oom.parse import events, parse
from memtwin.oom.ranking import rank

__all__ = ["OomEvent", "events", "parse", "rank"]
