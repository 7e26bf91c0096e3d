"""The command line: one file a command, imported when it is called.

In: the words of a command line. Out: data on stdout, all else on stderr, and an exit code: 0 ok, 1 failed, 2 wrong
usage, 130 interrupted.

Never here: a figure that is computed. A command opens a source, calls a view and gives the result to a renderer.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from memtwin import __version__
from memtwin.errors import MemtwinError, NotBuiltError, UsageError, quoted, shortened
from memtwin.render.table import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

gc.disable()  # until the command is imported: a tenth of the time that a one-shot view takes

EXIT_INTERRUPTED: Final = 130
_LONGEST_LINE: Final = 2000
_MOST_LINES: Final = 100
"""Characters and lines of a message, whatever it quotes."""
TRACEBACK_VARIABLE: Final = "MEMTWIN_TRACEBACK"
"""Set in the environment: an error that is memtwin's own fault shows its traceback."""
COMPLETE_VARIABLE: Final = "_MEMTWIN_COMPLETE"
"""Set by a shell that asks what to offer."""


class Entry(NamedTuple):
    """Where a command is, as an attribute ``command`` of a module, and what ``--help`` says of it."""

    module: str
    help: str


COMMANDS: Final = {
    "account": Entry("memtwin.cli.account", "Where all of RAM is: a sheet that adds up."),
    "buddyinfo": Entry("memtwin.cli.buddyinfo", "Free blocks, fragmentation, and whether a block is available."),
    "compare": Entry("memtwin.cli.compare", "Two runs, recordings or traces side by side."),
    "completion": Entry("memtwin.cli.completion", "The completion script for bash, zsh or fish."),
    "diff": Entry("memtwin.cli.diff", "What changed between two machines, snapshots or checkpoints."),
    "doctor": Entry("memtwin.cli.doctor", "What is wrong or worth changing, and the command for it."),
    "exec": Entry("memtwin.cli.exec", "Run a real program on a stored machine: free, top, ps, htop."),
    "export": Entry("memtwin.cli.export", "The metrics of all views, printed or served to Prometheus."),
    "free": Entry("memtwin.cli.free", "Total, used and free memory and swap."),
    "htop": Entry("memtwin.cli.htop", "A screen as htop's, with memory that adds up."),
    "learn": Entry("memtwin.cli.learn", "Lessons: predict, run, compare, and see why."),
    "leak": Entry("memtwin.cli.leak", "Which processes leak, and what explains other growth."),
    "limits": Entry("memtwin.cli.limits", "Every limit on memory, the nearest first."),
    "loadavg": Entry("memtwin.cli.loadavg", "The load averages, and what is in them."),
    "lru": Entry("memtwin.cli.lru", "How old memory is: generations, or active and inactive lists."),
    "maps": Entry("memtwin.cli.maps", "What a process maps, with which rights, and what of it is there."),
    "meminfo": Entry("memtwin.cli.meminfo", "The kernel's own account, /proc/meminfo."),
    "mount": Entry("memtwin.cli.mount", "Mount a machine's /proc and /sys in a directory."),
    "oom": Entry("memtwin.cli.oom", "Why was my process killed: the OOM post-mortem."),
    "page": Entry("memtwin.cli.page", "One page of a process: through the page table to its frame or slot."),
    "pressure": Entry("memtwin.cli.pressure", "Time lost waiting for CPU, memory and I/O."),
    "ps": Entry("memtwin.cli.ps", "Processes and their memory, in columns that add up."),
    "record": Entry("memtwin.cli.record", "Record a machine and its processes over time: a trace."),
    "replay": Entry("memtwin.cli.replay", "A trace as a scenario: the same growth on the model."),
    "report": Entry("memtwin.cli.report", "A page of pictures: what happened to a machine."),
    "run": Entry("memtwin.cli.run", "Run a scenario on the model."),
    "slabtop": Entry("memtwin.cli.slabtop", "The kernel's object caches, largest first."),
    "snapshot": Entry("memtwin.cli.snapshot", "Save what the views read, to analyse it elsewhere."),
    "swaps": Entry("memtwin.cli.swaps", "The swap areas and what they hold."),
    "swapuse": Entry("memtwin.cli.swapuse", "Whose memory is in swap."),
    "top": Entry("memtwin.cli.top", "The machine and its busiest tasks, updated continuously."),
    "validate": Entry("memtwin.cli.validate", "Judge the model against recordings of real kernels."),
    "vmstat": Entry("memtwin.cli.vmstat", "Processes, memory, swap, I/O and CPU, line by line."),
    "whatif": Entry("memtwin.cli.whatif", "Other sizes and settings compared, and the smallest that will do."),
    "zoneinfo": Entry("memtwin.cli.zoneinfo", "Free memory drawn against the watermarks."),
    "zram-estimate": Entry("memtwin.cli.zram_estimate", "What zram would make of real pages, from a sample."),
}


ALSO_CALLED: Final = {
    "swapon": "swaps", "dmesg": "oom", "psi": "pressure", "uptime": "loadavg", "slabinfo": "slabtop", "smem": "ps",
    "pmap": "maps",
    "simulate": "run", "check": "doctor", "sweep": "whatif", "optimise": "whatif", "size": "whatif",
}  # fmt: skip
"""What other programs call what a command here shows."""


class LazyGroup(click.Group):
    """A group that imports the module of a command only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names for ``--help``."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        entry = COMMANDS[cmd_name]
        try:
            command = import_module(entry.module).command
            gc.enable()
        except ModuleNotFoundError as problem:
            if problem.name != entry.module:
                raise
            raise NotBuiltError(f"the command {cmd_name} is not in this build") from None
        assert isinstance(command, click.Command)
        command.short_help = entry.help
        from memtwin.cli import examples

        command.epilog = examples.text(cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that *args* begin with; of one that is not there, say which may be meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            raise UsageError(f"no command {quoted(name)}", hint=_meant(name))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


def _meant(name: str) -> str:
    """Return the commands that are written like *name*, or are called so elsewhere."""
    from difflib import get_close_matches

    near = [ALSO_CALLED[name]] if name in ALSO_CALLED else get_close_matches(name, COMMANDS, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else "memtwin -h lists the commands"


def _roots(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    from memtwin.cli import complete

    return complete.roots(ctx, param, incomplete)


@click.group(
    cls=LazyGroup, invoke_without_command=True,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
)  # fmt: skip
@click.version_option(__version__, "-V", "--version", prog_name="memtwin", message="%(prog)s %(version)s")
@click.option(
    "--root", metavar="WHERE", shell_complete=_roots,
    help="Show the screen of this machine: a snapshot, RUN@CHECKPOINT, a trace, or `live`. On a terminal `live` is the "
    "default.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print what the screen says as JSON.")
@click.pass_context
def group(ctx: click.Context, root: str | None, *, as_json: bool) -> int:
    """Linux memory management: look at a machine, a snapshot or a model of one.

    Without a command, on a terminal: what is wrong with this machine now, in one screen.
    """
    if ctx.invoked_subcommand is not None:
        if root is not None or as_json:
            raise UsageError("--root and --json stand behind the command", hint=f"memtwin {ctx.invoked_subcommand} ...")
        return 0
    if root is None and not as_json and not sys.stdout.isatty():
        click.echo(ctx.get_help())
        return 0
    from memtwin.cli.now import tell

    tell(root or "live", "json" if as_json else None)
    return 0


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line *args* (default: the process's) and return its exit code."""
    return _guarded(args) if _has_output() else 1


def _guarded(args: Sequence[str] | None) -> int:
    """Run the command line; an error becomes a message and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(args)
        _flush()
    except BrokenPipeError:  # the reader went away: not our problem, and there is no one to tell
        _discard_stdout()
        return 1
    except (KeyboardInterrupt, click.Abort):
        return EXIT_INTERRUPTED
    except MemtwinError as problem:
        return _complain(str(problem), problem.hint, problem.exit_code)
    except OSError as problem:
        is_full = problem.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # files are written with their names
        if is_full and not problem.filename:
            _discard_stdout()
        named = f"{problem.filename}: " if problem.filename else "standard output: " if is_full else ""
        return _complain(f"{named}{problem.strerror or problem}", None, 1)
    except Exception as problem:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        hint = f"this is a bug of memtwin: please report it with what {TRACEBACK_VARIABLE}=1 shows"
        return _complain(f"{type(problem).__name__}: {problem}", hint, 1)
    return code


def _has_output() -> bool:
    """Open /dev/null in the place of a closed stderr or stdin, and complain about a closed stdout.

    A file that is opened next would get the closed descriptor's number, and with it what is meant for a terminal.
    """
    for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)):
        if stream is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - as long as the process runs
    if sys.stdout is None:
        _complain("standard output is closed", "> /dev/null discards what is printed", 1)
        return False
    return True


def _flush() -> None:
    """Write what is buffered for stdout; an error names it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as problem:
        _discard_stdout()
        raise OSError(problem.errno, problem.strerror, "standard output") from problem


def _discard_stdout() -> None:
    """Let what is still buffered for stdout go nowhere: or the interpreter fails with it again at its end."""
    with suppress(ValueError):  # a stdout that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(args: Sequence[str] | None) -> int:
    if COMPLETE_VARIABLE in os.environ:
        import_module(COMMANDS["completion"].module).prepare()
    try:
        code = group.main(args, prog_name="memtwin", standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    return code if isinstance(code, int) else 0


def _complain(message: str, hint: str | None, code: int) -> int:
    texts = [f"memtwin: {message}", *([f"hint: {hint}"] if hint else [])]
    lines = [
        shortened(clean(shortened(line, _LONGEST_LINE)), _LONGEST_LINE) for text in texts for line in text.split("\n")
    ]
    print("\n".join(lines[:_MOST_LINES]), file=sys.stderr)  # noqa: T201
    return code
