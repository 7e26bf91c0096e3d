r"""``/sys/kernel/debug/lru_gen``: the generations of the multi-gen LRU, by memory cgroup and node; root may read it.

Layout: ``memcg %5hu %s`` with the group's number and path; for each node `` node %5d``, then a line a generation, the
oldest first: its number, its age in ms, its anonymous pages and its pages of files; a blank after each.

>>> print(render(LruGen((Group(1, "/", (Node(0, (Generation(3, 818, 17830, 426),)),)),))).replace(" \n", "|\n"), end="")
memcg     1 /
 node     0
          3        818      17830         426|
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memtwin.procfs.text import Lines

SOURCE = ("mm/vmscan.c", "v6.12")
PATH = "sys/kernel/debug/lru_gen"
ENABLED = "sys/kernel/mm/lru_gen/enabled"

_MEMCG = re.compile(r"memcg +([0-9]{1,10}) ?(.*)")
_NODE = re.compile(r" node +([0-9]{1,10})")
_GENERATION = re.compile(r" +([0-9]{1,20}) +([0-9]{1,20}) +([0-9]{1,20})[ x] +([0-9]{1,20})[ x]?")


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation: its number, its age, and its pages by type."""

    seq: int
    age_ms: int
    anon: int
    file: int


@dataclass(frozen=True, slots=True)
class Node:
    """The generations of a node, the oldest first."""

    number: int
    generations: tuple[Generation, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A memory cgroup: its number, its path, and its nodes."""

    memcg: int
    path: str
    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class LruGen:
    """All groups, in the kernel's order."""

    groups: tuple[Group, ...] = ()


def parse(text: str, path: str = PATH) -> LruGen:
    """Read lru_gen; *path* names it in errors."""
    lines = Lines(text, path)
    groups: list[tuple[int, str, list[tuple[int, list[Generation]]]]] = []
    for line in lines:
        if found := _MEMCG.fullmatch(line):
            groups.append((int(found[1]), found[2], []))
        elif (found := _NODE.fullmatch(line)) and groups:
            groups[-1][2].append((int(found[1]), []))
        elif (found := _GENERATION.fullmatch(line)) and groups and groups[-1][2]:
            groups[-1][2][-1][1].append(Generation(*(int(word) for word in found.groups())))
        else:
            raise lines.bad("memcg, node, or a generation's number, age in ms, anonymous pages and file pages")
    return LruGen(
        tuple(
            Group(number, name, tuple(Node(node, tuple(generations)) for node, generations in nodes))
            for number, name, nodes in groups
        )
    )


def render(record: LruGen) -> str:
    """Return the text that the kernel prints, as lru_gen_seq_show() does."""
    lines = []
    for group in record.groups:
        lines.append(f"memcg {group.memcg:5d} {group.path}")
        for node in group.nodes:
            lines.append(f" node {node.number:5d}")
            lines += [f" {g.seq:10d} {g.age_ms:10d} {g.anon:10d}  {g.file:10d} " for g in node.generations]
    return "".join(f"{line}\n" for line in lines)
