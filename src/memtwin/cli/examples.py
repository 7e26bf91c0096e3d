"""Examples of each command, for the end of ``--help`` and the manual pages: a command line and what it is for."""

from __future__ import annotations

from typing import Final, NamedTuple


class Example(NamedTuple):
    """What is typed, and what it shows."""

    line: str
    said: str


EXAMPLES: Final = {
    "account": (
        Example("memtwin account", "where all of RAM is, and what no counter has"),
        Example("memtwin account --svg > ram.svg", "the same as a picture"),
    ),
    "buddyinfo": (Example("memtwin buddyinfo --order 9", "can a huge page be allocated now, and why not?"),
        Example("memtwin buddyinfo --order 9 --try", "what would it cost, and what would compaction give?"),
    ),
    "compare": (
        Example("memtwin compare before after", "two runs: their time lines, their figures"),
        Example("memtwin compare before after -o both.html", "the same as a page for a browser"),
    ),
    "completion": (
        Example("memtwin completion bash > ~/.local/share/bash-completion/completions/memtwin", "bash, later ones"),
        Example("memtwin completion zsh > ~/.zfunc/_memtwin", "zsh, with ~/.zfunc in $fpath before compinit"),
        Example("memtwin completion fish > ~/.config/fish/completions/memtwin.fish", "fish, at once"),
    ),
    "diff": (
        Example("memtwin diff before.tar.xz", "what changed on this host since that snapshot"),
        Example("memtwin diff out@morning out@night", "between two checkpoints of a run"),
    ),
    "doctor": (
        Example("memtwin doctor", "what is wrong or worth changing, and the command for it"),
        Example("memtwin doctor --predict 60s", "what each change would do, on the model"),
        Example("memtwin doctor --check", "for a monitor: the exit code says how bad it is"),
    ),
    "exec": (
        Example("memtwin exec out@night -- free -m", "the real free on a checkpoint of a run"),
        Example("memtwin exec day.mem -- htop", "the real htop on the model while it runs"),
    ),
    "export": (
        Example("memtwin export", "the metrics of all views, once"),
        Example("memtwin export --listen 127.0.0.1:9435", "served to a Prometheus, until ^C"),
    ),
    "free": (
        Example("memtwin free -h", "as procps prints it"),
        Example("memtwin free --explain", 'what seven programs call "used", and why it differs'),
        Example("memtwin free --root out@end", "at a checkpoint of a run"),
    ),
    "htop": (
        Example("memtwin htop", "this host; F1 lists the keys, ? explains a figure"),
        Example("memtwin htop -t -s PSS", "the tree, with the PSS of each branch"),
        Example("memtwin htop --root out@night", "at a checkpoint of a run"),
        Example("memtwin htop day.mem", "the model: through its time, and into other futures"),
    ),
    "leak": (
        Example("memtwin leak -p 4242 --for 5m", "watch a process for five minutes"),
        Example("memtwin leak host.trace", "judge all processes of a trace"),
        Example("memtwin leak -p 4242 --cycle ./request.sh", "what does each request leave behind?"),
        Example("memtwin leak new.trace --against old.trace", "what grows that did not grow then"),
    ),
    "learn": (
        Example("memtwin learn", "the lessons, and how good your guesses were"),
        Example("memtwin learn 4", "what do two processes take after a fork?"),
        Example("memtwin learn 4 --answer ?", "all pages of it at once, without a guess"),
        Example("memtwin learn --html lessons", "all lessons as pages for a browser"),
    ),
    "limits": (Example("memtwin limits 4242", "which limit a process meets first, and what happens then"),),
    "loadavg": (Example("memtwin loadavg", "the load averages, and who is in them"),),
    "lru": (
        Example("memtwin lru", "what reclaim takes next, and how old it is"),
        Example("memtwin lru --root out@end", "at a checkpoint of a run"),
    ),
    "maps": (
        Example("memtwin maps 4242", "what a process maps, with which rights, and what of it is there"),
        Example("memtwin maps 4242 --picture", "the same, drawn"),
    ),
    "meminfo": (
        Example("memtwin meminfo --explain", "every row in one line"),
        Example("memtwin meminfo --explain Cached", "one row: what overlaps it, what feeds it, what to do"),
    ),
    "mount": (Example("memtwin mount out@night /mnt", "the files of a checkpoint, until ^C or umount"),),
    "oom": (
        Example("memtwin oom --journal", "why was my process killed?"),
        Example("memtwin oom /var/log/messages --html report.html", "the same as a page, from any log"),
        Example("memtwin oom --live --adj 4242=-500", "who would die now, and with another oom_score_adj"),
    ),
    "page": (Example("memtwin page 4242 7fffffffd000", "where a page of the stack is: a frame, a slot, or nowhere"),),
    "pressure": (Example("memtwin pressure -s 5", "time lost for lack of memory, every five seconds"),),
    "ps": (
        Example("memtwin ps --sort -PSS -n 10", "the ten largest, shared pages divided"),
        Example("memtwin ps -p 4242 --explain", "what one process maps"),
    ),
    "record": (
        Example("memtwin record -o host.trace", "all processes, a sample a second, until ^C"),
        Example("memtwin record -o build.trace -- make -j2", "a command and what it starts"),
    ),
    "replay": (
        Example("memtwin replay build.trace -o build.mem", "what was recorded, as a scenario"),
        Example("memtwin replay build.trace --check", "how near the model comes to it"),
    ),
    "report": (
        Example("memtwin report out -o out.html", "a run as one page for a browser"),
        Example("memtwin report host.trace -o night.html", "what was recorded of a machine"),
        Example("memtwin report out --svg timeline > timeline.svg", "one of its pictures"),
        Example("memtwin report sweep -o sweep.html", "what memtwin whatif -o sweep has compared"),
    ),
    "run": (
        Example("memtwin run work.mem -o out", "a workload on the machine that its header describes"),
        Example("memtwin run work.mem --boot live", "on this host as it is now"),
        Example("memtwin run --boot live --grow nginx=4G", "would it fit, if nginx grew by 4 GiB?"),
    ),
    "slabtop": (Example("memtwin slabtop -s c", "the largest caches of the kernel"),),
    "snapshot": (Example("memtwin snapshot -o host.tar.xz", "look at it elsewhere: --root host.tar.xz"),),
    "swaps": (
        Example("memtwin swaps", "as swapon --show prints it"),
        Example("memtwin swaps --explain", "zram and zswap too, and what they save"),
    ),
    "swapuse": (Example("memtwin swapuse --all", "whose memory is in swap, every process"),),
    "top": (
        Example("memtwin top", "the screen; h lists the keys"),
        Example("memtwin top -b -n 1 -o PSS", "printed once, by proportional size"),
    ),
    "validate": (Example("memtwin validate tests/recordings/22-fork-cow", "the model against a real kernel"),),
    "vmstat": (
        Example("memtwin vmstat 1 5", "five lines, a second apart"),
        Example("memtwin vmstat --explain", "what vmstat hides"),
    ),
    "whatif": (
        Example("memtwin whatif day.mem --vary machine.ram=2G..8G/1G", "how much RAM is enough for this workload?"),
        Example(
            "memtwin whatif out --vary machine.ram=1G..8G/4M --minimise machine.ram",
            "the least RAM without a kill or a failure, by bisection",
        ),
        Example(
            "memtwin whatif live --grow nginx=4G --vary swap=none,disk:8G,zram:50%",
            "which swap, if nginx grows by 4 GiB on this host?",
        ),
    ),
    "zoneinfo": (Example("memtwin zoneinfo", "free memory against the watermarks"),),
    "zram-estimate": (
        Example("memtwin zram-estimate 4242", "what a process's memory would take in zram, by algorithm"),
        Example("memtwin zram-estimate --all --pages 10000", "of all processes, a closer look"),
        Example("memtwin zram-estimate core.dump --kernel 6.12", "the pages of a file, on another kernel"),
    ),
}  # fmt: skip


def text(command: str) -> str:
    """Return the examples of *command* as lines of ``--help``."""
    examples = EXAMPLES.get(command, ())
    width = max((len(example.line) for example in examples), default=0)
    width = width if width < 50 else 0
    lines = [f"  {example.line:{width}}  {example.said}" if width else _two(example) for example in examples]
    return "\n".join(["\b", "Examples:", *lines]) if lines else ""


def _two(example: Example) -> str:
    return f"  {example.line}\n      {example.said}"
