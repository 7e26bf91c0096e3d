r"""A view as an OpenMetrics exposition (OpenMetrics 1.0, text format), under node_exporter's names where one exists.

>>> print(text([Metric("node_load1", "gauge", "1 m load average.", (({}, 0.5),))]), end="")
# HELP node_load1 1 m load average.
# TYPE node_load1 gauge
node_load1 0.5
# EOF

A figure that is not known is left out: there is no sample for it, never a 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from memtwin.render.table import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Kind = Literal["gauge", "counter", "unknown", "info"]
_LARGEST = 1 << 63
"""Beyond it a figure was a negative number that was printed unsigned."""
CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Metric(NamedTuple):
    """One family: *samples* are (labels, value). A counter's samples are named with ``_total``, its family is not."""

    name: str
    kind: Kind
    help: str
    samples: tuple[tuple[Mapping[str, str], int | float | None], ...]


def gauge(name: str, text_of_help: str, value: float | None, **labels: str) -> Metric:
    """Return a family with one sample."""
    return Metric(name, "gauge", text_of_help, ((labels, value),))


def text(metrics: Iterable[Metric]) -> str:
    """Return the exposition of *metrics*; families without a known figure are left out."""
    lines: list[str] = []
    for metric in metrics:
        known = [(labels, value) for labels, value in metric.samples if value is not None and abs(value) < _LARGEST]
        if not known:
            continue
        suffix = "_total" if metric.kind == "counter" else "_info" if metric.kind == "info" else ""
        family = named(metric.name).removesuffix(suffix)
        lines.append(f"# HELP {family} {_escaped(metric.help)}")
        lines.append(f"# TYPE {family} {metric.kind}")
        lines += [f"{family}{suffix}{labelled(labels)} {value}" for labels, value in known]
    return "".join(f"{line}\n" for line in [*lines, "# EOF"])


def named(name: str) -> str:
    """Return *name* with an underscore for each character that a metric's name may not have.

    >>> named("node_memory_Active(anon)_bytes")
    'node_memory_Active_anon__bytes'
    """
    return "".join(char if char.isascii() and (char.isalnum() or char in "_:") else "_" for char in name)


def labelled(labels: Mapping[str, str]) -> str:
    """Return labels as an exposition has them; nothing for none."""
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    """Return a label's value or a help: what is not printable as its code, so that no terminal takes it as an order."""
    return clean(value).replace("\\", "\\\\").replace('"', '\\"')
