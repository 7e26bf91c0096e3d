"""``memtwin export``."""

from __future__ import annotations

import click

from memtwin import __version__
from memtwin.cli.common import note, open_root, root_option, write
from memtwin.render import openmetrics
from memtwin.views import exported


@click.command("export")
@click.option("--listen", metavar="ADDRESS:PORT", help="Serve them at /metrics, as 127.0.0.1:9435, until ^C.")
@root_option
def command(root: str, listen: str | None) -> None:
    """Print the metrics of all views as one OpenMetrics exposition, or serve them to Prometheus.

    Names are node_exporter's where it has one. Files that cannot be read have no metrics. The metrics of a
    stored machine are the same at each scrape.
    """
    source = open_root(root)
    if listen is None:
        write(openmetrics.text(exported.families(source, __version__)))
        return
    from memtwin.web.metrics import Server

    with Server(listen, lambda: exported.families(source, __version__)) as server:
        note(f"listening on {server.url}")
        if not server.is_loopback:
            note("anyone who reaches this address can read them")
        server.serve_forever()
