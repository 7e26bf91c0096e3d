"""What programs write when a process dies of SIGKILL, and what each such line says of who did it.

The layouts are data (``data/oom_witnesses.toml``): src/oom/oomd-util.c, oomd-manager.c and src/core/unit.c of systemd,
kill.c of earlyoom of all versions, nohang 0.2, BaseKillPlugin.cpp of Meta's oomd, eviction_manager.go and oom_watcher
of Kubernetes, containerd's events, dockerd, cAdvisor, slurmstepd, YARN, lmkd.cpp and lowmemorykiller.c of Android, the
OOM controller of Talos, PostgreSQL, shells and compilers.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final, NamedTuple

OOMD, NOHANG, KUBELET, SYSTEMD = "systemd-oomd", "nohang", "kubelet", "systemd"
KILLER, SAYS_OOM, SAYS_NOT, TRACE, CLEANUP, SAYS_OOMD, ATTEMPT = (
    "killer", "says OOM", "says not OOM", "trace", "cleanup", "oomd", "attempt",
)  # fmt: skip
"""What a line is evidence for: that *by* killed; that the kernel's OOM killer did; that it did not; something else did;
that *by* killed what was left of it afterwards; that systemd-oomd did; that *by* set about it."""
MEMORY, DISK, OTHER = "memory", "disk", "other"
UNNAMED_PROCESS: Final = "a process"


class Witness(NamedTuple):
    """One line's word: who died, and what the line is evidence for."""

    role: str
    by: str
    who: str
    pid: int | None
    why: str
    container: str = ""
    resource: str = MEMORY


class _Form(NamedTuple):
    """A layout: its pattern, what it is evidence for, and the clause, which may use the pattern's groups."""

    pattern: re.Pattern[str]
    role: str
    by: str
    why: str
    resource: str = MEMORY


_PLACES: Final = {
    "<unit>": r"(?<![\w@:.\\/-])(?P<who>[\w@:.\\/-]{1,255})",
    "<pid>": r"(?P<pid>\d{1,10})",
    "<id>": r"(?P<id>[0-9a-f]{12,64})",
}
"""A unit's name starts at the start of a word only, so that matching is linear in the length of the line."""


@cache
def _forms() -> tuple[_Form, ...]:
    """Return the layouts, in the order in which they are tried."""
    import tomllib
    from importlib.resources import files

    text = (files("memtwin") / "data" / "oom_witnesses.toml").read_text(encoding="utf-8")
    found = []
    for form in tomllib.loads(text)["form"]:
        pattern = form.pop("pattern")
        for place, stands_for in _PLACES.items():
            pattern = pattern.replace(place, stands_for)
        found.append(_Form(re.compile(pattern), **form))
    return tuple(found)


_CONTAINER: Final = re.compile(r"\b([0-9a-f]{64}|(?<=container )[0-9a-f]{12})\b")
_POD: Final = re.compile(r"\bpod=\"?(?P<who>[\w.-]{1,253}/[\w.-]{1,253})")
_NAMED: Final = re.compile(
    r"\b[Cc]ontainer (?P<who>[\w.-]{1,128}) (?:exited|died|ended|in pod)|^(?P<first>[\w.-]{1,128}) exited with code"
    r"|\btask \"(?P<task>[^\"]{1,128})\" for alloc"
)
_HINT: Final = re.compile(
    r"earlyoom|oomd|OOMController|[Ee]vict|low on resource|node had condition|storage usage exceeds|EmptyDir"
    r"|sys oom event"
    r"|OOMKilled|oom_?[kK]illed|OOM|oom[-_]kill|\boom\b|9/KILL|SIGKILL|SIGTERM|signal=KILL|timed out|\b137\b|[Kk]illing"
    r"|[Kk]illed|Marked |signal 9|exit signal|signal: 9|signal: killed|code -9|lowmemorykiller|Kill '|Reclaim '"
    r"|OUT_OF_ME|kill -|Out Of Memory"
    r"|beyond (?:phy|vir)|TERM_MEMLIMIT|probe, will|using the force|sigkill|victim|badness"
    r"|quota vastly"
)
LONGEST: Final = 4096
"""Characters of a line in which a death is looked for."""


def may_tell(raw: str) -> bool:
    """Whether a line can speak of a death at all: a long journal is read as fast as Python finds a substring."""
    return (
        "oom" in raw or "OOM" in raw or "137" in raw or "SIG" in raw or "KILL" in raw or "ill" in raw or "vict" in raw
        or "low on" in raw or "badness" in raw or "PID: " in raw or "timed out" in raw or "signal" in raw
        or "OUT_OF" in raw or "limit" in raw or "exceeds" in raw or "condition" in raw or "Marked" in raw
        or "force" in raw or "Out Of" in raw or "Reclaim '" in raw or "exceeded" in raw
    )  # fmt: skip


def may_be_one(raw: str) -> bool:
    """Whether a line has a word that one of the layouts needs."""
    return _HINT.search(raw, 0, LONGEST * 2) is not None or "PID: " in raw[:LONGEST]


def witness_of(text: str) -> Witness | None:
    """Return what a line says of a death, None if it speaks of none.

    >>> witness_of("web-1 exited with code 137").role, witness_of('"OOMKilled": false').role
    ('trace', 'says not OOM')
    >>> witness_of("returned 137 rows in 12 ms") is None
    True
    """
    text = text[:LONGEST]
    for form in _forms():
        found = form.pattern.search(text)
        if found:
            return _witness(form, found, text)
    return None


def _witness(form: _Form, found: re.Match[str], text: str) -> Witness:
    groups = {name: value or "" for name, value in found.groupdict().items()}
    who = groups.get("who") or groups.get("program") or _name_in(text)
    container = groups.get("id") or next(iter(_CONTAINER.findall(text)), "")
    reason = groups.get("reason", "").strip()
    groups["reason"] = f": {reason}" if reason else ""
    pid = groups.get("pid")
    who = who or (f"container {container[:12]}" if container else UNNAMED_PROCESS)
    return Witness(
        form.role, form.by, who, int(pid) if pid else None,
        form.why.format(**groups), container[:12], form.resource,
    )  # fmt: skip


def _name_in(text: str) -> str:
    found = _POD.search(text) or _NAMED.search(text)
    return next(filter(None, found.groups()), "") if found else ""
