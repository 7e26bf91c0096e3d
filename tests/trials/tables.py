"""The page of the trials: rules against each other, bad sampling, and each program."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import bench
import damage
import null_models

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from trials import Judged

ACCUSED = frozenset({"leak", "more processes"})


def page(rows: Sequence[Judged], note: str = "") -> str:
    """Return the page; *note* says how these were made."""
    kinds, seeds = {one.kind for one in rows}, {one.seed for one in rows}
    lines = [
        "# `memtwin leak` on real programs", "",
        f"Made by `make trials`: {len(kinds)} programs, {len(seeds)} seeds, ten at a time, a sample a second.",
        note, "",
    ]  # fmt: skip
    times = sorted({one.seconds for one in rows})
    for seconds in times:
        lines += [f"## After {seconds:.0f} s", "", *_against([one for one in rows if one.seconds == seconds]), ""]
    last = [one for one in rows if one.seconds == times[-1]]
    lines += ["## Bad sampling", "", *_bad_sampling(last), ""]
    lines += ["## Each program, after the longest time", "", "| program | called | right |", "|---|---|---|"]
    for kind in dict.fromkeys(one.kind for one in last):
        own = [one for one in last if one.kind == kind]
        called = ", ".join(f"{verdict} x{n}" for verdict, n in Counter(one.verdict for one in own).most_common())
        lines.append(f"| {kind} | {called} | {sum(map(_is_right, own))}/{len(own)} |")
    return "\n".join(lines) + "\n"


def _is_right(one: Judged) -> bool:
    return one.verdict in bench.right(one.kind)


def _is_innocent(one: Judged) -> bool:
    return one.kind not in bench.LEAKS | bench.UNDECIDED


def _is_leak(one: Judged) -> bool:
    return one.kind in bench.LEAKS - bench.UNDECIDED


def _against(rows: Sequence[Judged]) -> list[str]:
    leaks, innocents = [one for one in rows if _is_leak(one)], [one for one in rows if _is_innocent(one)]
    rest = len(rows) - len(leaks) - len(innocents)

    def row(name: str, accused: Collection[Judged]) -> str:
        found, wrong = (sum(one in accused for one in group) for group in (leaks, innocents))
        precision = f"{found / (found + wrong):.2f}" if found + wrong else "-"
        recall = f"{found / len(leaks):.2f}" if leaks else "-"
        return f"| {name} | {found}/{len(leaks)} | {wrong}/{len(innocents)} | {precision} | {recall} |"

    lines = [f"{len(leaks)} leaks, {len(innocents)} innocents, {rest} that cannot be decided.", ""]
    lines += ["| rule | leaks found | innocents accused | precision | recall |", "|---|---|---|---|---|"]
    lines.append(row("memtwin leak", [one for one in rows if one.verdict in ACCUSED]))
    lines += [row(name, [one for one in rows if name in one.rules]) for name in null_models.RULES]
    sure = [one for one in rows if one.kind not in bench.UNDECIDED]
    unknown = [one for one in rows if one.verdict == "unknown"]
    share = sum(map(_is_right, sure)) / max(len(sure), 1)
    silent = sum(not one.more for one in unknown)
    told = f'{len(unknown)} are "cannot tell", {silent} of them without its seconds.'
    return [*lines, "", f"The class is right for {sum(map(_is_right, sure))} of {len(sure)} ({share:.0%}); {told}"]


def _bad_sampling(rows: Sequence[Judged]) -> list[str]:
    lines = ["| damage | same verdict | now unknown | innocent now leak | leak now innocent |", "|---|---|---|---|---|"]
    for name in damage.KINDS:
        own = [(one, one.damaged[name]) for one in rows if name in one.damaged]
        same = sum(after == one.verdict for one, after in own)
        unknown = sum(after == "unknown" != one.verdict for one, after in own)
        to_leak = sum(after in ACCUSED and one.verdict not in ACCUSED | {"unknown"} for one, after in own)
        to_innocent = sum(one.verdict in ACCUSED and after not in ACCUSED | {"unknown"} for one, after in own)
        lines.append(f"| {name} | {same}/{len(own)} | {unknown} | {to_leak} | {to_innocent} |")
    steady = [one for one in rows if one.injected is not None]
    seen = sum(one.injected != "steady" for one in steady)
    accused = sum(one.injected == "leak" for one in steady)
    told = f"{seen} are steady no more, {accused} are called a leak."
    return [*lines, "", f"A leak of twice the stated resolution, put into the {len(steady)} steady ones: {told}"]
