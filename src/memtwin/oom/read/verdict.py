"""The last lines of a report: the constraint, who was chosen, who was killed, what the reaper took."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from memtwin.oom.event import KILLED, NO_VICTIM, PANIC, Kill, Memcg, Reaped

if TYPE_CHECKING:
    from memtwin.oom.read.builder import Builder

_CONSTRAINT = re.compile(r"oom-kill:\s?constraint=(\w{1,60})")
_CHOSEN_TASK = re.compile(r"task=(.{0,64}?),pid=(\d{1,10})(?:,uid=(-?\d{1,10}))?$")
_CHOSEN = re.compile(r"[Kk]ill process (\d{1,10}) \((.{0,64}?)\) score (\d{1,20})")
_KILLED = re.compile(
    r"Killed process (\d{1,10})(?:,? UID (\d{1,10}),?)? \((.{0,64}?)\)[,.]?(?=\s(?:total-vm|vsz|UID|sharing)|\s*$)"
)
_KILLED_SHORT = re.compile(r"Killed process (\d{1,10})(?:,? UID (\d{1,10}),?)? \(([^()]{1,64})\)")
"""The same where the sizes are not in the line."""
_SIZE = re.compile(r"\b(total-vm|vsz|anon-rss|file-rss|shmem-rss|pgtables):\s?(\d{1,20})kB")
_UID = re.compile(r"\bUID[: ](\d{1,10})")
_ADJ = re.compile(r"\boom_score_adj:(-?\d{1,5})")
_REAPED = re.compile(r"oom_reaper: reaped process (\d{1,10}) \((.{0,64}?)\)(?=,|\s*$)")
_MESSAGE = re.compile(r"((?:Memory cgroup o|O)ut of memory(?: \([\w ]{1,60}\))?)\s?:")
_PANIC = re.compile(r"Kernel panic - not syncing: ((?:[Oo]ut of memory|System is deadlocked on memory).{0,200})")
_MOST_KILLS = 4096


def constraint(builder: Builder, text: str) -> bool:
    """Read the ``oom-kill:`` line (5.0 and later)."""
    found = _CONSTRAINT.search(text)
    if not found:
        return False
    builder.constraint_printed = found[1]
    rest, _, task = text[found.end() :].rstrip().rpartition(",task=")
    chosen_task = _CHOSEN_TASK.match(f"task={task}")
    if not rest:
        rest = task
    if not chosen_task and rest.endswith(">"):  # cut off by a pager: the last value is not whole
        rest = rest.rpartition(",")[0]
    if chosen_task:
        uid = int(chosen_task[3]) if chosen_task[3] else None
        builder.condemned = Kill(int(chosen_task[2]), chosen_task[1], uid)
    place, _, task_memcg = rest.partition(",task_memcg=")
    builder.task_memcg = task_memcg or None
    place, is_memcg, oom_memcg = place.partition(",oom_memcg=")
    if is_memcg:
        builder.memcg = (builder.memcg or Memcg())._replace(path=oom_memcg)
    nodes, has_cpuset, cpuset = place.removesuffix(",global_oom").partition(",cpuset=")
    if has_cpuset:
        cpuset, _, mems = cpuset.partition(",mems_allowed=")
        builder.trigger = builder.trigger._replace(cpuset=cpuset, mems_allowed=mems or None)
    if builder.trigger.nodemask is None and "nodemask=" in nodes:
        builder.trigger = builder.trigger._replace(nodemask=nodes.partition("nodemask=")[2] or None)
    return True


def chosen(builder: Builder, text: str) -> bool:
    """Read "Kill process P (NAME) score S or sacrifice child" (before 5.1)."""
    found = _CHOSEN.search(text)
    if not found:
        return False
    builder.chosen, builder.score = (int(found[1]), found[2]), int(found[3])
    builder.outcome = builder.outcome or KILLED
    _note_message(builder, text)
    return True


def killed(builder: Builder, text: str) -> bool:
    """Read "Killed process P (NAME) total-vm:..."; a second one was killed along with the victim."""
    found = _KILLED.search(text) or _KILLED_SHORT.search(text)
    if not found:
        builder.unread.add("line of the killed process")
        return "Killed process" in text
    sizes = {("total-vm" if name == "vsz" else name): int(kib) for name, kib in _SIZE.findall(text, found.end())}
    uid, adj = _UID.search(text, found.end()), _ADJ.search(text, found.end())
    number = found[2] or (uid[1] if uid else None)
    kill = Kill(int(found[1]), found[3], int(number) if number else None, int(adj[1]) if adj else None, sizes)
    if len(builder.kills) < _MOST_KILLS and all(other.pid != kill.pid for other in builder.kills[-8:]):
        builder.kills.append(kill)
    builder.outcome = KILLED
    _note_message(builder, text)
    return True


def pid_of(text: str) -> int | None:
    """Return the process that a line of a constraint, a choice or a kill names."""
    found = _KILLED_SHORT.search(text) or _KILLED.search(text) or _CHOSEN.search(text)
    if found is None and "oom-kill:" in text:
        task = _CHOSEN_TASK.match("task=" + text.rstrip().rpartition(",task=")[2])
        return int(task[2]) if task else None
    return int(found[1]) if found else None


def reaped(text: str) -> Reaped | None:
    """Read a line of the OOM reaper (4.6 and later)."""
    found = _REAPED.search(text)
    if not found:
        return None
    return Reaped(int(found[1]), found[2], {name: int(kib) for name, kib in _SIZE.findall(text, found.end())})


def no_victim(builder: Builder, text: str) -> bool:
    """Read that no process could be killed, or that the kernel panics: from 4.19 on the first is not the second."""
    if "no killable process" in text:
        builder.outcome, builder.message = NO_VICTIM, "Out of memory and no killable processes"
        return True
    found = _PANIC.search(text)
    if found:
        builder.panic = builder.panic or found[1].removesuffix(" ]---").strip()
        if builder.outcome is None:
            builder.outcome = NO_VICTIM if "deadlocked" in found[1] else PANIC
            builder.message = builder.panic
        return True
    return False


def _note_message(builder: Builder, text: str) -> None:
    found = _MESSAGE.search(text)
    if found and builder.message is None:
        builder.message = found[1]
