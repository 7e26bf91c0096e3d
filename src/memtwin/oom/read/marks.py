"""Which part of a report a line belongs to, and what can begin an event.

The kernel prints the parts of a report in one order: header, call trace, the cgroup's figures or Mem-Info, the table
of tasks, the constraint, who is chosen, who is killed. So a line of an earlier part behind a kill belongs to the next
event, wherever the text begins or ends.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final


class Mark(IntEnum):
    """The parts, in the order in which they are printed."""

    HEADER = 0
    HEAD = 1
    DUMP = 2
    """Mem-Info: a failed allocation and SysRq+m print it as well."""
    MEMCG = 3
    TABLE = 4
    CONSTRAINT = 5
    CHOSEN = 6
    KILLED = 7
    END = 8
    """No process could be killed, or the kernel panicked."""
    AFTER = 9


_BEGINS = re.compile(
    r"\[\s*(?:pid|\d+)\s*\]\s|Node \d|Mem-[Ii]nfo|lowmem_reserve|[A-Z][A-Za-z0-9]+ free:\d|[A-Z][A-Za-z0-9]+: \d+\*"
    r"|\d+ (?:total|pages|reserved)\b|(?:Free|Total) swap|Swap cache|Tasks state|Task in |oom-kill:|oom_reaper:"
    r"|(?:Memory cgroup o|O)ut of memory|Killed process|(?:memory|memory\+swap|swap|kmem): usage|Memory cgroup stats"
    r"|CPU\s*:?\s+\d|Pid: |Hardware name|Call [Tt]race|Kernel panic|RIP|Code:|\.\.\.|\[\.\.\.\]|(?:\? )?[\w.]+\+0x"
    r"|\w+ cpuset=|(?:(?:in)?active_\w+|unevictable|slab_\w+|mapped|free|sec_\w+|kernel_misc_\w+):\d+\b"
    r"|Unreclaimable slab|--|</?(?:TASK|IRQ|NMI)>"
)
_NO_REST = re.compile(
    r"```|~~~|[$#>%] |[\w.-]{1,64}@[\w.-]{1,64}[:~ ]|\[[\w.-]{1,64}@[^\]]{1,64}\][#$]|PS [A-Z]:|[A-Z]:\\|</?[a-z]\w*>"
    r"|---+$|===+$|\[/?(?:code|quote|CODE|QUOTE)\]|\w+ invoked oom-killer"
)
"""What is never the rest of a line: fences, prompts, tags, rulers."""

_CODE = re.compile(
    r"\b(?:pr_\w{1,16}|printk|panic|printf|[fs]n?printf|dev_\w{1,16}|seq_printf|dump_\w{1,16}|re\.\w{1,16}|MustCompile"
    r"|Sprintf|Errorf|Infof)\s?\(|\b(?:[ef]?grep|rg|awk|sed)\s{1,4}[\"'-]"
    r"|%[-#+0 ]?\d{0,3}(?:l{0,2}[sdiuxXp]|h{1,2}[diux]|\*p|p\w{1,4})\b|\\d[+*{]|\(\?P<|\[0-9\]"
)
"""Source code, format strings, patterns and commands."""
_HEADER = re.compile(r"invoked oom-killer: ?(?:gfp_mask=0x[0-9a-fA-F]|$)|oom-killer: gfp_mask=0x[0-9a-fA-F]")
_HEADER_CUT = re.compile(r"\S invoked oom-killer(?:: ?\S{0,9})?$")
"""A header whose line ends early: it is one only where a logger wrote it."""
_ROW = re.compile(
    r"\[\s{0,8}\d{1,10}\]\s{1,8}-?\d{1,10}\s{1,8}\d{1,10}(?:\s{1,24}\d{1,20}){3}\s{1,24}-?\d{1,20}\s{1,24}\S"
)
"""A row with as many figures as the oldest table has, and a name."""
_TABLE = re.compile(r"\[\s*pid\s*\]\s+uid\b|Tasks state \(memory values in")
_MEMCG = re.compile(
    r"\b(?:memory|memory\+swap|kmem|swap): usage \d{1,20}kB, limit \d|Memory cgroup stats(?: for \S|:)"
    r"|Task in \S{1,4096} killed as a result of limit of "
)
_DUMP = re.compile(
    r"Mem-[Ii]nfo:|\bfree:\d{1,15}kB (?:boost|min):\d|\bactive_anon:\d{1,15} inactive_anon:\d|\blowmem_reserve\[\]:"
    r"|\b\d{1,12} total pagecache pages|\b\d{1,15} pages RAM\b|Free swap\s{1,2}= ?\d{1,15}kB"
)
_CONSTRAINT = re.compile(r"oom-kill:\s?constraint=[A-Z]\w{3,60}(?:,|$)")
_CHOSEN = re.compile(r"[Kk]ill process \d{1,10} \(.{0,64}?\) score \d")
_KILLED = re.compile(r"Killed process \d{1,10}(?:,? UID \d{1,10},?)? \(")
_KILLED_ALONE = re.compile(r"Killed process \d{1,10}(?:,? UID \d{1,10},?)? \(.{1,64}\),? ?(?:total-vm|vsz|UID:|$)")
_KILL_END = re.compile(r"(?:(?:file|shmem)-rss:\s?\d{1,20}[kK][bB]|oom_score_adj:-?\d{1,5}|\([^()]{1,64}\))$")
_GROUP: Final = "going to be killed due to memory.oom.group"
_NOBODY = re.compile(r"(?:Memory cgroup o|O)ut of memory and no killable processes(?:\.{0,3}|…)\s*$")
_PANIC = re.compile(r"Kernel panic - not syncing: (?:[Oo]ut of memory|System is deadlocked on memory)")
_OTHERS = re.compile(
    r"page allocation (?:failure|stalls)|[Ss]ys[Rr]q ?: (?:Show|show) (?:M|m)emory|SLUB: Unable to allocate|warn_alloc"
)
_LONGEST: Final = 4096
"""Characters of a line by which its part is known."""
_LOG_START: Final = 24
"""Characters that may stand before a line of the kernel's in a text without time stamps."""


def begins(text: str) -> bool:
    """Whether *text* begins like a line of a report."""
    return _BEGINS.match(text) is not None or "oom-killer" in text


def is_no_rest(text: str) -> bool:
    """Whether *text* cannot be the rest of a wrapped line."""
    return _NO_REST.match(text) is not None


def is_others(text: str) -> bool:
    """Whether the Mem-Info that follows is that of a failed allocation or of a key."""
    return ("lloc" in text or "ys" in text) and _OTHERS.search(text) is not None


def is_code(text: str) -> bool:
    """Whether *text* is a piece of a program or a pattern, not what one printed."""
    return _CODE.search(text, 0, 2000) is not None


def rank(text: str) -> int | None:
    """Return the place of a line within a report; None for lines that do not say."""
    found = mark_of(text, is_logged=True)
    if found is Mark.TABLE and _ROW.search(text):
        return int(Mark.TABLE) * 2 + 1
    return None if found is None else int(found) * 2


def may_begin(raw: str) -> bool:
    """Whether an event may begin with this line: all that is asked of most lines of a long journal."""
    return (
        "oom-kill" in raw
        or "of memory" in raw
        or "ed process" in raw
        or "result of limit" in raw
        or "kB, limit " in raw
        or "cgroup stats" in raw
        or " free:" in raw
        or "Mem-" in raw
        or "Tasks state" in raw
        or "oom.group" in raw
        or ("]  " in raw and _ROW.search(raw) is not None)
        or ("] " in raw and ("pid" in raw or "active_anon:" in raw or _ROW.search(raw) is not None))
        or "active_anon:" in raw
        or "panic" in raw
        or is_others(raw)
        or (raw[:1] == "{" and '"MESSAGE":[' in raw.replace(" ", ""))
    )


def mark_of(text: str, *, is_logged: bool) -> Mark | None:
    """Return the part that *text* belongs to, if it is one that can be recognised alone.

    *is_logged*: the line has a time stamp, or the kernel's name before it; without either a sentence about a report is
    separated from a report by what stands around the words.
    """
    text = text[:_LONGEST]
    found = _header(text, is_logged=is_logged) if "oom-killer" in text else _verdict(text, is_logged=is_logged)
    if found is not None:
        return None if is_code(text) else found
    if "]" in text and (_ROW.search(text) or _TABLE.search(text)):
        return Mark.TABLE
    if "Tasks state (" in text:
        return Mark.TABLE
    if ("usage " in text or "cgroup stats" in text or "result of limit" in text) and _MEMCG.search(text):
        return Mark.MEMCG
    return Mark.DUMP if _DUMP.search(text) else None


def _header(text: str, *, is_logged: bool) -> Mark | None:
    if _HEADER.search(text):
        at_end = text.rstrip().endswith("oom-killer:")
        return Mark.HEADER if is_logged or not at_end else None
    return Mark.HEADER if is_logged and _HEADER_CUT.search(text) else None


def _verdict(text: str, *, is_logged: bool) -> Mark | None:
    if "oom-kill:" in text and _CONSTRAINT.search(text):
        return Mark.CONSTRAINT
    if ("ill process" in text and _CHOSEN.search(text)) or _GROUP in text:
        return Mark.CHOSEN
    if "Killed process" in text:
        return _killed(text, is_logged=is_logged)
    found = _NOBODY.search(text) if "no killable" in text else _PANIC.search(text) if "panic" in text else None
    if found:
        return Mark.END if is_logged or found.start() <= (0 if "no killable" in text else _LOG_START) else None
    return Mark.AFTER if "oom_reaper: reaped" in text else None


def _killed(text: str, *, is_logged: bool) -> Mark | None:
    found = _KILLED.search(text)
    if not found:
        return None
    is_line = is_logged or found.start() <= _LOG_START or "of memory: Killed" in text[: _LOG_START + 40]
    return Mark.KILLED if is_line or _KILLED_ALONE.search(text) else None


def is_cut(text: str) -> bool:
    """Whether a line lacks its end: a header, the fields of a zone, a line of a kill."""
    if "oom-killer" in text:
        return "oom_score_adj=" not in text
    if "oom-kill:" in text:
        return ",uid=" not in text
    if re.search(r"\bfree:\d+kB|\bactive_anon:\d+kB", text):
        return "free_cma:" not in text and "all_unreclaimable?" not in text
    if "Killed process" in text:
        return _KILL_END.search(text) is None
    if "ill process" in text or "Task in /" in text:
        return "score" not in text and "limit of /" not in text
    return "of memory: Ki" in text
