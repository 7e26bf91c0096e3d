"""Reports of the OOM killer in a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.oom.faces.report import text as report
from memtwin.oom.read.parse import parse
from memtwin.oom.why.analysis import analyses

if TYPE_CHECKING:
    from memtwin.oom import OomEvent


def oom_events(text: str) -> list[OomEvent]:
    r"""Return every report of the OOM killer in *text*: dmesg, a journal, a mail, anything with a kernel log.

    An event holds what the report says, and None where it says nothing. Sizes are in pages where the kernel prints
    pages, in kB where it prints kB.

    >>> import memtwin
    >>> killed = "Out of memory: Killed process 4242 (hog) total-vm:9kB, anon-rss:8kB, file-rss:0kB, shmem-rss:0kB\n"
    >>> [event] = memtwin.oom_events(killed)
    >>> event.victim.name, event.victim.pid, event.outcome
    ('hog', 4242, 'killed')
    >>> memtwin.oom_events("all is well")
    []
    """
    return parse(text)


def explain_oom(text: str) -> list[str]:
    r"""Return the post-mortem of each report in *text*, as ``memtwin oom`` prints it: who died, why, and what helps.

    >>> import memtwin
    >>> killed = "Out of memory: Killed process 4242 (hog) total-vm:9kB, anon-rss:8kB, file-rss:0kB, shmem-rss:0kB\n"
    >>> "hog" in memtwin.explain_oom(killed)[0]
    True
    """
    return [report(found, number) for number, found in enumerate(analyses(parse(text)), 1)]
