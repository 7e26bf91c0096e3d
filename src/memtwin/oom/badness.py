"""Who is killed: the kernel's rule, of each of its generations, in integers as the kernel has them.

A process has as many points as it has pages: resident ones, those in swap, those of its page tables. Then
``oom_score_adj`` adds, for each of its units, a thousandth of all that could be used. The most points die::

    points = rss + swapents + page tables                     pages
    points += oom_score_adj * (totalpages // 1000)            5.9 and later: may be negative
                                                              before: at least 1

    5.1 to 5.8     at least 1 point; no score is printed from 5.1 on
    4.17 to 5.0    the same; "score" is points * 1000 / totalpages
    3.14 to 4.16   3 % of its points are taken from a process of root (backports: 3.10 of RHEL 7, 3.13 of Ubuntu)
    3.5 to 3.13    30 thousandths of totalpages are taken from a process of root
    2.6.36 to 3.4  everything in thousandths: pages * 1000 / totalpages, root -30, + oom_score_adj, within 1 and 1000
                   (page tables count from 2.6.39 on)
    before 2.6.36  another rule (total_vm, run time, nice level) that no report shows

Not modelled: tasks in vfork(), swapoff and KSM unmerge (chosen at once); root stands for CAP_SYS_ADMIN,
which a container's root need not have.
"""

from __future__ import annotations

import re
from typing import NamedTuple

SOURCE = "mm/oom_kill.c", "v6.1"

OOM_SCORE_ADJ_MIN = -1000
OOM_DISABLE = -17
"""``oom_adj`` of a process that is never killed; the setting before 2.6.36."""
_OOM_ADJUST_MAX = 15
_ROOT_BONUS = 30


class Rule(NamedTuple):
    """One generation of the rule.

    *label*: for people; *root*: what root is spared, ``none``, ``share`` (3 % of its own), ``thirtieth`` (3 % of all).
    """

    label: str
    root: str = "none"
    permille: bool = False
    page_tables: bool = True
    at_least: int | None = 1


RULE_5_9 = Rule("5.9 and later", at_least=None)
RULE_4_17 = Rule("4.17 to 5.8")
RULE_3_14 = Rule("3.14 to 4.16", root="share")
RULE_3_5 = Rule("3.5 to 3.13", root="thirtieth")
RULE_2_6_39 = Rule("2.6.39 to 3.4 (all in thousandths)", root="thirtieth", permille=True)
RULE_2_6_36 = Rule("2.6.36 to 2.6.38 (all in thousandths, no page tables)", root="thirtieth", permille=True,
                   page_tables=False)  # fmt: skip
_SINCE = (
    ((5, 9, 0), RULE_5_9), ((4, 17, 0), RULE_4_17), ((3, 14, 0), RULE_3_14), ((3, 5, 0), RULE_3_5),
    ((2, 6, 39), RULE_2_6_39), ((0, 0, 0), RULE_2_6_36),
)  # fmt: skip


class Charge(NamedTuple):
    """What counts of a process, in pages."""

    rss: int
    swapents: int
    page_tables: int
    oom_score_adj: int = 0
    root: bool = False


def version(release: str) -> tuple[int, int, int]:
    """Return the numbers of a release.

    >>> version("3.10.0-514.6.1.el7.x86_64"), version("6.18+")
    ((3, 10, 0), (6, 18, 0))
    """
    found = re.match(r"(\d{1,5})\.(\d{1,5})(?:\.(\d{1,5}))?", release)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)


def rule_of_release(release: str) -> Rule:
    """Return the rule of a kernel by its number alone.

    >>> rule_of_release("6.1.0-42-amd64").label
    '5.9 and later'
    """
    numbers = version(release)
    return next(rule for since, rule in _SINCE if numbers >= since)


def points(charge: Charge, totalpages: int, rule: Rule = RULE_5_9) -> int | None:
    """Return the points of a process, None if it is never killed; *totalpages*: RAM and swap, or the cgroup's limit.

    >>> points(Charge(400000, 100000, 1024), 2558127)
    501024
    >>> points(Charge(400000, 100000, 1024, oom_score_adj=300), 2558127)
    1268424
    >>> points(Charge(46349, 0, 223, root=True), 252721, RULE_3_14)
    45175
    """
    if charge.oom_score_adj == OOM_SCORE_ADJ_MIN:
        return None
    totalpages = max(totalpages, 1)
    found = charge.rss + charge.swapents + (charge.page_tables if rule.page_tables else 0)
    adj = charge.oom_score_adj
    if rule.permille:
        found = found * 1000 // totalpages - (_ROOT_BONUS if charge.root else 0) + adj
        return min(max(found, 1), 1000)
    if charge.root and rule.root == "share":
        found -= found * 3 // 100
    if charge.root and rule.root == "thirtieth":
        adj -= _ROOT_BONUS
    found += adj * (totalpages // 1000)
    return found if rule.at_least is None else max(found, rule.at_least)


def printed_score(charge: Charge, totalpages: int, rule: Rule) -> int | None:
    """Return what "Kill process P (NAME) score S" has as S, before 5.1.

    >>> printed_score(Charge(46349, 0, 223, root=True), 252721, RULE_3_14)
    178
    """
    found = points(charge, totalpages, rule)
    return found if found is None or rule.permille else found * 1000 // max(totalpages, 1)


def oom_score(charge: Charge, totalpages: int) -> int:
    """Return /proc/PID/oom_score of 5.9 and later: 0 for those that are never killed.

    >>> oom_score(Charge(400000, 100000, 1024), 2558127), oom_score(Charge(5000, 0, 30, -1000), 2558127)
    (796, 0)
    """
    found = points(charge, totalpages)
    return 0 if found is None else scaled_score(found, totalpages)


def scaled_score(found: int, totalpages: int) -> int:
    """Return /proc/PID/oom_score from points; the quotients are cut off as C does.

    >>> scaled_score(501024, 2558127), scaled_score(-2297170, 2558127)
    (796, 68)
    """
    thousandths = found * 1000
    share = abs(thousandths) // max(totalpages, 1) * (1 if thousandths >= 0 else -1)
    return max((1000 + share) * 2 // 3, 0)


def adj_of(oom_adj: int) -> int:
    """Return the ``oom_score_adj`` of the older setting, -17 to 15; the quotient is cut off as C does.

    >>> adj_of(-17), adj_of(15), adj_of(-8), adj_of(0)
    (-1000, 1000, -470, 0)
    """
    if oom_adj == _OOM_ADJUST_MAX:
        return 1000
    return int(oom_adj * 1000 / -OOM_DISABLE)


def memcg_totalpages(limit: int, memsw_limit: int | None, total_swap: int) -> int:
    """Return the totalpages of a cgroup, in pages: its memory and what it may have of the swap.

    >>> memcg_totalpages(25600, 51200, 10000)
    35600
    """
    return limit + total_swap if memsw_limit is None else min(limit + total_swap, memsw_limit)
