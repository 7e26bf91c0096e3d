"""The first lines of a report: who asked, on which kernel, from where in the kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from memtwin.oom.read.builder import Builder

_MOST_FRAMES: Final = 64
_LONGEST_NAME: Final = 64
"""TASK_COMM_LEN is 16; names of kernel workers are printed longer."""
_MASK = re.compile(r"gfp_mask=0x([0-9a-fA-F]{1,16})(?:\(([^)]{0,400})\))?")
_ORDER = re.compile(r"\border=(-1|\d{1,2})\b")
_ADJ = re.compile(r"\boom_score_adj=(-?\d{1,5})\b")
"""Absent before 2.6.36, which has oom_adj or oomkilladj."""
_NODEMASK = re.compile(r"\bnodemask=(\(null\)|[\d,-]{1,80}?)(?=[, ]|$)")
_CPUSET = re.compile(r"cpuset=(\S{1,512}?),? ?mems_allowed=([\d,-]{1,80})")
_CPU = re.compile(r"\bPID: (\d{1,10})[, ]\s?comm: (.{1,64}?)\s(?:Kdump: loaded )?((?:Not t|T)ainted.*)", re.IGNORECASE)
_RELEASE = re.compile(r"(?:^|\s)(\d{1,2}\.\d{1,3}[.\w+~-]{0,80})")
_FRAME = re.compile(
    r"(?:^|\s|\]|\()(\?\s)?([A-Za-z_][\w.]{1,80})(?:\+0x[0-9a-f]{1,8}/0x|\s\((?:[\w.-]{1,64}/){0,16}[\w.-]{1,64}\.[chS]:\d)"
)
"""Of a stack as it is printed, and of one that decode_stacktrace.sh has put file names in."""


def header(builder: Builder, text: str) -> None:
    """Read the line of who "invoked oom-killer"."""
    builder.has_header = True
    builder.section = "head"
    before = text.partition("invoked oom-killer")[0].strip() if "invoked oom-killer" in text else ""
    builder.before = before
    mask, order, adj = _MASK.search(text), _ORDER.search(text), _ADJ.search(text)
    nodemask = _NODEMASK.search(text)
    builder.trigger = builder.trigger._replace(
        name=before[-_LONGEST_NAME:] or None,
        gfp_mask=int(mask[1], 16) if mask else None,
        gfp_flags=mask[2] if mask else None,
        order=int(order[1]) if order else None,
        oom_score_adj=int(adj[1]) if adj else None,
        nodemask=nodemask[1] if nodemask else None,
    )
    cpuset(builder, text)


def cpuset(builder: Builder, text: str) -> bool:
    """Read where memory may come from: a line of its own before 4.19."""
    start = text.rfind("cpuset=", 0, max(text.find("mems_allowed="), 0))
    found = _CPUSET.match(text, start) if start >= 0 else None
    if not found:
        return False
    if builder.trigger.cpuset is None:
        builder.trigger = builder.trigger._replace(cpuset=found[1], mems_allowed=found[2])
    return True


def cpu(builder: Builder, text: str) -> bool:
    """Read the line of cpu, pid, name and kernel; the name says what prefix stood before it in the header."""
    found = _CPU.search(text)
    if not found or builder.kernel is not None:
        return bool(found)
    release = _RELEASE.search(found[3])
    builder.kernel = release[1] if release else None
    name = builder.trigger.name
    if name is None or name.endswith(found[2]):
        name = found[2]
        builder.prefix = builder.before.removesuffix(name).rstrip()
    builder.trigger = builder.trigger._replace(name=name, pid=int(found[1]))
    return True


def frame(builder: Builder, text: str) -> bool:
    """Read a line of the call trace; those that only lay on the stack (``?``) are left out."""
    found = _FRAME.search(text)
    if not found:
        return False
    if not found[1] and len(builder.trace) < _MOST_FRAMES and builder.section == "head":
        builder.trace.append(found[2])
    return True
