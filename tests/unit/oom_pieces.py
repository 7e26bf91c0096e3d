"""Pieces of logs as people paste them, written for these tests: each kind with what must, and must not, come of it.

The names and figures are made up; the forms are those of the programs, exports and forums that are named.
"""

from __future__ import annotations

import csv
import io
import json
from html import escape
from typing import NamedTuple

from layouts import HOG, LAYOUTS, memcg_report, report

MODERN, OLD = LAYOUTS[-2], LAYOUTS[1]
POD = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod00aa11bb_22cc_33dd_44ee_55ff66778899.slice"
SIZES = "total-vm:9000kB, anon-rss:8000kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:60kB oom_score_adj:0"


class Piece(NamedTuple):
    """*events*: victim, pid and constraint of each; *deaths*: who killed, who died and the event, of programs' lines."""

    kind: str
    name: str
    text: str
    events: tuple[tuple[str | None, int | None, str], ...] = ()
    deaths: tuple[tuple[str, str, int | None], ...] = ()
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


def stamped(lines: list[str], start: float = 5123.1) -> list[str]:
    """Lines of dmesg."""
    return [f"[{start + number / 1e6:12.6f}] {line}" for number, line in enumerate(lines)]


def syslog(lines: list[str], at: str = "Mar 14 02:11:05", host: str = "n1") -> list[str]:
    """Lines of a syslog file."""
    return [f"{at} {host} kernel: {line}" for line in lines]


def folded(lines: list[str], width: int, *, stripped: bool = False) -> str:
    """Lines broken at a column, as a terminal does; *stripped*: a forum took the blanks at their ends off."""
    parts = [line[at : at + width] for line in lines for at in range(0, max(len(line), 1), width)]
    return "\n".join(part.rstrip() if stripped else part for part in parts)


def tables(rows: list[list[str]], **how: object) -> str:
    """Rows as CSV."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n", **how).writerows(rows)  # type: ignore[arg-type]
    return file.getvalue()


DEEP = [line.replace("/system.slice/shop.service", POD) for line in memcg_report(MODERN)]
CGROUP, MACHINE = stamped(DEEP), stamped(report(MODERN))
JAVA, JAVA_GLOBAL = ((HOG.name, HOG.pid, "memcg"),), ((HOG.name, HOG.pid, "global"),)
WHOLE = ("java (777) was killed: cgroup",)
ISO = "2026-03-14T02:11:05"
KILL = f"Out of memory: Killed process 4242 (worker) {SIZES}"
CONSTRAINT = (
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=app.scope,mems_allowed=0,oom_memcg=/pod{n},"
    "task_memcg=/pod{n}/app.scope,task={name},pid={pid},uid=1000"
)
ID = "feedface0123feedface4567feedface89abfeedfacecdeffeedface01234567"[:64]


def lines(*found: str) -> str:
    return "\n".join(found)


_WRAPPED = (*(
    Piece("wrapped at a column", f"{width} columns, {how}", folded(source, width, stripped=how == "stripped"), JAVA, (), WHOLE)
    for width in (80, 100, 120, 132)
    for how, source in (("dmesg", CGROUP), ("stripped", CGROUP), ("syslog", syslog(DEEP)))
),
    Piece("wrapped at a column", "the machine's, 80 columns", folded(MACHINE, 80), JAVA_GLOBAL, (),
          ("java (777) was killed: the machine",)),
    Piece("wrapped at a column", "no time stamps, 100 columns", folded(report(MODERN), 100), JAVA_GLOBAL),
    Piece("wrapped at a column", "in a quoted mail", lines(*("> " + part for part in folded(CGROUP, 78).split("\n"))), JAVA),
    Piece("wrapped at a column", "one kill line", folded(stamped([f"Memory cgroup out of memory: Killed process 41210 (worker) {SIZES}"]), 80),
          (("worker", 41210, "memcg"),)),
    Piece("wrapped at a column", "the line of the constraint alone", folded(stamped([CONSTRAINT.format(n=1, name="worker", pid=41210)]), 80),
          (("worker", 41210, "memcg"),), (), ("cgroup /pod1 was out of memory",)),
)  # fmt: skip
_EXPORTS = (
    Piece("CSV", "time and quoted message", tables([["timestamp", "message"], *([f"17734542650{n % 100:02d}", line] for n, line in enumerate(CGROUP))], quoting=csv.QUOTE_NONNUMERIC), JAVA),
    Piece("CSV", "message first, then host and level", tables([[line, "n1", "warning"] for line in CGROUP], quoting=csv.QUOTE_ALL), JAVA),
    Piece("CSV", "labels, time, line, ns, id", tables([['{"app":"kernel"}', "1773454265000", line, "1773454265000000000", "x1"] for line in CGROUP], quoting=csv.QUOTE_ALL), JAVA),
    Piece("CSV", "semicolons", tables([[f"{ISO}Z", line] for line in CGROUP], delimiter=";", quoting=csv.QUOTE_ALL), JAVA),
    Piece("CSV", "tabs, no quotation marks", lines(*(f"1773454265000\t{line}" for line in CGROUP)), JAVA),
    Piece("JSON", "one object a line", lines(*(json.dumps({"timestamp": f"{ISO}Z", "host": "n1", "message": line}) for line in CGROUP)), JAVA),
    Piece("JSON", "docker's log file", lines(*(json.dumps({"log": line + "\n", "stream": "stdout", "time": f"{ISO}Z"}) for line in CGROUP)), JAVA),
    Piece("JSON", "one array in one line", json.dumps([{"ts": 1, "msg": line} for line in CGROUP]), JAVA),
    Piece("JSON", "Loki's values", json.dumps({"values": [["1773454265000000000", line] for line in CGROUP]}), JAVA),
    Piece("newest first", "Loki's answer", json.dumps({"data": [{"values": [["1773454265000000000", line] for line in CGROUP[::-1]]}]}), JAVA, (), WHOLE),
    Piece("newest first", "CSV of a log service", tables([["1773454265000", line] for line in CGROUP[::-1]], quoting=csv.QUOTE_ALL), JAVA, (), WHOLE),
    Piece("YAML", "a CI system's log", lines(*(f"- {{dt: {ISO}.123456, lvl: target, msg: '{line}'}}" for line in CGROUP)), JAVA),
    Piece("YAML", "quoted messages", lines(*(f"    msg: '{line}'" for line in CGROUP)), JAVA),
    Piece("HTML", "br at the ends", "<p>" + "<br>\n".join(escape(line) for line in CGROUP) + "</p>", JAVA, (), WHOLE, ("<br",)),
    Piece("HTML", "one line", "<pre>" + "<br/>".join(escape(line) for line in CGROUP) + "</pre>\n<p>thanks</p>", JAVA),
    Piece("HTML", "a table", lines("<table>", *(f"<tr><td>{n}</td><td><code>{escape(line)}</code></td></tr>" for n, line in enumerate(CGROUP))), JAVA),
    Piece("newest first", "journalctl -r", lines(*syslog(DEEP)[::-1]), JAVA, (), WHOLE, ("was killed before",)),
    Piece("newest first", "dmesg", lines(*CGROUP[::-1]), JAVA, (), WHOLE),
    Piece("newest first", "kill lines alone", lines(*(f"Mar 14 0{h}:11:05 n1 kernel: Out of memory: Killed process {h} (job{h}) {SIZES}" for h in (5, 4, 2))),
          (("job2", 2, "global"), ("job4", 4, "global"), ("job5", 5, "global"))),
)  # fmt: skip
_STAMPS = tuple(
    Piece("time stamps", name, lines(*(prefix + line for line in DEEP), after), JAVA, ((by, "web.service", event),))
    for name, prefix, after, by, event in (
        ("Talos", "n1: kern: warning: [2026-03-14T02:11:05.0Z]: ", "2026-03-14T02:30:00Z n1 systemd[1]: web.service: Main process exited, code=killed, status=9/KILL", "unknown", None),
        ("logread", "Sat Mar 14 02:11:05 2026 kern.warn kernel: [ 5123.1] ", "Sat Mar 14 02:30:00 2026 daemon.info systemd[1]: web.service: Main process exited, code=killed, status=9/KILL", "unknown", None),
        ("RFC 5424", "<4>1 2026-03-14T02:11:05.1Z n1 kernel - - - [ 5123.1] ", "<30>1 2026-03-14T02:30:05.1Z n1 systemd 1 - - web.service: Main process exited, code=killed, status=9/KILL", "unknown", None),
        ("French", "mars 14 02:11:05 n1 kernel: ", "mars 14 02:30:05 n1 systemd[1]: web.service: Main process exited, code=killed, status=9/KILL", "unknown", None),
        ("Russian", "мар 14 02:11:05 n1 kernel: ", "мар 14 02:30:05 n1 systemd[1]: web.service: Main process exited, code=killed, status=9/KILL", "unknown", None),
        ("Japanese", "3月 14 02:11:05 n1 kernel: ", "3月 14 02:30:05 n1 systemd[1]: web.service: Main process exited, code=killed, status=9/KILL", "unknown", None),
        ("docker compose", "logs-1  | Mar 14 02:11:05 n1 kernel: ", "logs-1  | Mar 14 02:30:05 n1 systemd[1]: web.service: Main process exited, code=killed, status=9/KILL", "unknown", None),
        ("kubectl", "[pod/logs-x/log] 2026-03-14T02:11:05.1Z [ 5123.1] ", "[pod/logs-x/log] 2026-03-14T02:30:05.1Z n1 systemd[1]: web.service: Main process exited, code=killed, status=9/KILL", "unknown", None),
        ("Kubernetes' files", "2026-03-14T02:11:05.1Z stdout F [ 5123.1] ", "2026-03-14T02:30:05.1Z stdout F n1 systemd[1]: web.service: Main process exited, code=killed, status=9/KILL", "unknown", None),
        ("a CI system's clock", "2026-03-14T02:11:05.1234567Z [ 5123.1] ", "2026-03-14T02:30:05.1234567Z systemd[1]: web.service: Main process exited, code=killed, status=9/KILL", "unknown", None),
        ("vmware.log", "2026-03-14T02:11:05.1Z In(05) vcpu-5 - Guest: <6>[ 5123.1] ", "2026-03-14T02:30:05.1Z In(05) vcpu-5 - Guest: <6>[ 6123.1] systemd[1]: web.service: Main process exited, code=killed, status=9/KILL", "unknown", None),
    )
)  # fmt: skip
_PARTS = (
    Piece("head cut off", "rows, constraint, kill", lines(*MACHINE[-4:]), JAVA_GLOBAL, (), ("java has the most points",), ("not in the text: task table",)),
    Piece("head cut off", "from the zones on", lines(*MACHINE[20:]), JAVA_GLOBAL),
    Piece("head cut off", "from the cgroup's figures on", lines(*CGROUP[9:]), JAVA, (), ("300,000 kB were charged",)),
    Piece("both ends cut off", "the cgroup's figures alone", lines(*CGROUP[9:14]), ((None, None, "memcg"),), (), ("who was killed is not in the text",)),
    Piece("both ends cut off", "the table alone", lines(*CGROUP[-8:-4]), ((None, None, "unknown"),)),
    Piece("both ends cut off", "Mem-Info alone", lines(*MACHINE[9:-8]), ((None, None, "global"),), (), ("possibly an OOM event",)),
    Piece("tail cut off", "after the constraint", lines(*CGROUP[:-1]), JAVA, (), ("java (777) was chosen to be killed", "kill line")),
    Piece("tail cut off", "after the header", CGROUP[0], ((None, None, "unknown"),)),
    Piece("two reports without headers", "each has its own figures",
          lines(*stamped(["[    107]     0   107     2982     2592    61440        0             0 tail",
                          CONSTRAINT.format(n=1, name="tail", pid=107), f"Memory cgroup out of memory: Killed process 107 (tail) {SIZES}"]),
                *stamped(["memory: usage 20480kB, limit 20480kB, failcnt 116", "Memory cgroup stats for /pod2:", "anon 19433088",
                          "[    300]     0   300     6982     5000    61440        0             0 hog",
                          CONSTRAINT.format(n=2, name="hog", pid=300), f"Memory cgroup out of memory: Killed process 300 (hog) {SIZES}"], 5130.0)),
          (("tail", 107, "memcg"), ("hog", 300, "memcg")), (), ("cgroup /pod1 was out of memory", "cgroup /pod2 had reached its limit of 20 MiB")),
    Piece("the constraint's line", "alone", stamped([CONSTRAINT.format(n=1, name="worker", pid=41210)])[0], (("worker", 41210, "memcg"),), (), ("worker (41210) was chosen", "uid 1000")),
    Piece("the constraint's line", "a name with commas", stamped([CONSTRAINT.format(n=1, name="a,pid=1,uid=0", pid=77)])[0], (("a,pid=1,uid=0", 77, "memcg"),)),
    Piece("the constraint's line", "cut off by a pager", stamped(["oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/user.sli>"])[0],
          ((None, None, "global"),), (), (), ("user.sli",)),
    Piece("separate kills", "grep oom-kill", lines(*(f"Mar 14 0{n}:11:05 n1 kernel: " + CONSTRAINT.format(n=n, name=name, pid=100 + n) for n, name in ((2, "node"), (4, "java"), (5, "php")))),
          (("node", 102, "memcg"), ("java", 104, "memcg"), ("php", 105, "memcg"))),
    Piece("separate kills", "grep Killed", lines(*(f"Mar 14 02:1{n}:57 n1 kernel: Killed process 79{n} (node), UID 1000, total-vm:6kB, anon-rss:6kB, file-rss:1kB" for n in range(3))),
          tuple(("node", 790 + n, "unknown") for n in range(3))),
    Piece("separate kills", "chosen only, before 5.1", lines("Mar 14 02:11:05 n1 kernel: Out of memory: Kill process 456 (python) score 50 or sacrifice child",
          "Mar 14 04:30:00 n1 kernel: Out of memory: Kill process 789 (java) score 90 or sacrifice child"), (("python", 456, "global"), ("java", 789, "global")), (), ("it or a child of it was killed",)),
    Piece("short kill line", "then a fence", lines("```", *stamped(["Out of memory: Killed process 13432 (hog)"]), "```"), (("hog", 13432, "global"),)),
    Piece("short kill line", "then a prompt", lines(*stamped(["Out of memory: Killed process 13432 (hog)"]), "root@n1:~# free -m"), (("hog", 13432, "global"),)),
    Piece("short kill line", "then a sentence", lines(*stamped(["Out of memory: Killed process 13432 (hog)"]), "and then the machine came back"), (("hog", 13432, "global"),)),
)  # fmt: skip
_OUTCOMES = (
    Piece("nobody and panic", "header and no killable processes", lines(CGROUP[0], *stamped(["Out of memory and no killable processes..."], 5124.0)), ((None, None, "unknown"),), (), ("No process could be killed",), ("panicked",)),
    Piece("nobody and panic", "deadlocked", lines(CGROUP[0], *stamped(["Out of memory and no killable processes...", "Kernel panic - not syncing: System is deadlocked on memory"], 5124.0)), ((None, None, "global"),), (), ("the kernel panicked",)),
    Piece("nobody and panic", "panic_on_oom without header", lines(*stamped(["Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled", "CPU: 1 PID: 243 Comm: kworker/1:2 Not tainted 6.1.0-20-amd64 #1"])), ((None, None, "global"),), (), ("kernel 6.1.0-20-amd64", "The kernel panicked")),
    Piece("a child in its parent's place", "bash and cp", lines(*stamped([
        "cp invoked oom-killer: gfp_mask=0x6000c0(GFP_KERNEL), nodemask=(null), order=0, oom_score_adj=-998", "Task in /p killed as a result of limit of /p",
        "memory: usage 524288kB, limit 524288kB, failcnt 0", "memory+swap: usage 524288kB, limit 524288kB, failcnt 38",
        "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name", "[  62685]     0 62685     2925      679    65536        0          -998 bash",
        "[  62769]     0 62769     4382      411    77824        0          -998 cp", "Memory cgroup out of memory: Kill process 62685 (bash) score 0 or sacrifice child",
        "Killed process 62769 (cp) total-vm:17528kB, anon-rss:120kB, file-rss:1524kB, shmem-rss:0kB"])), (("cp", 62769, "memcg"),), (),
        ("bash (62685) was chosen: 1 point", "In its place died a child of it, cp (62769)"), ("Next was cp", "cp (62769) would have died instead")),
    Piece("rows with a negative uid", "nfsnobody", lines(*(line.replace("] 1000   777", "]   -2   777") .replace("]  1000   777", "]    -2   777") for line in MACHINE)), JAVA_GLOBAL, (), ("java has the most points",), ("row of the victim",)),
    Piece("a decoded stack", "decode_stacktrace.sh", lines(CGROUP[0], *stamped(["CPU: 1 PID: 7 Comm: java Not tainted 6.1.0 #1", "Call Trace:", " dump_header (mm/oom_kill.c:462)", " mem_cgroup_out_of_memory (mm/memcontrol.c:1601)", KILL.replace("Out of", "Memory cgroup out of")])), (("worker", 4242, "memcg"),)),
    Piece("swap accounting is off", "memory+swap 0", lines(*stamped(["Task in /m killed as a result of limit of /m", "memory: usage 102400kB, limit 102400kB, failcnt 1",
        "memory+swap: usage 0kB, limit 9007199254740988kB, failcnt 0", f"Memory cgroup out of memory: Killed process 9 (x) {SIZES}"])), (("x", 9, "memcg"),), (), ("swap accounting is off",), ("nothing in swap",)),
    Piece("a name with a colon", "runc", stamped([f"runc:[2:INIT] invoked oom-killer: {MODERN.mask}"])[0], ((None, None, "unknown"),), (), ("runc:[2:INIT]",)),
    Piece("a name with a colon", "runc, no stamp", f"runc:[2:INIT] invoked oom-killer: {MODERN.mask}", ((None, None, "unknown"),), (), ("runc:[2:INIT]",)),
)  # fmt: skip
_CONTROLS = tuple(
    Piece("must stay empty", name, text)
    for name, text in (
        (
            "a patch",
            '-\tpr_warn("%s invoked oom-killer: gfp_mask=%#x(%pGg), order=%d, oom_score_adj=%hd\\n",\n+\tpr_info("oom-kill:constraint=%s,nodemask=%*pbl",\n',
        ),
        (
            "source code",
            '\t\tpr_warn("Out of memory and no killable processes...\\n");\n\tpanic("System is deadlocked on memory\\n");',
        ),
        (
            "a pattern",
            '  "pattern": "Killed process \\\\d+ (.+) total-vm:\\\\d+kB, anon-rss:\\\\d+kB, file-rss:\\\\d+kB.*"',
        ),
        ("a heading", "# mkfs -t ext4 invoked oom-killer on an i386 kernel"),
        ("a sentence", "I saw that mkfs.ext4 invoked oom-killer. Any idea?\n( invoked oom-killer is gone now)"),
        (
            "two lines of a sentence",
            'once it said "Out of\nmemory: Killed process 167....." while it was shutting down.',
        ),
        ("a command", "dmesg | grep -i 'killed process 4242 (java)'"),
        ("rows, not codes", "the query returned 137 rows in 12 ms; 137 of them were new; port 137 is open"),
        ("sizes, not codes", "exit code 0, rss 137 MiB; status: 1370; exit code: 13"),
        ("a failed allocation", lines("[ 1.0] java: page allocation failure: order:4, mode:0x40cc0", *MACHINE[9:-8])),
        ("SysRq+m", lines("[ 1.0] sysrq: Show Memory", *MACHINE[9:-8])),
        (
            "a heap of its own",
            "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\njava.lang.OutOfMemoryError: Java heap space",
        ),
        ("a rule of an alert", 'expr: kube_pod_container_status_last_terminated_reason{reason="Error"} == 1'),
    )
)
_NOT = (
    Piece(
        "values beside the word",
        "OOMKilled false",
        '        "OOMKilled": false,\n        "ExitCode": 137,\n',
        (),
        (("unknown", "a process", None), ("unknown", "a process", None)),
        ("the runtime says that it was not OOM-killed",),
        ("OOM-killed in it",),
    ),
    Piece(
        "values beside the word",
        "OOMKilled true",
        '        "OOMKilled": true,\n        "ExitCode": 137,\n',
        (),
        (("kernel", "a process", None), ("kernel", "a process", None)),
    ),
    Piece(
        "values beside the word",
        "oom_killed=false",
        "task=web oom_killed=false exit_code=0",
        (),
        (("unknown", "a process", None),),
    ),
)


def _deaths(kind: str, name: str, text: str, *found: tuple[str, str, int | None], says: tuple[str, ...] = ()) -> Piece:
    return Piece(kind, name, text, (), found, says)


AT = "Mar 14 02:11:05 n1"
_WITNESSES = (
    _deaths("the OOM killer, say others", "kubectl describe", "    Last State:     Terminated\n      Reason:       OOMKilled\n      Exit Code:    137", ("kernel", "a process", None), ("kernel", "a process", None), says=("its report is not in this text",)),
    _deaths("the OOM killer, say others", "kubectl get pods", "NAME    READY   STATUS      RESTARTS   AGE\nweb-1   0/1     OOMKilled   3          10m", ("kernel", "web-1", None)),
    _deaths("the OOM killer, say others", "kubelet's events", "  Warning  SystemOOM  17m   kubelet, n1  System OOM encountered, victim process: java, pid: 4242\n  Warning  CgroupOOM  28s   kubelet  Cgroup OOM encountered, victim process: stress, pid: 4343", ("kernel", "java", None), ("kernel", "stress", None)),
    _deaths("the OOM killer, say others", "cAdvisor", f'{AT} kubelet[900]: I0314 02:11:05.857758     900 manager.go:1126] Created an OOM event in container "/kubepods/pod1" at 2026-03-14 02:11:05 +0000 UTC', ("kernel", "/kubepods/pod1", None)),
    _deaths("the OOM killer, say others", "containerd", f'{AT} containerd[7]: time="{ISO}Z" level=info msg="TaskOOM event container_id:\\"{ID}\\""', ("kernel", f"container {ID[:12]}", None)),
    _deaths("the OOM killer, say others", "docker events", f"{ISO}.1Z container oom {ID} (image=shop, name=web)", ("kernel", "web", None)),
    _deaths("the OOM killer, say others", "Slurm", "slurmstepd: error: Detected 1 oom_kill event in StepId=4405.0. Some of the step tasks have been OOM Killed.", ("kernel", "StepId=4405.0", None)),
    _deaths("the OOM killer, say others", "Slurm, older", "slurmstepd: error: Detected 2 oom-kill event(s) in step 37.batch cgroup.\nsrun: error: n[1-3]: tasks 1-3: Out Of Memory", ("kernel", "step 37.batch", None), ("kernel", "n[1-3]: tasks 1-3", None)),
    _deaths("the OOM killer, say others", "sacct", "4405.batch      batch            default          1 OUT_OF_ME+    0:125", ("kernel", "4405.batch", None)),
    _deaths("the OOM killer, say others", "Nomad", '2026-03-14T02:11:05Z  Terminated  Exit Code: 137, Exit Message: "OOM Killed"', ("kernel", "a process", None)),
    _deaths("systemd's words", "258", f"{AT} systemd[1]: api.service: The kernel OOM killer killed some processes in this unit.\n{AT} systemd[1]: api.service: Main process exited, code=killed, status=9/KILL\n{AT} systemd[1]: api.service: Failed with result 'oom-kill'.", *[("kernel", "api.service", None)] * 3),
    _deaths("systemd's words", "cleaning up", f"{AT} systemd[1]: api.service: A process of this unit has been killed by the OOM killer.\n{AT} systemd[1]: api.service: Killing process 4242 (helper) with signal SIGKILL.\n{AT} systemd[1]: api.service: Failed with result 'oom-kill'.", ("kernel", "api.service", None), ("systemd", "api.service", None), ("kernel", "api.service", None)),
    _deaths("systemd's words", "a stop that took too long", f"{AT} systemd[1]: db.service: State 'stop-sigterm' timed out. Killing.\n{AT} systemd[1]: db.service: Killing process 77 (mysqld) with signal SIGKILL.\n{AT} systemd[1]: db.service: Main process exited, code=killed, status=9/KILL", *[("systemd", "db.service", None)] * 3),
    _deaths("systemd-oomd", "on the console", "[   77.749670] systemd-oomd[659]: Marked /system.slice/app.service for killing due to memory pressure for /system.slice being 85.03% > 80.00% for > 2s with reclaim activity\n[   77.752252] systemd[1]: app.service: systemd-oomd killed 1 process(es) in this unit.\n[   77.752293] systemd[1]: app.service: Main process exited, code=killed, status=9/KILL", ("systemd-oomd", "/system.slice/app.service", None), ("systemd-oomd", "app.service", None), ("systemd-oomd", "app.service", None)),
    _deaths("systemd-oomd", "with the result oom-kill", f"{AT} systemd-oomd[8]: Killed /user.slice/a.scope due to memory pressure for /user.slice being 62.07% > 50.00% for > 20s with reclaim activity\n{AT} systemd[9]: a.scope: Failed with result 'oom-kill'.", ("systemd-oomd", "/user.slice/a.scope", None), ("systemd-oomd", "a.scope", None)),
    _deaths("systemd-oomd", "cut off", f"{AT} systemd-oomd[8]: Killed /user.slice/a.scope due to memory pressure for /user.slice being 62>", ("systemd-oomd", "/user.slice/a.scope", None)),
    _deaths("systemd-oomd", "an attempt", f"{AT} systemd-oomd[8]: Rule 'low' conditions met for cgroup /user.slice/app.slice (lasting 1s), taking action kill-by-swap", ("systemd-oomd", "/user.slice/app.slice", None), says=("does not say that it killed",)),
    _deaths("earlyoom", "1.1", "Killing process 'bash' with signal 15, pid: 5874, badness: 538, VmRSS: 3160 MiB", ("earlyoom", "bash", None)),
    _deaths("earlyoom", "1.2", 'killing process 27541 "bash" with signal 15: badness 550, VmRSS 7609 MiB', ("earlyoom", "bash", None)),
    _deaths("earlyoom", "1.8", f'{AT} earlyoom[4]: sending SIGTERM to process 9994 uid 1000 "firefox": oom_score 900, oom_score_adj 0, VmRSS 4568 MiB', ("earlyoom", "firefox", None)),
    _deaths("nohang", "a command", "Process with highest badness (found in 6 ms):\n  PID: 12297, Name: tail, badness: 727\nImplement a corrective action:\n  Run the command: kill -TERM 12297", ("nohang", "tail", None)),
    _deaths("Meta's oomd", "its kernel message", "[ 99.1] oomd kill: 61.34 20.00 5.67 workload.slice/foo.service 123456789 ruleset:[protection] detectorgroup:[memory pressure] killer:kill_by_pressure v0", ("oomd", "workload.slice/foo.service", None)),
    _deaths("Android", "lmkd", "03-14 02:11:05.342   710   710 I lowmemorykiller: Kill 'com.example.app' (17933), uid 10446, oom_score_adj 900 to free 140528kB rss, 37404kB swap; reason: low watermark is breached", ("lmkd", "com.example.app", None)),
    _deaths("Android", "the kernel's", "[52794.911008] lowmemorykiller: Killing 'com.example.app' (17589), adj 904,\n[52794.911008] to free 53160kB on behalf of 'kswapd0' (65) because", ("Android's lowmemorykiller", "com.example.app", None)),
    _deaths("Talos", "its controller", 'user: warning: [2026-03-14T02:11:05.9Z]: [talos] Sending SIGKILL to cgroup {"component": "controller-runtime", "controller": "runtime.OOMController", "cgroup": "/sys/fs/cgroup/kubepods/besteffort/pod1"}', ("Talos", "/sys/fs/cgroup/kubepods/besteffort/pod1", None)),
    _deaths("kubelet evicts", "memory", f"{AT} kubelet[2]: Evicted: The node was low on resource: memory. Threshold quantity: 250Mi", ("kubelet", "a process", None)),
    _deaths("kubelet evicts", "disk", f"{AT} kubelet[2]: Evicted: The node was low on resource: ephemeral-storage. Container web was using 9Gi", ("kubelet", "a process", None), says=("for lack of disk: memory had no part in it",)),
    _deaths("kubelet evicts", "a probe", f"{AT} kubelet[2]: Container web failed liveness probe, will be restarted", ("kubelet", "web", None)),
    _deaths("nobody says who", "PostgreSQL", "2026-03-14 02:11:05.1 UTC [1] LOG:  server process (PID 315) was terminated by signal 9: Killed", ("unknown", "server process", None), says=("does not say who sent it",)),
    _deaths("nobody says who", "a shell", "run.sh: line 5: 12345 Killed                  ./prog --all", ("unknown", "./prog", None)),
    _deaths("nobody says who", "a compiler", "c++: fatal error: Killed signal terminated program cc1plus", ("unknown", "cc1plus", None)),
    _deaths("nobody says who", "docker compose", "web-1 exited with code 137", ("unknown", "web-1", None)),
)  # fmt: skip
_JOINED = (
    Piece("joined with the kernel's", "systemd in the same second", lines(f"{AT} kernel: {KILL}", f"{AT} systemd[1]: job.service: A process of this unit has been killed by the OOM killer.",
          f"{AT} systemd[1]: job.service: Main process exited, code=killed, status=9/KILL", "Mar 14 02:11:09 n1 dockerd[700]: container 0a1b exited with code 137",
          "Mar 14 02:20:00 n1 systemd[1]: other.service: Main process exited, code=killed, status=9/KILL"), (("worker", 4242, "global"),),
          (("kernel", "job.service", 1), ("kernel", "job.service", 1), ("kernel", "0a1b", 1), ("unknown", "other.service", None)), ("Probably event 1: job.service",), ("job.service: it was not",)),
    Piece("joined with the kernel's", "containerd by pid, kubelet later", lines(*syslog(stamped(memcg_report(MODERN))),
          f'Mar 14 02:11:06 n1 containerd[7]: level=info msg="received exit event container_id:\\"{ID}\\" id:\\"{ID}\\" pid:777 exit_status:137"',
          f'Mar 14 02:11:25 n1 kubelet[9]: "Container finished" containerID="containerd://{ID}" exitCode=137'), JAVA, (("kernel", f"container {ID[:12]}", 1), ("kernel", f"container {ID[:12]}", 1))),
    Piece("joined with the kernel's", "another unit is not", lines(*syslog(stamped(memcg_report(MODERN))), f"{AT} systemd[1]: web.service: Main process exited, code=killed, status=9/KILL"), JAVA, (("unknown", "web.service", None),)),
    Piece("joined with the kernel's", "one of two", lines(f"{AT} kernel: {KILL}", f"{AT} kernel: {KILL.replace('4242', '4243')}", f"{AT} app[7]: exit code 137"),
          (("worker", 4242, "global"), ("worker", 4243, "global")), (("kernel", "a process", 2),), ("Possibly event 2",)),
)  # fmt: skip
PIECES: tuple[Piece, ...] = (
    *_WRAPPED, *_EXPORTS, *_STAMPS, *_PARTS, *_OUTCOMES, *_CONTROLS, *_NOT, *_WITNESSES, *_JOINED,
)  # fmt: skip
