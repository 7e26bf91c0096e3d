"""Scenario text to dataclasses, and every complaint about it: path, line number, line, what was expected."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from memtwin.errors import InputError, ScenarioError, quoted
from memtwin.files.inputs import why_not_read
from memtwin.scenario import blocks, flow, heap, open_files, protection, shared, space
from memtwin.scenario import lines as kinds
from memtwin.scenario.file_io import file_io
from memtwin.scenario.header import NAME, Header, priority
from memtwin.scenario.pace import WORDS as PACE
from memtwin.scenario.pace import pace
from memtwin.scenario.patterns import Listed, Seq
from memtwin.scenario.words import Line, like

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS: Final = re.compile(r"([0-9]{0,9})(?:\.([0-9]{0,18}))?")
_REGION: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}")
MAX_SCENARIO_BYTES: Final = 16 << 20
"""The largest scenario that is read."""
MAX_UID: Final = (1 << 32) - 2
"""The largest number of a user: the next means none."""
MAX_LINE: Final = 4096
"""Characters of the longest line, comments included."""
MAX_LINES: Final = 1_000_000
"""The most header lines and operations."""
MAX_REGIONS: Final = 2_000_000
"""The most regions of all processes together, those that a fork hands on among them."""
_BOM: Final = "\ufeff"
"""What some editors write before the first character."""


# ----------------------------------------------------------------------------------------------------- ops


class _Body:
    """The operations so far, and the names that a later line may use."""

    def __init__(self, header: Header, path: str) -> None:
        self.header = header
        self.path = path
        self.ops: list[kinds.Op] = []
        self.regions: dict[str, set[str]] = {}  # process -> every region that it ever mapped
        self.labels: set[str] = set()
        self.blocks: set[str] = set()  # names of kalloc
        self.keys: set[str] = set()  # of shared memory
        self.threads: dict[str, str] = {}  # thread -> process
        self.tags: dict[str, set[str]] = {}  # process -> tags of malloc
        self.breaks: dict[str, str] = {}  # process -> the region of its brk
        self.handed_on = 0  # regions that forks copied
        self.loops: list[flow.Loop] = []  # that have no end yet
        self.earliest_ns = 0  # how old the run is at least

    def read(self, line: Line, header: Header) -> None:
        """Read any line of the text; those of a loop wait for its end."""
        if line.words[-1] == "{":
            self.loops.append(flow.loop(line))
        elif line.words == ["}"]:
            self.end_loop(line)
        elif self.loops:
            self.loops[-1].add(line)
        elif not self.ops and line.words[0] in kinds.HEADER_WORDS:
            header.take(line)
        else:
            self.take(line)

    def end_loop(self, line: Line) -> None:
        ended = flow.close(line, self.loops)
        if self.loops:
            self.loops[-1].add(ended)
            return
        if len(self.ops) + ended.count > MAX_LINES:  # each line is an operation or more
            raise ended.line.error(f"at most {MAX_LINES:,} operations")
        for repeated in ended.lines():
            self.take(Line(self.path, repeated.lineno, repeated.words, len(self.ops)))

    def take(self, line: Line) -> None:
        if line.words[0] == "at" and "at" not in self.regions:
            until, line = flow.at(line, _time(line, line.words[1]) if len(line.words) > 1 else 0, self.earliest_ns)
            self.add(until)
        if len(line.words) > 1 and line.words[-1] == "&":
            self.add(flow.beside(line, self.operation(Line(line.path, line.lineno, line.words[:-1], line.index))))
        else:
            self.add(self.operation(line))

    def add(self, op: kinds.Op) -> None:
        if len(self.ops) >= MAX_LINES:
            raise ScenarioError(self.path, op.lineno, op.text, f"at most {MAX_LINES:,} operations")
        self.ops.append(op)
        self.earliest_ns = flow.earliest_after(op, self.earliest_ns)

    def operation(self, line: Line) -> kinds.Op:
        first = line.words[0]
        if first in self.threads:
            return self._thread_op(line)
        if first in self.regions and (len(line.words) > 1 or first not in _GLOBAL):
            return self._worker_op(line)
        if first in _GLOBAL:
            return _GLOBAL[first](self, line)
        if first in kinds.HEADER_WORDS:
            raise line.error("an operation: header lines stand before the first one")
        if len(line.words) > 1 and line.words[1] in _WORKER:
            hint = like(first, self.regions) or f"start it with `proc {first}`"
            raise line.error(f"a process started before, not {quoted(first)}", hint=hint)
        choices = (*_GLOBAL, *self.regions) if self.ops else (*kinds.HEADER_WORDS, *_GLOBAL)
        raise line.error("an operation or the name of a process", hint=like(first, choices))

    def _thread_op(self, line: Line) -> kinds.Op:
        verb = line.words[1] if len(line.words) > 1 else ""
        if verb not in heap.OF_THREADS:
            hint = f"all else {self.threads[line.words[0]]} does, whose memory it shares"
            raise line.error(f"malloc or free of the thread {line.words[0]}, not {quoted(verb)}", hint=hint)
        return _WORKER[verb](self, line)

    def _worker_op(self, line: Line) -> kinds.Op:
        if len(line.words) < 2:
            raise line.error(f"`{line.words[0]} OPERATION ...`")
        verb = line.words[1]
        if verb not in _WORKER:
            raise line.error("an operation of a process after its name", hint=like(verb, _WORKER))
        return _WORKER[verb](self, line)

    def fresh_process(self, line: Line, name: str) -> str:
        line.named(name, "a process's name", NAME)
        if name in self.regions or name in self.threads:
            raise line.error(f"a new process name; {name!r} is already used")
        if name in {"proc", "attach", "sleep", "until", "drop_caches", "checkpoint", "sysctl", "kalloc", "kfree"}:
            raise line.error(f"a process name that is no operation, not {name!r}")
        return name

    def map_region(self, line: Line) -> str:
        region = line.named(line.words[2], "a region's name", _REGION)
        self.regions[line.words[0]].add(region)
        return region

    def swap_area(self, line: Line) -> str:
        name, known = line.words[1], [swap.name for swap in self.header.swaps]
        if name not in known:
            hint = like(name, known) or f"a header line such as `swap disk name={name} size=256M on=0`"
            raise line.error(f"the name of a swap area of the header, not {quoted(name)}", hint=hint)
        return name

    def region(self, line: Line) -> str:
        name, regions = line.words[2], self.regions[line.words[0]]
        if name not in regions:
            hint = like(name, regions) or f"map it with `{line.words[0]} mmap {name} SIZE`"
            raise line.error(f"a region that {line.words[0]} mapped before, not {quoted(name)}", hint=hint)
        return name


def _proc(body: _Body, line: Line) -> kinds.Op:
    words = line.counted("proc NAME [adj=N] [uid=N]", 2, 4)
    given = line.options(words[2:], ("adj", "uid"))
    adj = line.integer(given.get("adj", "0"), "adj", -1000, 1000)
    uid = line.integer(given.get("uid", "0"), "uid", 0, MAX_UID)
    name = body.fresh_process(line, words[1])
    body.regions[name] = set()
    return kinds.Proc(line.index, line.lineno, line.text, name, adj, uid)


def _attach(body: _Body, line: Line) -> kinds.Op:
    words = line.counted("attach NAME [pid=N|comm=WORD]", 2, 3)
    given = line.options(words[2:], ("pid", "comm"))
    pid = line.integer(given["pid"], "pid", 1, 1 << 22) if "pid" in given else None
    name = body.fresh_process(line, words[1])
    body.regions[name] = {kinds.LARGEST_AREA}
    return kinds.Attach(line.index, line.lineno, line.text, name, pid, given.get("comm", name))


def _seconds(line: Line, usage: str) -> int:
    """Return the only word behind the operation, seconds, in nanoseconds."""
    return _time(line, line.counted(usage, 2, 2)[1])


def _time(line: Line, word: str) -> int:
    """Return SECONDS in nanoseconds."""
    match = _SECONDS.fullmatch(word)
    if not match or not (match[1] or match[2]):
        raise line.error(f"SECONDS as a decimal number, not {quoted(word)}")
    return int(match[1] or 0) * 1_000_000_000 + int((match[2] or "").ljust(9, "0")[:9])


def _sleep(_body: _Body, line: Line) -> kinds.Op:
    return kinds.Sleep(line.index, line.lineno, line.text, _seconds(line, "sleep SECONDS"))


def _until(_body: _Body, line: Line) -> kinds.Op:
    return kinds.Until(line.index, line.lineno, line.text, _seconds(line, "until SECONDS"))


def _wait(body: _Body, line: Line) -> kinds.Op:
    return flow.wait(line, body.regions)


def _sync(_body: _Body, line: Line) -> kinds.Op:
    line.counted("sync", 1, 1)
    return kinds.Sync(line.index, line.lineno, line.text)


def _compact(_body: _Body, line: Line) -> kinds.Op:
    line.counted("compact", 1, 1)
    return kinds.Compact(line.index, line.lineno, line.text)


def _drop_caches(_body: _Body, line: Line) -> kinds.Op:
    value = line.integer(line.counted("drop_caches N", 2, 2)[1], "N", 1, 4)
    return kinds.DropCaches(line.index, line.lineno, line.text, value)


def _swapon(body: _Body, line: Line) -> kinds.Op:
    words = line.counted("swapon NAME [prio=N]", 2, 3)
    area, given = body.swap_area(line), line.options(words[2:], ("prio",))
    return kinds.SwapOn(line.index, line.lineno, line.text, area, priority(line, given["prio"]) if given else None)


def _swapoff(body: _Body, line: Line) -> kinds.Op:
    line.counted("swapoff NAME", 2, 2)
    return kinds.SwapOff(line.index, line.lineno, line.text, body.swap_area(line))


def _sysctl(_body: _Body, line: Line) -> kinds.Op:
    name, value = line.setting(line.counted("sysctl NAME=VALUE", 2, 2)[1])
    return kinds.SetSysctl(line.index, line.lineno, line.text, name, value)


def _checkpoint(body: _Body, line: Line) -> kinds.Op:
    label = line.named(line.counted("checkpoint LABEL", 2, 2)[1], "a label", NAME)
    if label in kinds.RESERVED_LABELS:
        raise line.error(f"another label: {label!r} is a name that every run uses itself")
    if label in body.labels:
        raise line.error(f"a new label; {label!r} is already used")
    body.labels.add(label)
    return kinds.Checkpoint(line.index, line.lineno, line.text, label)


def _mmap(body: _Body, line: Line) -> kinds.Op:
    words = line.counted("NAME mmap REGION SIZE", 4, 4)
    size_bytes = line.whole_pages(words[3], "SIZE")
    return kinds.Mmap(line.index, line.lineno, line.text, words[0], body.map_region(line), size_bytes)


def _fmap(body: _Body, line: Line) -> kinds.Op:
    words = line.counted("NAME fmap REGION FILE shared|private [r|rw|rx|rwx]", 5, 6)
    file = shared.file(body, line, words[3])
    is_shared = line.one_of(words[4], "a kind of mapping", kinds.SHARINGS) == "shared"
    rights = line.one_of(words[5], "rights", kinds.RIGHTS[1:]) if len(words) > 5 else "rw"
    return kinds.Fmap(line.index, line.lineno, line.text, words[0], body.map_region(line), file, is_shared, rights)


def _touch(body: _Body, line: Line) -> kinds.Op:
    words = line.counted("NAME touch REGION OFF LEN r|w PATTERN [content=C] [rate=SIZE/s] [think=TIME]", 7, 10)
    region = body.region(line)
    offset, npages = line.page_range(words[3], words[4])
    write = line.one_of(words[5], "r or w", kinds.ACCESSES) == "w"
    pattern = line.pattern(words[6])
    if not npages and not isinstance(pattern, Seq):
        raise line.error("LEN of at least a page to draw from")
    if isinstance(pattern, Listed) and pattern.bits.bit_length() > npages:
        raise line.error("pages of the set within LEN")
    given = line.options(words[7:], ("content", *PACE))
    if isinstance(pattern, Listed) and given.keys() & set(PACE):
        raise line.error("a set of pages without a rate or a pause")
    content = line.one_of(given.get("content", "mark"), "content", kinds.CONTENTS)
    place = (line.index, line.lineno, line.text, words[0])
    return kinds.Touch(*place, region, offset, npages, write, pattern, content, pace(line, given))


def _madvise(body: _Body, line: Line) -> kinds.Op:
    words = line.counted("NAME madvise REGION OFF LEN ADVICE", 6, 6)
    region, (offset, npages) = body.region(line), line.page_range(words[3], words[4])
    advice = line.one_of(words[5], "ADVICE", kinds.ADVICES)
    return kinds.Madvise(line.index, line.lineno, line.text, words[0], region, offset, npages, advice)


def _lock(make: type[kinds.Mlock | kinds.Munlock]) -> Callable[[_Body, Line], kinds.Op]:
    def parse_op(body: _Body, line: Line) -> kinds.Op:
        words = line.counted(f"NAME {make.__name__.lower()} REGION OFF LEN", 5, 5)
        region, (offset, npages) = body.region(line), line.page_range(words[3], words[4])
        return make(line.index, line.lineno, line.text, words[0], region, offset, npages)

    return parse_op


def _munmap(body: _Body, line: Line) -> kinds.Op:
    words = line.counted("NAME munmap REGION", 3, 3)
    if words[2] == body.breaks.get(words[0]):
        raise line.error(f"a region that was mapped: {words[2]} goes away by `{words[0]} brk {words[2]} 0`")
    return kinds.Munmap(line.index, line.lineno, line.text, words[0], body.region(line))


def _fork(body: _Body, line: Line) -> kinds.Op:
    words = line.counted("NAME fork CHILD", 3, 3)
    child = body.fresh_process(line, words[2])
    body.handed_on += len(body.regions[words[0]])
    if body.handed_on > MAX_REGIONS:
        raise line.error(f"at most {MAX_REGIONS:,} regions in all processes together")
    body.regions[child] = set(body.regions[words[0]])
    if words[0] in body.tags:
        body.tags[child] = set(body.tags[words[0]])
    if words[0] in body.breaks:
        body.breaks[child] = body.breaks[words[0]]
    return kinds.Fork(line.index, line.lineno, line.text, words[0], child)


def _clear_refs(_body: _Body, line: Line) -> kinds.Op:
    words = line.counted("NAME clear_refs", 2, 2)
    return kinds.ClearRefs(line.index, line.lineno, line.text, words[0])


def _end(make: type[kinds.Exit | kinds.Kill]) -> Callable[[_Body, Line], kinds.Op]:
    def parse_op(_body: _Body, line: Line) -> kinds.Op:
        words = line.counted(f"NAME {make.__name__.lower()}", 2, 2)
        return make(line.index, line.lineno, line.text, words[0])

    return parse_op


_GLOBAL: Final[dict[str, Callable[[_Body, Line], kinds.Op]]] = {
    "proc": _proc,
    "attach": _attach,
    "sleep": _sleep,
    "until": _until,
    "wait": _wait,
    "sync": _sync,
    "drop_caches": _drop_caches,
    "kalloc": blocks.kalloc,
    "kfree": blocks.kfree,
    "compact": _compact,
    "swapon": _swapon,
    "swapoff": _swapoff,
    "sysctl": _sysctl,
    "checkpoint": _checkpoint,
}
_WORKER: Final[dict[str, Callable[[_Body, Line], kinds.Op]]] = {
    "mmap": _mmap,
    "fmap": _fmap,
    "shm": shared.shm,
    "unlink": shared.unlink,
    "touch": _touch,
    "fread": file_io(kinds.Fread),
    "fwrite": file_io(kinds.Fwrite),
    "fsync": open_files.whole_file(open_files.Fsync),
    "truncate": open_files.whole_file(open_files.Truncate),
    "close": open_files.whole_file(open_files.Close),
    "madvise": _madvise,
    "mlock": _lock(kinds.Mlock),
    "munlock": _lock(kinds.Munlock),
    "malloc": heap.malloc,
    "realloc": heap.realloc,
    "free": heap.free,
    "malloc_trim": heap.malloc_trim,
    "mallopt": heap.mallopt,
    "thread": heap.thread,
    "mprotect": protection.mprotect,
    "limit": protection.limit,
    "stack": protection.stack,
    "munmap": _munmap,
    "mremap": space.mremap,
    "brk": space.brk,
    "vm_read": space.vm_read,
    "fork": _fork,
    "clear_refs": _clear_refs,
    "exit": _end(kinds.Exit),
    "kill": _end(kinds.Kill),
}


# --------------------------------------------------------------------------------------------------- files


def parse(text: str, path: str = "<scenario>") -> kinds.Scenario:
    """Return the scenario that *text* says; *path* is its name in messages."""
    header = Header()
    body = _Body(header, path)
    text = text.removeprefix(_BOM)
    count = 0
    for lineno, raw in enumerate(text.split("\n"), 1):
        if len(raw) > MAX_LINE:
            raise ScenarioError(path, lineno, raw, f"a line of at most {MAX_LINE:,} characters")
        words = raw.split("#", 1)[0].split()
        if not words:
            continue
        count += 1
        line = Line(path, lineno, words, len(body.ops))
        if count > MAX_LINES:
            raise line.error(f"at most {MAX_LINES:,} lines")
        body.read(line, header)
    flow.refuse_open(body.loops)
    return kinds.Scenario(
        path=path,
        machine=header.machine or kinds.MachineLine(),
        swaps=tuple(header.swaps),
        zswap=header.zswap,
        sysctls=tuple(header.sysctls),
        files=tuple(header.files.values()),
        tmpfs=header.tmpfs,
        disk=header.disk,
        ops=tuple(body.ops),
        text=text,
    )


def _unreadable(path: str, problem: str) -> NoReturn:
    raise InputError(f"{path}: {problem}", hint="a scenario is a plain text file, one operation a line")


def load(path: str | Path) -> kinds.Scenario:
    """Read and parse the scenario file at *path*."""
    if why := why_not_read(str(path)):
        _unreadable(str(path), why)
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_SCENARIO_BYTES + 1)
    except (OSError, ValueError) as problem:
        _unreadable(str(path), f"cannot be read: {getattr(problem, 'strerror', None) or problem}")
    if len(data) > MAX_SCENARIO_BYTES:
        _unreadable(str(path), f"is larger than {MAX_SCENARIO_BYTES >> 20} MiB")
    if b"\0" in data:
        _unreadable(str(path), "is not text: it holds a NUL byte")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as problem:
        _unreadable(str(path), f"is not UTF-8 text: byte {problem.start}")
    return parse(text, str(path))
