"""Reports are read whatever kernel printed them and whatever a log, a mail or a programmer did to the lines."""

from __future__ import annotations

import json
import quopri
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from layouts import HOG, LAYOUTS, PROCS, SPARED, SWAPPED, WEB, Layout, memcg_report, report

from memtwin import oom
from memtwin.oom.faces.data import data
from memtwin.oom.faces.report import text
from memtwin.oom.read.marks import is_code
from memtwin.oom.why.analysis import analyses

MODERN = LAYOUTS[-2]
layouts = pytest.mark.parametrize("layout", LAYOUTS, ids=[layout.name for layout in LAYOUTS])


def whole(event: oom.OomEvent, layout: Layout) -> None:
    """Check that an event is the one of :func:`layouts.report`."""
    assert event.complete, event.missing
    assert event.kernel == layout.kernel
    assert event.constraint == "global"
    assert (event.trigger.name, event.trigger.pid, event.trigger.order) == (WEB.name, WEB.pid, 0)
    assert event.victim is not None
    assert (event.victim.pid, event.victim.name) == (HOG.pid, HOG.name)
    assert event.victim.sizes["anon-rss"] == HOG.rss * 4
    assert [(task.pid, task.name, task.rss, task.oom_score_adj) for task in event.tasks] == [
        (proc.pid, proc.name, proc.rss, proc.adj) for proc in PROCS
    ]
    assert [(zone.name, zone.fields["free"], zone.fields["min"], len(zone.blocks)) for zone in event.zones] == [
        ("DMA", 1960, 60, 11), ("DMA32", 6000, 6020, 11),
    ]  # fmt: skip
    assert event.zones[0].lowmem_reserve == (0, 480, 480, 480)
    assert (event.swap.total_kib, event.swap.free_kib) == (40_000, 0)
    assert (event.page_kib, event.page_size_from) == (4, "buddy lines")
    assert event.counts["free"] == 1990
    assert "do_anonymous_page" in event.trace
    assert "get_page_from_freelist" not in event.trace


@layouts
def test_each_layout_is_read_whole(layout: Layout) -> None:
    """Header, counters, zones, each column of the table, the kill."""
    [event] = oom.parse("\n".join(report(layout)))
    whole(event, layout)


@layouts
def test_page_tables_and_swap_come_from_the_columns(layout: Layout) -> None:
    """In bytes or in pages of one, two or three kinds, or not at all: None, never 0."""
    [event] = oom.parse("\n".join(report(layout, SWAPPED)))
    hog = event.tasks[-1]
    pages = hog.page_tables if hog.pgtables_bytes is None else hog.pgtables_bytes // 4096
    assert (pages, hog.swapents) == ((None, None) if layout.name == "2.6.32" else (HOG.tables, 5000))


PREFIXES = {
    "bare": lambda n: "",
    "dmesg": lambda n: f"[ 1234.{n:06d}] ",
    "dmesg -T": lambda n: "[Fri Sep 25 15:29:47 2020] ",
    "dmesg -x": lambda n: f"kern  :info  : [ 1234.{n:06d}] ",
    "dmesg iso": lambda n: "2024-02-03T04:05:06,123456+01:00 ",
    "dmesg delta": lambda n: f"[ 1234.{n:06d} <    0.000012>] ",
    "dmesg reltime": lambda n: "[  +0.000023] ",
    "level": lambda n: f"<4>[ 1234.{n:06d}] ",
    "caller": lambda n: f"[ 1234.{n:06d}][ T9068] ",
    "syslog": lambda n: "May  1 11:11:51 web-1 kernel: ",
    "syslog stamp": lambda n: f"May  1 11:11:51 web-1 kernel: [ 1234.{n:06d}] ",
    "syslog iso": lambda n: f"2023-10-12T19:00:20.879932+00:00 web-1 kernel: [ 1234.{n:06d}] ",
    "journal iso": lambda n: "2023-10-12T19:00:20+0000 web-1 kernel: ",
    "journal full": lambda n: "Thu 2023-10-12 19:00:20 UTC web-1 kernel: ",
    "journal unix": lambda n: "1697137220.347168 web-1 kernel: ",
    "journal mono": lambda n: f"[ 1234.{n:06d}] web-1 kernel: ",
    "kmsg": lambda n: f"4,{n},1234{n:06d},-;",
    "kmsg caller": lambda n: f"4,{n},1234{n:06d},c,caller=T17;",
    "quoted": lambda n: f"> > [ 1234.{n:06d}] ",
    "quoted bare": lambda n: "> ",
    "indented": lambda n: f"      [ 1234.{n:06d}] ",
    "grep": lambda n: f"/var/log/messages-20200101:{n}:May  1 11:11:51 web-1 kernel: ",
    "boxed": lambda n: f"[2024-02-03 04:05:06] [ 1234.{n:06d}] ",
    "rsyslog facility": lambda n: "Jan  1 00:00:00 web-1 kern.warn kernel: ",
    "unknown": lambda n: "console#3 says ",
}


@layouts
@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_are_taken_off(layout: Layout, prefix: str) -> None:
    """What loggers put before a line changes nothing."""
    lines = [PREFIXES[prefix](number) + line for number, line in enumerate(report(layout))]
    [event] = oom.parse("\r\n".join(lines))
    whole(event, layout)


def escaped(lines: list[str], newline: str) -> list[str]:
    """Return the lines with those below Mem-Info in one line, as loggers write a message of several."""
    start = next(number for number, line in enumerate(lines) if line.startswith("active_anon"))
    return [*lines[:start], newline.join(lines[start : start + 6]), *lines[start + 6 :]]


def dmesg_json(line: str) -> list[str]:
    """Return a message as dmesg --json has it."""
    return [
        "      {",
        '         "pri": 4,',
        '         "time":   36.123456,',
        f'         "msg": {json.dumps(line)}',
        "      },",
    ]


def json_pretty(line: str) -> list[str]:
    """Return a message as journalctl -o json-pretty has it."""
    entry = {
        "_TRANSPORT": "kernel",
        "PRIORITY": "4",
        "MESSAGE": line,
        "SYSLOG_IDENTIFIER": "kernel",
        "_BOOT_ID": "12ab",
    }
    return json.dumps(entry, indent=8).split("\n")


WRAPPINGS = {
    "rsyslog": lambda lines: [f"May  1 11:11:51 w kernel: {line}" for line in escaped(lines, "#012")],
    "kmsg escapes": lambda lines: [f"4,1,{n},-;{line}" for n, line in enumerate(escaped(lines, "\\x0a"))],
    "go": lambda lines: [f'\t\t"May  1 11:11:51 localhost kernel: [  1.5] {line}",' for line in lines],
    "go lines": lambda lines: [f'"[  1.5] {line}\\n" +' for line in lines],
    "one literal": lambda lines: ['const report = "' + "\\n".join(f"[  1.5] {line}" for line in lines) + '"'],
    "journal json": lambda lines: [
        json.dumps({"__REALTIME_TIMESTAMP": "1697137220347168", "SYSLOG_IDENTIFIER": "kernel", "MESSAGE": line})
        for line in lines
    ],
    "journal bytes": lambda lines: [json.dumps({"MESSAGE": [*line.encode()]}) for line in lines],
    "journal export": lambda lines: [part for line in lines for part in ("_TRANSPORT=kernel", f"MESSAGE={line}", "")],
    "dmesg json whole": lambda lines: [part for line in lines for part in dmesg_json(line)],
    "journal json-pretty": lambda lines: [part for line in lines for part in json_pretty(line)],
    "dmesg json": lambda lines: [f'         "msg": {json.dumps(line)}' for line in lines],
    "mail": lambda lines: [
        part for n, line in enumerate(lines) for part in wrap(f"[   36.{n:06d}] {line}", 72)
    ],
    "quoted-printable": lambda lines: quopri.encodestring(
        "\n".join(f"[   36.{n:06d}] {line}" for n, line in enumerate(lines)).encode()
    ).decode().split("\n"),
    "quoted mail": lambda lines: [
        part for n, line in enumerate(lines) for part in wrap(f"> [   36.{n:06d}] {line}", 76)
    ],
}  # fmt: skip


def wrap(line: str, width: int) -> list[str]:
    """Break a line at blanks, as a mailer does: the rest stands without prefix (or quoted as the first)."""
    quote = "> " if line.startswith("> ") else ""
    parts = []
    while len(line) > width and " " in line[30:width]:
        at = line.rindex(" ", 30, width)
        parts.append(line[:at])
        line = quote + line[at + 1 :]
    return [*parts, line]


@layouts
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_wrappings_are_undone(layout: Layout, wrapping: str) -> None:
    """Escaped newlines, string literals, JSON, exported journals and mail give the lines back."""
    [event] = oom.parse("\n".join(WRAPPINGS[wrapping](report(layout))))
    whole(event, layout)


def test_a_cgroup_has_its_limit_and_its_counters() -> None:
    """The block that stands in place of Mem-Info."""
    [event] = oom.parse("\n".join(memcg_report(MODERN)))
    assert event.complete, event.missing
    assert event.constraint == "memcg"
    assert event.memcg is not None
    assert (event.memcg.path, event.memcg.limit, event.memcg.swap_limit) == ("/system.slice/shop.service", 300_000, 0)
    assert event.memcg.stats["anon"] == 291_000 * 1024
    assert event.page_size_from == "victim"


@given(st.text(st.characters(min_codepoint=32, exclude_characters="\x7f\x85"), max_size=40), st.sampled_from(LAYOUTS))
def test_any_prefix_leaves_the_figures(prefix: str, layout: Layout) -> None:
    """A logger of one's own: whatever stands before each line, who died and the table are read.

    A conversion of printf makes it a line of source code, and no event.
    """
    assume(not is_code(f"{prefix} x"))
    [event] = oom.parse("\n".join(f"{prefix} {line}" for line in report(layout)))
    assert event.victim is not None
    assert (event.victim.pid, event.victim.name) == (HOG.pid, HOG.name)
    assert [(task.pid, task.name, task.rss, task.oom_score_adj) for task in event.tasks] == [
        (proc.pid, proc.name, proc.rss, proc.adj) for proc in PROCS
    ]
    assert [zone.fields["free"] for zone in event.zones] == [1960, 6000]
    assert (event.kernel, event.trigger.pid, event.swap.total_kib) == (layout.kernel, WEB.pid, 40_000)


NOISE = (
    "May  1 11:11:51 web-1 systemd[1]: shop.service: A process of this unit has been killed by the OOM killer.",
    "May  1 11:11:51 web-1 kubelet[99]: OOMKilling Memory cgroup out of memory: Killed process 5 (x) total-vm:9kB",
    "May  1 11:11:51 web-1 kernel: eth0: Link is Up - 1Gbps/Full",
    "May  1 11:11:51 web-1 kernel: audit: type=1400 apparmor=DENIED out of room",
    "May  1 11:11:51 web-1 kernel: oom_reaper: reaped process 99999 (other), now anon-rss:0kB, file-rss:0kB",
    "May  1 11:11:51 web-1 sshd[1]: Failed password for root from 10.0.0.1",
)


@given(st.data(), st.sampled_from(LAYOUTS))
def test_lines_of_others_in_between_change_nothing(draw: st.DataObject, layout: Layout) -> None:
    """Other programs and other cpus write while the report is printed."""
    lines = [f"May  1 11:11:51 web-1 kernel: {line}" for line in report(layout)]
    for _ in range(draw.draw(st.integers(0, 12))):
        lines.insert(draw.draw(st.integers(0, len(lines))), draw.draw(st.sampled_from(NOISE)))
    [event] = oom.parse("\n".join(lines))
    whole(event, layout)


@given(st.data(), st.sampled_from(LAYOUTS), st.sampled_from(("", "[  1.5] ")))
def test_a_lost_line_is_an_event_or_a_stated_gap(draw: st.DataObject, layout: Layout, stamp: str) -> None:
    """Without any one line the event is still there; without one that it needs it says what is missing."""
    lines = report(layout)
    lost = draw.draw(st.integers(0, len(lines) - 1))
    kept = [stamp + line for number, line in enumerate(lines) if number != lost]
    [event] = oom.parse("\n".join(kept))
    needed = ("invoked oom-killer", layout.columns, "Killed process", "pages RAM", layout.cpu[:4], f"{HOG.pid}] ")
    if any(part in lines[lost] for part in needed):
        assert event.missing
    check(oom.parse("\n".join(kept)))


@given(st.data(), st.sampled_from(LAYOUTS))
def test_a_text_that_is_cut_off_says_so(draw: st.DataObject, layout: Layout) -> None:
    """Cut at either end: an event that is not complete, or none if nothing of it is left."""
    lines = [f"[  1.5] {line}" for line in report(layout)]
    first = draw.draw(st.integers(0, len(lines) - 1))
    last = draw.draw(st.integers(first, len(lines)))
    events = oom.parse("\n".join(lines[first:last]))
    check(events)
    if first > 0 or last < len(lines) - 1:
        assert all(not event.complete for event in events)
    if last == len(lines):
        assert len(events) == 1
        assert events[0].victim is not None


def check(events: list[oom.OomEvent]) -> None:
    """Say and write everything of *events*: nothing may be raised."""
    for number, found in enumerate(analyses(events), 1):
        assert "\x1b" not in text(found, number, every=True)
        json.dumps(data(found), allow_nan=False)


@settings(max_examples=200)
@given(st.binary(max_size=400), st.binary(max_size=60), st.integers(0, 5000), st.sampled_from(LAYOUTS))
def test_no_bytes_are_too_much(octets: bytes, splice: bytes, at: int, layout: Layout) -> None:
    """Any bytes, alone and in the midst of a report."""
    check(oom.parse(octets.decode("utf-8", "surrogateescape")))
    body = "\n".join(report(layout)).encode()
    at %= len(body)
    check(oom.parse((body[:at] + splice + body[at:]).decode("utf-8", "surrogateescape")))


@settings(max_examples=200)
@given(st.data(), st.sampled_from(LAYOUTS))
def test_numbers_may_be_anything(draw: st.DataObject, layout: Layout) -> None:
    """Figures that no machine can have: huge, absent, or with a sign."""
    lines = report(layout) if draw.draw(st.booleans()) else memcg_report(layout)
    number = draw.draw(st.integers(0, len(lines) - 1))
    words = lines[number].split(" ")
    place = draw.draw(st.integers(0, len(words) - 1))
    words[place] = draw.draw(
        st.sampled_from(("", "0", "-1", "9" * 19, "9" * 400, "nan", "0kB", "x:" + "9" * 18 + "kB"))
    )
    lines[number] = " ".join(words)
    check(oom.parse("\n".join(lines)))


def test_a_hostile_name_stays_text() -> None:
    """A process that calls itself a kill, an escape sequence or a right-to-left mark."""
    for name in ("\x1b[31mred", "a\u202eb", ") score 9 or", "x,pid=1,uid=0", "[    1]  0"):
        evil = HOG._replace(name=name)
        lines = [f"[  1.5] {line}" for line in report(MODERN, (*PROCS[:-1], evil), victim=evil)]
        events = oom.parse("\n".join(lines))
        check(events)
        assert len(events) == 1
        assert events[0].victim is not None
        assert events[0].victim.pid == HOG.pid
        shown = text(next(analyses(events)), 1)
        assert "\x1b" not in shown
        assert "\u202e" not in shown


def test_several_events_are_told_apart() -> None:
    """One after the other, the second without its header, and the reaper's line of the first within the second."""
    first, second = report(MODERN), report(MODERN, victim=WEB)
    reaped = f"oom_reaper: reaped process {HOG.pid} ({HOG.name}), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB"
    lines = [*first, *second[:8], reaped, *second[8:]]
    events = oom.parse("\n".join(f"[  1.5] {line}" for line in lines))
    assert [event.victim.pid for event in events if event.victim] == [HOG.pid, WEB.pid]
    assert [len(event.reaped) for event in events] == [1, 0]
    assert events[1].killed_before == (HOG.pid,)


def test_a_page_allocation_failure_is_no_event() -> None:
    """It has a Mem-Info of its own, which belongs to no report."""
    dump = report(MODERN)[4:30]
    assert oom.parse("\n".join(["java: page allocation failure: order:4, mode:0x40cc0", *dump])) == []
    [event] = oom.parse("\n".join([*report(MODERN), "java: page allocation failure: order:4, mode:0x40cc0", *dump]))
    whole(event, MODERN)


def test_nobody_left_to_kill_and_panic_are_outcomes() -> None:
    """A report without a victim is whole when it says why."""
    lines = report(MODERN, (SPARED,))[:-2]
    [event] = oom.parse("\n".join([*lines, "Out of memory and no killable processes...",
                                   "Kernel panic - not syncing: System is deadlocked on memory"]))  # fmt: skip
    assert (event.outcome, event.victim, event.complete) == ("no victim", None, True)
    panic = "Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled"
    [event] = oom.parse("\n".join([*lines, panic]))
    assert (event.outcome, event.complete) == ("panic", True)


def test_a_group_that_dies_together_is_one_event() -> None:
    """memory.oom.group: the lines that follow are no events of their own."""
    lines = memcg_report(MODERN)
    more = [
        "Tasks in /system.slice/shop.service are going to be killed due to memory.oom.group set",
        f"Memory cgroup out of memory: Killed process {WEB.pid} ({WEB.name}) total-vm:36kB, anon-rss:8kB, file-rss:0kB",
    ]
    [event] = oom.parse("\n".join([*lines, *more]))
    assert event.victim is not None
    assert event.victim.pid == HOG.pid
    assert [kill.pid for kill in event.also_killed] == [WEB.pid]


def seconds(lines: list[str]) -> float:
    """Return how long it takes to read *lines*."""
    begin = time.process_time()
    for _ in oom.events(lines):
        pass
    return time.process_time() - begin


@pytest.mark.parametrize(
    "line",
    [
        "[  1.5] " + "[" * 5000,
        "[  1.5] Killed process 1 (" * 300,
        "[  1.5] oom-kill:constraint=A" + ",cpuset=a,mems_allowed=0,oom_memcg=/,task_memcg=/" * 200,
        "a",
        "[  1.5] Node 0 DMA free:1kB" + " min:1kB" * 900,
        "kill process 1 (" * 900,
        "Memory cgroup stats for /" + "a" * 9000,
        '{"MESSAGE":[' + "1," * 4000,
        "> " * 4000,
        "CPU: 1 PID: 1 Comm: " * 400,
    ],
    ids=range(10),
)
def test_time_is_linear_whatever_the_lines(line: str) -> None:
    """Four times as many lines, after the head of a report, take about four times as long."""
    head = ["[  1.5] a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"]
    short = max(min(seconds([*head, *[line] * 100]) for _ in range(3)), 0.002)
    assert seconds([*head, *[line] * 400]) < short * 16 + 0.2


def test_a_long_journal_is_skimmed() -> None:
    """20 MB of others' lines with a report in their midst: a second, not a minute."""
    noise = [NOISE[number % 4 + number % 2] for number in range(100_000)]
    lines = [*noise, *(f"May  1 11:11:51 web-1 kernel: {line}" for line in report(MODERN)), *noise]
    begin = time.process_time()
    found = [event.victim.pid for event in oom.events(lines) if event.victim]
    assert found == [HOG.pid]
    assert time.process_time() - begin < 5
