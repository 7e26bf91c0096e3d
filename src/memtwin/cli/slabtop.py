"""``memtwin slabtop``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memtwin.cli.common import form_options, is_series, needed, open_root, root_option, samples, show, write
from memtwin.procfs import slabinfo
from memtwin.sources.host import host
from memtwin.units import bytes_of
from memtwin.views import slabtop as view

if TYPE_CHECKING:
    from memtwin.sources.source import Source

_SLAB = "sys/kernel/slab"


@click.command("slabtop")
@click.option("-d", "--delay", type=float, metavar="N", help="Repeat every N seconds.")
@click.option("-c", "--count", type=click.IntRange(min=1), metavar="N", help="Repeat N times.")
@click.option("-o", "--once", is_flag=True, help="Print once (the default without -d and -c).")
@click.option(
    "-s",
    "--sort",
    type=click.Choice([*view.SORTS, "n"]),
    default="o",
    help="By a: active objects, b: objects a slab, c: cache size, l: slabs, v: active slabs, n: name, o: objects, "
    "p: pages a slab, s: object size, u: use.",
)
@click.option("--explain", is_flag=True, help="Change between samples, reclaimable or not, and merged caches.")
@root_option
@form_options
def command(
    root: str, form: str | None, delay: float | None, count: int | None, sort: str, *, once: bool, explain: bool
) -> None:
    """Print the kernel's object caches, as `slabtop -o` of procps 4.0.2 does. Only root may read them."""
    source = open_root(root)
    page_bytes = bytes_of(host(source).page_kib)
    before: dict[str, int] | None = None
    for index in samples(None if once else delay, 1 if once else count, form, source):
        caches = view.order(needed(source, slabinfo).caches, sort)
        if index and form is None:
            write("\n")
        known = _known(source, caches) if explain or form == "json" else {}
        found = view.explain(caches, page_bytes, known, before) if explain else view.view(caches, page_bytes, known)
        show(found, form, source, index=index, is_series=not once and is_series(delay, count))
        before = {cache.name: view.size_bytes(cache, page_bytes) for cache in caches}


def _known(source: Source, caches: list[slabinfo.SlabCache]) -> dict[str, view.Known]:
    """Return what sysfs says: aliases are links to one directory there, so that they have the same name of it."""
    primary = {name: source.link(f"{_SLAB}/{name}") for name in source.names(_SLAB)}
    found = {}
    for cache in caches:
        flag = source.read(f"{_SLAB}/{cache.name}/reclaim_account")
        if flag is not None:
            target = primary.get(cache.name)
            alike = (name for name, other in primary.items() if other == target and name != cache.name)
            found[cache.name] = view.Known(flag.strip() == "1", tuple(alike) if target else ())
    return found
