"""The block of a memory cgroup: usage and limits, then its memory.stat."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from memtwin.oom.event import Memcg
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from memtwin.oom.read.builder import Builder

_USAGE = re.compile(
    r"\b(memory\+swap|memory|swap|kmem): usage (\d{1,20})kB, limit (\d{1,20})kB(?:, failcnt (\d{1,20}))?"
)
_TASK_IN = re.compile(r"Task in (\S{1,4096}) killed as a result of limit of (\S{1,4096})")
_STATS = re.compile(r"Memory cgroup stats(?: for (\S{1,4096}?))?:(?=\s|$)")
_OLD = re.compile(r"\b([a-z_]{2,40}):(\d{1,20})KB")
_NEW = re.compile(r"(?:^|\s)([a-z][a-z0-9_]{2,60}) (\d{1,20})(?=\s|$)")
_MOST_STATS = 4096
"""Counters of a cgroup: a kernel has some 50."""
_NAMES = {"memory": "usage", "swap": "swap_usage", "memory+swap": "memsw_usage", "kmem": "kmem_usage"}


def line(builder: Builder, text: str) -> bool:
    """Read a line of this part; False if it is none."""
    found = _USAGE.findall(text)
    if found:
        for which, usage, limit, failcnt in found:
            name = _NAMES[which]
            values: dict[str, Any] = {name: int(usage), name.replace("usage", "limit"): int(limit)}
            if which == "memory" and failcnt:
                values["failcnt"] = int(failcnt)
            builder.memcg = (builder.memcg or Memcg())._replace(**values)
        return True
    return _task_in(builder, text) or _stats(builder, text)


def _task_in(builder: Builder, text: str) -> bool:
    found = _TASK_IN.search(text)
    if found:
        builder.memcg = (builder.memcg or Memcg())._replace(path=found[2])
        builder.task_memcg = found[1]
    return found is not None


def _stats(builder: Builder, text: str) -> bool:
    found = _STATS.search(text)
    if found:
        memcg = builder.memcg or Memcg()
        builder.memcg = memcg._replace(path=memcg.path or found[1])
        builder.section = "memcg"
        text = text[found.end() :]
    if builder.section != "memcg" or builder.memcg is None:
        return found is not None
    stats = builder.memcg_stats
    old = _OLD.findall(text)
    for name, kib in old:  # one line a cgroup of the subtree, each without its children's
        if name in stats or len(stats) < _MOST_STATS:
            stats[name] = stats.get(name, 0) + bytes_of(int(kib))
    new = [] if old else _NEW.findall(text)
    for name, value in new:
        if len(stats) < _MOST_STATS:
            stats.setdefault(name, int(value))
    return bool(found or old or new)
