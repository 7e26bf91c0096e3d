"""Scenario text to dataclasses, and every complaint about it: path, line number, line, what was expected."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from memtwin.errors import InputError, ScenarioError
from memtwin.scenario import lines as kinds
from memtwin.scenario.patterns import Hot, Pattern, Pow, Rand, Seq
from memtwin.units import PAGE_SHIFT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PAGE_BYTES: Final = 1 << PAGE_SHIFT
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "P": PAGE_BYTES}
_SIZE: Final = re.compile(r"([0-9]{1,19})([KMGP]?)")
_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")
_SECONDS: Final = re.compile(r"([0-9]{0,9})(?:\.([0-9]{0,18}))?")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,30}")
_REGION: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}")
_FILE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_KERNEL: Final = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")
_SETTING: Final = re.compile(r"([a-z][a-z0-9_-]*(?:[./][A-Za-z0-9_-]+)+)=(.+)")
_MAX_BYTES: Final = (1 << 63) - 1
_MAX_SEED: Final = (1 << 64) - 1

T = TypeVar("T", bound=str)


class _Line:
    """One line cut into words, and what its words may be. *index* is the number of the operation to come."""

    def __init__(self, path: str, lineno: int, words: list[str], index: int) -> None:
        self.path, self.lineno, self.words, self.index = path, lineno, words, index
        self.text = " ".join(words)

    def error(self, expected: str, *, hint: str | None = None) -> ScenarioError:
        return ScenarioError(self.path, self.lineno, self.text, expected, hint=hint)

    def counted(self, usage: str, low: int, high: int) -> list[str]:
        """Return the words if their number lies in *low* .. *high*; *usage* says what the line looks like."""
        if not low <= len(self.words) <= high:
            said = "too few words" if len(self.words) < low else "too many words"
            raise self.error(f"`{usage}`", hint=f"{said}: {len(self.words)}")
        return self.words

    def size(self, word: str, what: str) -> int:
        match = _SIZE.fullmatch(word)
        if not match:
            raise self.error(f"{what} as bytes with an optional K, M, G or P (pages of 4096), not {word!r}")
        size_bytes = int(match[1]) * _UNITS[match[2]]
        if size_bytes > _MAX_BYTES:
            raise self.error(f"{what} below 2^63 bytes, not {word!r}")
        return size_bytes

    def whole_pages(self, word: str, what: str) -> int:
        """Return a SIZE that must be whole pages, in bytes."""
        size_bytes = self.size(word, what)
        if size_bytes % PAGE_BYTES:
            raise self.error(f"{what} in whole pages of 4096 bytes, not {word!r}")
        return size_bytes

    def page_range(self, offset: str, length: str) -> tuple[int, int]:
        """Return OFF and LEN in pages."""
        return self.whole_pages(offset, "OFF") >> PAGE_SHIFT, self.whole_pages(length, "LEN") >> PAGE_SHIFT

    def integer(self, word: str, what: str, low: int, high: int) -> int:
        value = int(word) if _INTEGER.fullmatch(word) else None
        if value is None or not low <= value <= high:
            raise self.error(f"{what} as an integer {low}..{high}, not {word!r}")
        return value

    def one_of(self, word: str, what: str, choices: Sequence[T]) -> T:
        for choice in choices:
            if word == choice:
                return choice
        raise self.error(f"{what}: one of {', '.join(choices)}, not {word!r}", hint=_like(word, choices))

    def named(self, word: str, what: str, form: re.Pattern[str]) -> str:
        if not form.fullmatch(word):
            raise self.error(f"{what}: letters, digits, '_', '.' and '-', starting with a letter, not {word!r}")
        return word

    def options(self, words: Iterable[str], allowed: Sequence[str]) -> dict[str, str]:
        """Return the ``key=value`` *words*; each key is one of *allowed* and comes once."""
        found: dict[str, str] = {}
        for word in words:
            key, equals, value = word.partition("=")
            if not equals or not value:
                raise self.error(f"key=value with a key of {', '.join(allowed)}, not {word!r}")
            self.one_of(key, "a key", allowed)
            if key in found:
                raise self.error(f"{key}= once")
            found[key] = value
        return found

    def setting(self, word: str) -> tuple[str, str]:
        match = _SETTING.fullmatch(word)
        if not match:
            raise self.error("NAME=VALUE such as vm.swappiness=60", hint="a `,` in VALUE stands for a blank")
        return match[1], match[2].replace(",", " ")

    def pattern(self, word: str) -> Pattern:
        parts = word.split(":")
        if parts == ["seq"]:
            return Seq()
        if parts[0] in {"rand", "hot", "pow"} and len(parts) > 2:
            n, seed = (
                self.integer(parts[1], "N", 0, _MAX_BYTES),
                self.integer(parts[-1], "SEED", 0, _MAX_SEED),
            )
            if parts[0] == "rand" and len(parts) == 3:
                return Rand(n, seed)
            if parts[0] == "hot" and len(parts) == 5:
                hot, prob = (self.integer(part.rstrip("%"), "a percentage", 0, 100) for part in parts[2:4])
                return Hot(n, hot, prob, seed)
            if parts[0] == "pow" and len(parts) == 4:
                return Pow(n, self.integer(parts[2], "A", 1, 16), seed)
        raise self.error(f"PATTERN seq, rand:N:SEED, hot:N:H%:P%:SEED or pow:N:A:SEED, not {word!r}")


def _like(word: str, choices: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - wanted only for a mistake

    near = get_close_matches(word, list(choices), n=1)
    return f"did you mean `{near[0]}`?" if near else None


# -------------------------------------------------------------------------------------------------- header


def _machine(line: _Line) -> kinds.MachineLine:
    given = line.options(line.words[1:], ("ram", "cpus", "kernel", "thp", "lru_gen", "cmdline"))
    default = kinds.MachineLine()
    ram_bytes = line.size(given["ram"], "ram") if "ram" in given else default.ram_bytes
    if ram_bytes < 1 << 20 or ram_bytes % (1 << 20):
        raise line.error(f"ram in whole MiB, not {given['ram']!r}")
    kernel = given.get("kernel", default.kernel)
    if not _KERNEL.fullmatch(kernel):
        raise line.error(f"a kernel version such as 6.1, not {kernel!r}")
    return kinds.MachineLine(
        ram_bytes=ram_bytes,
        cpus=line.integer(given.get("cpus", str(default.cpus)), "cpus", 1, 4096),
        kernel=kernel,
        thp=line.one_of(given.get("thp", default.thp), "thp", kinds.THPS),
        lru_gen=line.one_of(given["lru_gen"], "lru_gen", kinds.ON_OFF) if "lru_gen" in given else None,
        cmdline=tuple(word for word in given.get("cmdline", "").split(",") if word),
        given=frozenset(given),
    )


def _swap(line: _Line) -> kinds.SwapDisk | kinds.SwapZram:
    usage = "swap disk size=SIZE [prio=N] [rot=0|1]` or `swap zram size=SIZE [algo=NAME] [prio=N]"
    words = line.counted(usage, 3, 5)
    kind = line.one_of(words[1], "a kind of swap", ("disk", "zram"))
    given = line.options(words[2:], ("size", "prio", "rot") if kind == "disk" else ("size", "prio", "algo"))
    if "size" not in given:
        raise line.error(f"`{usage}`", hint="size= is missing")
    size_bytes = line.whole_pages(given["size"], "size")
    prio = line.integer(given.get("prio", "-2" if kind == "disk" else "100"), "prio", -32768, 32767)
    if kind == "disk":
        rot = line.integer(given["rot"], "rot", 0, 1) if "rot" in given else None
        return kinds.SwapDisk(size_bytes, prio=prio, rot=rot)
    algo = line.one_of(given.get("algo", "lzo-rle"), "algo", kinds.ZRAM_ALGORITHMS)
    return kinds.SwapZram(size_bytes, algo=algo, prio=prio)


def _file(line: _Line) -> kinds.FileDef:
    words = line.counted("file NAME SIZE [content=random|zero]", 3, 4)
    given = line.options(words[3:], ("content",))
    content = line.one_of(given.get("content", "random"), "content", kinds.FILE_CONTENTS)
    return kinds.FileDef(line.named(words[1], "a file's name", _FILE), line.size(words[2], "SIZE"), content)


class _Header:
    """The header lines so far."""

    def __init__(self) -> None:
        self.machine: kinds.MachineLine | None = None
        self.swaps: list[kinds.SwapDisk | kinds.SwapZram] = []
        self.sysctls: list[kinds.Sysctl] = []
        self.files: list[kinds.FileDef] = []

    def take(self, line: _Line) -> None:
        match line.words[0]:
            case "machine":
                if self.machine:
                    raise line.error("one machine line")
                self.machine = _machine(line)
            case "swap":
                swap = _swap(line)
                if any(swap.name == other.name for other in self.swaps):
                    raise line.error(f"at most one swap of each kind; this is the second {swap.name}")
                self.swaps.append(swap)
            case "sysctl":
                self.sysctls.append(kinds.Sysctl(*line.setting(line.counted("sysctl NAME=VALUE", 2, 2)[1])))
            case _:
                file = _file(line)
                if any(file.name == other.name for other in self.files):
                    raise line.error(f"each file once; {file.name!r} is already there")
                self.files.append(file)


# ----------------------------------------------------------------------------------------------------- ops


class _Body:
    """The operations so far, and the names that a later line may use."""

    def __init__(self) -> None:
        self.ops: list[kinds.Op] = []
        self.regions: dict[str, set[str]] = {}  # process -> every region that it ever mapped
        self.labels: set[str] = set()

    def take(self, line: _Line) -> None:
        first = line.words[0]
        if first in self.regions and (len(line.words) > 1 or first not in _GLOBAL):
            self.ops.append(self._worker_op(line))
        elif first in _GLOBAL:
            self.ops.append(_GLOBAL[first](self, line))
        elif first in kinds.HEADER_WORDS:
            raise line.error("an operation: header lines stand before the first one")
        elif len(line.words) > 1 and line.words[1] in _WORKER:
            hint = _like(first, self.regions) or f"start it with `proc {first}`"
            raise line.error(f"a process started before, not {first!r}", hint=hint)
        else:
            choices = (*_GLOBAL, *self.regions) if self.ops else (*kinds.HEADER_WORDS, *_GLOBAL)
            raise line.error("an operation or the name of a process", hint=_like(first, choices))

    def _worker_op(self, line: _Line) -> kinds.Op:
        if len(line.words) < 2:
            raise line.error(f"`{line.words[0]} OPERATION ...`")
        verb = line.words[1]
        if verb not in _WORKER:
            raise line.error("an operation of a process after its name", hint=_like(verb, _WORKER))
        return _WORKER[verb](self, line)

    def fresh_process(self, line: _Line, name: str) -> str:
        line.named(name, "a process's name", _NAME)
        if name in self.regions:
            raise line.error(f"a new process name; {name!r} is already used")
        if name in {"proc", "sleep", "drop_caches", "checkpoint", "sysctl"}:
            raise line.error(f"a process name that is no operation, not {name!r}")
        return name

    def map_region(self, line: _Line) -> str:
        region = line.named(line.words[2], "a region's name", _REGION)
        self.regions[line.words[0]].add(region)
        return region

    def region(self, line: _Line) -> str:
        name, regions = line.words[2], self.regions[line.words[0]]
        if name not in regions:
            hint = _like(name, regions) or f"map it with `{line.words[0]} mmap {name} SIZE`"
            raise line.error(f"a region that {line.words[0]} mapped before, not {name!r}", hint=hint)
        return name


def _proc(body: _Body, line: _Line) -> kinds.Op:
    words = line.counted("proc NAME [adj=N]", 2, 3)
    adj = line.integer(line.options(words[2:], ("adj",)).get("adj", "0"), "adj", -1000, 1000)
    name = body.fresh_process(line, words[1])
    body.regions[name] = set()
    return kinds.Proc(line.index, line.lineno, line.text, name, adj)


def _sleep(_body: _Body, line: _Line) -> kinds.Op:
    word = line.counted("sleep SECONDS", 2, 2)[1]
    match = _SECONDS.fullmatch(word)
    if not match or not (match[1] or match[2]):
        raise line.error(f"SECONDS as a decimal number, not {word!r}")
    sleep_ns = int(match[1] or 0) * 1_000_000_000 + int((match[2] or "").ljust(9, "0")[:9])
    return kinds.Sleep(line.index, line.lineno, line.text, sleep_ns)


def _sync(_body: _Body, line: _Line) -> kinds.Op:
    line.counted("sync", 1, 1)
    return kinds.Sync(line.index, line.lineno, line.text)


def _compact(_body: _Body, line: _Line) -> kinds.Op:
    line.counted("compact", 1, 1)
    return kinds.Compact(line.index, line.lineno, line.text)


def _drop_caches(_body: _Body, line: _Line) -> kinds.Op:
    value = line.integer(line.counted("drop_caches N", 2, 2)[1], "N", 1, 4)
    return kinds.DropCaches(line.index, line.lineno, line.text, value)


def _sysctl(_body: _Body, line: _Line) -> kinds.Op:
    name, value = line.setting(line.counted("sysctl NAME=VALUE", 2, 2)[1])
    return kinds.SetSysctl(line.index, line.lineno, line.text, name, value)


def _checkpoint(body: _Body, line: _Line) -> kinds.Op:
    label = line.named(line.counted("checkpoint LABEL", 2, 2)[1], "a label", _NAME)
    if label in kinds.RESERVED_LABELS:
        raise line.error(f"another label: {label!r} is a name that every run uses itself")
    if label in body.labels:
        raise line.error(f"a new label; {label!r} is already used")
    body.labels.add(label)
    return kinds.Checkpoint(line.index, line.lineno, line.text, label)


def _mmap(body: _Body, line: _Line) -> kinds.Op:
    words = line.counted("NAME mmap REGION SIZE", 4, 4)
    size_bytes = line.whole_pages(words[3], "SIZE")
    return kinds.Mmap(line.index, line.lineno, line.text, words[0], body.map_region(line), size_bytes)


def _fmap(body: _Body, line: _Line) -> kinds.Op:
    words = line.counted("NAME fmap REGION FILE shared|private", 5, 5)
    file = line.named(words[3], "a file's name", _FILE)
    shared = line.one_of(words[4], "a kind of mapping", kinds.SHARINGS) == "shared"
    return kinds.Fmap(line.index, line.lineno, line.text, words[0], body.map_region(line), file, shared)


def _touch(body: _Body, line: _Line) -> kinds.Op:
    words = line.counted("NAME touch REGION OFF LEN r|w PATTERN [content=C]", 7, 8)
    region = body.region(line)
    offset, npages = line.page_range(words[3], words[4])
    write = line.one_of(words[5], "r or w", kinds.ACCESSES) == "w"
    pattern = line.pattern(words[6])
    if not npages and not isinstance(pattern, Seq):
        raise line.error("LEN of at least a page to draw from")
    given = line.options(words[7:], ("content",))
    content = line.one_of(given.get("content", "mark"), "content", kinds.CONTENTS)
    place = (line.index, line.lineno, line.text, words[0])
    return kinds.Touch(*place, region, offset, npages, write, pattern, content)


def _file_io(make: type[kinds.Fread | kinds.Fwrite]) -> Callable[[_Body, _Line], kinds.Op]:
    verb = make.__name__.lower()

    def parse_op(_body: _Body, line: _Line) -> kinds.Op:
        words = line.counted(f"NAME {verb} FILE OFF LEN CHUNK [seq|rand:N:SEED]", 6, 7)
        file = line.named(words[2], "a file's name", _FILE)
        offset, length, chunk = (line.size(*pair) for pair in zip(words[3:6], ("OFF", "LEN", "CHUNK"), strict=True))
        if not 0 < chunk <= kinds.MAX_CHUNK_BYTES or length % chunk:
            raise line.error(f"CHUNK of at most 1M that divides LEN, not {words[5]!r}")
        pattern = line.pattern(words[6]) if len(words) > 6 else Seq()
        if not isinstance(pattern, Seq | Rand):
            raise line.error("seq or rand:N:SEED: the other patterns are for touch")
        if not length and isinstance(pattern, Rand):
            raise line.error("LEN of at least a chunk to draw from")
        return make(line.index, line.lineno, line.text, words[0], file, offset, length, chunk, pattern)

    return parse_op


def _fsync(_body: _Body, line: _Line) -> kinds.Op:
    words = line.counted("NAME fsync FILE", 3, 3)
    return kinds.Fsync(line.index, line.lineno, line.text, words[0], line.named(words[2], "a file's name", _FILE))


def _madvise(body: _Body, line: _Line) -> kinds.Op:
    words = line.counted("NAME madvise REGION OFF LEN ADVICE", 6, 6)
    region, (offset, npages) = body.region(line), line.page_range(words[3], words[4])
    advice = line.one_of(words[5], "ADVICE", kinds.ADVICES)
    return kinds.Madvise(line.index, line.lineno, line.text, words[0], region, offset, npages, advice)


def _lock(make: type[kinds.Mlock | kinds.Munlock]) -> Callable[[_Body, _Line], kinds.Op]:
    def parse_op(body: _Body, line: _Line) -> kinds.Op:
        words = line.counted(f"NAME {make.__name__.lower()} REGION OFF LEN", 5, 5)
        region, (offset, npages) = body.region(line), line.page_range(words[3], words[4])
        return make(line.index, line.lineno, line.text, words[0], region, offset, npages)

    return parse_op


def _munmap(body: _Body, line: _Line) -> kinds.Op:
    words = line.counted("NAME munmap REGION", 3, 3)
    return kinds.Munmap(line.index, line.lineno, line.text, words[0], body.region(line))


def _fork(body: _Body, line: _Line) -> kinds.Op:
    words = line.counted("NAME fork CHILD", 3, 3)
    child = body.fresh_process(line, words[2])
    body.regions[child] = set(body.regions[words[0]])
    return kinds.Fork(line.index, line.lineno, line.text, words[0], child)


def _end(make: type[kinds.Exit | kinds.Kill]) -> Callable[[_Body, _Line], kinds.Op]:
    def parse_op(_body: _Body, line: _Line) -> kinds.Op:
        words = line.counted(f"NAME {make.__name__.lower()}", 2, 2)
        return make(line.index, line.lineno, line.text, words[0])

    return parse_op


_GLOBAL: Final[dict[str, Callable[[_Body, _Line], kinds.Op]]] = {
    "proc": _proc,
    "sleep": _sleep,
    "sync": _sync,
    "drop_caches": _drop_caches,
    "compact": _compact,
    "sysctl": _sysctl,
    "checkpoint": _checkpoint,
}
_WORKER: Final[dict[str, Callable[[_Body, _Line], kinds.Op]]] = {
    "mmap": _mmap,
    "fmap": _fmap,
    "touch": _touch,
    "fread": _file_io(kinds.Fread),
    "fwrite": _file_io(kinds.Fwrite),
    "fsync": _fsync,
    "madvise": _madvise,
    "mlock": _lock(kinds.Mlock),
    "munlock": _lock(kinds.Munlock),
    "munmap": _munmap,
    "fork": _fork,
    "exit": _end(kinds.Exit),
    "kill": _end(kinds.Kill),
}


# --------------------------------------------------------------------------------------------------- files


def parse(text: str, path: str = "<scenario>") -> kinds.Scenario:
    """Return the scenario that *text* says; *path* is its name in messages."""
    header, body = _Header(), _Body()
    for lineno, raw in enumerate(text.split("\n"), 1):
        words = raw.split("#", 1)[0].split()
        if not words:
            continue
        line = _Line(path, lineno, words, len(body.ops))
        if not body.ops and words[0] in kinds.HEADER_WORDS:
            header.take(line)
        else:
            body.take(line)
    return kinds.Scenario(
        path=path,
        machine=header.machine or kinds.MachineLine(),
        swaps=tuple(header.swaps),
        sysctls=tuple(header.sysctls),
        files=tuple(header.files),
        ops=tuple(body.ops),
        text=text,
    )


def _unreadable(path: str, problem: str) -> NoReturn:
    raise InputError(f"{path}: {problem}", hint="a scenario is a plain text file, one operation a line")


def load(path: str | Path) -> kinds.Scenario:
    """Read and parse the scenario file at *path*."""
    try:
        data = Path(path).read_bytes()
    except OSError as problem:
        _unreadable(str(path), f"cannot be read: {problem.strerror or problem}")
    if b"\0" in data:
        _unreadable(str(path), "is not text: it holds a NUL byte")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as problem:
        _unreadable(str(path), f"is not UTF-8 text: byte {problem.start}")
    return parse(text, str(path))
