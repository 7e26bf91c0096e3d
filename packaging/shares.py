"""Write what an installation has in ``share/``: manual pages, and completion for bash, zsh and fish.

All of it is made of the commands themselves; ``setup.py`` does so for every wheel, ``make man`` to look at them
(``man -l build/share/man/man1/memtwin.1``).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import click
from click.shell_completion import get_completion_class

from memtwin import __version__
from memtwin.cli import COMMANDS, COMPLETE_VARIABLE, group
from memtwin.cli.examples import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPLETIONS = {
    "bash": "bash-completion/completions/memtwin",
    "zsh": "zsh/site-functions/_memtwin",
    "fish": "fish/vendor_completions.d/memtwin.fish",
}
REAL_TOOLS = {
    "buddyinfo": "proc(5)",
    "exec": "unshare(1)",
    "free": "free(1)",
    "limits": "prlimit(1)",
    "loadavg": "uptime(1)",
    "meminfo": "proc(5)",
    "pressure": "proc(5)",
    "ps": "ps(1)",
    "slabtop": "slabtop(1)",
    "swaps": "swapon(8)",
    "top": "top(1)",
    "vmstat": "vmstat(8)",
    "zoneinfo": "proc(5)",
}
EXIT_STATUS = (
    ("0", "What was asked for is done."),
    ("1", "It failed: a file that is not there or not what it should be, a machine that cannot be had."),
    ("2", "The command line asks for something that cannot be."),
    ("130", "Interrupted by ^C."),
)
ENVIRONMENT = (
    ("NO_COLOR", "If set, nothing is in colour."),
    ("TERM", "A terminal that is dumb gets no colour and no screen."),
    ("MEMTWIN_TRACEBACK", "If set, an error that is memtwin's own fault shows its traceback."),
)
FILES = (
    ("/proc, /sys", "What a live machine says of itself: read, never written."),
    ("RUN/", "What memtwin run -o leaves: the files of each checkpoint, ops.jsonl, dmesg.txt, timeline.csv."),
)
WHERE = (
    ("live", "This host as it runs; the default."),
    ("PATH", "A snapshot (a directory or a tar), a sosreport, a file of /proc, or - for one on standard input."),
    ("RUN@LABEL", "A checkpoint of a run or of a recording; RUN@3.5s is the nearest to that time."),
    ("TRACE@MOMENT", "A moment of a trace: 03:12, 2026-11-29T03:12, -30s, +5m, first, last."),
)


def roff(text: str) -> str:
    """Return *text* so that roff prints it as it is, whatever it begins with."""
    escaped = text.replace("\\", "\\(rs").replace("-", "\\-").replace("^", "\\(ha").replace("~", "\\(ti")
    escaped = escaped.replace("`", "\\(ga").replace("'", "\\(aq")
    return re.sub(r"^(?=\.)", "\\\\&", escaped, flags=re.MULTILINE)


def section(title: str, *lines: str) -> str:
    """Return a section of a page, or nothing."""
    text = "".join(f"{line}\n" for line in lines if line)
    return f".SH {title}\n{text}" if text else ""


def tagged(pairs: Iterator[tuple[str, str]] | tuple[tuple[str, str], ...]) -> str:
    """Return terms, and what is said of each."""
    return "\n".join(f".TP\n.B {roff(term)}\n{roff(said)}" for term, said in pairs)


def paragraphs(text: str) -> str:
    """Return the paragraphs of a text of ``--help``."""
    parts = (" ".join(part.split()) for part in text.split("\n\n"))
    return "\n.PP\n".join(roff(part) for part in parts)


def option(param: click.Option, ctx: click.Context) -> str:
    """Return an option with what it takes and does."""
    names = ", ".join(f"\\fB{roff(name)}\\fR" for name in sorted(param.opts, key=len))
    takes = "" if param.is_flag or param.count else f" \\fI{roff(param.make_metavar(ctx))}\\fR"
    record = param.get_help_record(ctx)
    return f".TP\n{names}{takes}\n{roff(record[1] if record else '')}"


def sentence(said: str) -> str:
    """Return what is said of an example as it stands above it."""
    return said[0].upper() + said[1:] + ("" if said.endswith("?") else ":")


def examples(command: str) -> str:
    """Return the examples of a command, each on its own line."""
    lines = (
        f"{roff(sentence(one.said))}\n.PP\n.nf\n.RS\n\\fB{roff(one.line)}\\fR\n.RE\n.fi"
        for one in EXAMPLES.get(command, ())
    )
    return "\n.PP\n".join(lines)


def head(name: str, said: str) -> str:
    """Return the first lines of a page: no hyphenation, ragged right."""
    title = f'.TH {roff(name.upper())} 1 "" "memtwin {__version__}" "memtwin manual"\n.nh\n.ad l\n'
    return title + section("NAME", f"{roff(name)} \\- {roff(said.rstrip('.'))}")


def page(name: str, command: click.Command, top: click.Context) -> str:
    """Return the manual page of one command."""
    ctx = click.Context(command, info_name=name, parent=top)
    usage = " ".join(command.collect_usage_pieces(ctx))
    options = [option(param, ctx) for param in command.get_params(ctx) if isinstance(param, click.Option)]
    takes_root = any(param.name == "root" for param in command.params)
    tool = REAL_TOOLS.get(name)
    also = ", ".join(f"\\fB{roff(page[:-3])}\\fR({page[-2]})" for page in ("memtwin(1)", tool or "") if page)
    return "".join(
        (
            head(f"memtwin-{name}", COMMANDS[name].help),
            section("SYNOPSIS", f"\\fBmemtwin {roff(name)}\\fR {roff(usage)}"),
            section("DESCRIPTION", paragraphs(command.help or "")),
            section("OPTIONS", *options),
            section("EXAMPLES", examples(name)),
            section("MACHINES", tagged(WHERE)) if takes_root else "",
            section("EXIT STATUS", tagged(EXIT_STATUS)) if name != "exec" else "",  # it is the program's
            section("SEE ALSO", also),
        )
    )


def main_page(top: click.Context) -> str:
    """Return ``memtwin(1)``: the commands, and what they share."""
    each = ((f"memtwin-{name}(1)", entry.help) for name, entry in COMMANDS.items())
    all_examples = [examples(name) for name in ("free", "oom", "run")]
    return "".join(
        (
            head("memtwin", (group.help or "").split("\n", maxsplit=1)[0]),
            section("SYNOPSIS", "\\fBmemtwin\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]"),
            section(
                "DESCRIPTION",
                roff(
                    "The views show a machine's memory and explain it, of this host, a snapshot, a trace or a run of "
                    "the model alike. The model does what Linux would do with a workload."
                ),
            ),
            section(
                "OPTIONS", *(option(param, top) for param in group.get_params(top) if isinstance(param, click.Option))
            ),
            section("COMMANDS", tagged(each)),
            section("EXAMPLES", "\n.PP\n".join(all_examples)),
            section("MACHINES", roff("What --root and its like take:"), tagged(WHERE)),
            section("FILES", tagged(FILES)),
            section("ENVIRONMENT", tagged(ENVIRONMENT)),
            section("EXIT STATUS", tagged(EXIT_STATUS)),
            section("SEE ALSO", *(f"\\fBmemtwin\\-{name}\\fR(1)," for name in COMMANDS), "\\fBproc\\fR(5)"),
        )
    )


def write(share: Path) -> list[Path]:
    """Write all files below *share* and return their paths below it."""
    top = click.Context(group, info_name="memtwin")
    texts = {"man/man1/memtwin.1": main_page(top)}
    for name in COMMANDS:
        command = group.get_command(top, name)
        assert command is not None
        texts[f"man/man1/memtwin-{name}.1"] = page(name, command, top)
    for shell, where in COMPLETIONS.items():
        completion = get_completion_class(shell)
        assert completion is not None
        texts[where] = completion(group, {}, "memtwin", COMPLETE_VARIABLE).source() + "\n"
    for where, text in texts.items():
        (share / where).parent.mkdir(parents=True, exist_ok=True)
        (share / where).write_text(text)
    return [Path(where) for where in texts]


if __name__ == "__main__":
    for path in write(Path(sys.argv[1])):
        print(path)
