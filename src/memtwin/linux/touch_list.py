"""Touching listed pages one after another, in an order that is drawn: what a replayed program did.

Each step of a list is a batch of touches of its own (``touch.py``), as if a line of the scenario named it; a list of
a million pages crosses from Python once. ``scenario/patterns.py`` has the same order in Python.

Not a kernel file: the processor does this.
"""

import cython
from cython.cimports.libc.stdlib import calloc, free
from cython.cimports.libc.string import memset
from cython.cimports.memtwin.linux.core.host_memory import host_memory
from cython.cimports.memtwin.linux.core.state import State, set_current
from cython.cimports.memtwin.linux.touch import fill_pattern, forget_leaves, set_shape, splitmix64, touch_on

from memtwin.errors import HostMemoryError
from memtwin.linux.core.state import raise_if_broken

NS_PER_S = cython.declare(u64, 1_000_000_000)


class TouchList:
    """The touches of a list of pages; it stops at each whole second, and goes on where it stopped.

    *runs*: (first page, pages) from *start_vpn* on. Without a *seed* each is a step; with one each page is, runs are
    walked beside one another, and which goes on is drawn. *read*: a bit for each page that is only read, from the
    lowest bit of the first byte on.
    """

    def __init__(
        self,
        s: State,
        task: int,
        start_vpn: int,
        runs: list[tuple[int, int]],
        write: bool,
        content: int,
        opno: int,
        first_page: int,
        seed: int | None,
        read: bytes,
    ):
        self.s, self.task, self.start, self.first_page = s, task, start_vpn, first_page
        self.write, self.content, self.opno = write, content, opno
        self.nr = len(runs) if seed is None else sum(length for _, length in runs)
        longest = max(length for _, length in runs)
        self.work.nr_leaves = (longest >> 9) + 2
        self.work.leaves = cython.cast(
            cython.pointer(cython.pointer(Table)), calloc(self.work.nr_leaves, cython.sizeof(cython.p_void))
        )
        self.steps = cython.cast(cython.pointer(Step), calloc(self.nr, cython.sizeof(Step)))
        if self.work.leaves == cython.NULL or self.steps == cython.NULL:
            raise HostMemoryError(f"touching {self.nr:,} pages", self.nr * cython.sizeof(Step))
        if seed is not None:
            self.draw(runs, seed, read)
            return
        for number, (first, length) in enumerate(runs):
            self.steps[number].first, self.steps[number].pages = first, length

    def __dealloc__(self):
        free(self.work.leaves)
        free(self.steps)

    def draw(self, runs: list[tuple[int, int]], seed: u64, read: bytes):
        """Draw the order of the pages: the run of each step by what is left of each, its pages upwards."""
        turns: cython.pointer(u32) = cython.cast(cython.pointer(u32), calloc(self.nr, cython.sizeof(u32)))
        ahead: cython.pointer(u64) = cython.cast(cython.pointer(u64), calloc(len(runs), cython.sizeof(u64)))
        known: u64 = len(read)
        at: u64 = 0
        number: u32
        drawn: u64
        page: u64
        if turns == cython.NULL or ahead == cython.NULL:
            free(turns)
            free(ahead)
            raise HostMemoryError(f"touching {self.nr:,} pages", self.nr * cython.sizeof(Step))
        for number in range(len(runs)):
            ahead[number] = runs[number][0]
            for _ in range(runs[number][1]):
                turns[at] = number
                at += 1
        for at in range(self.nr):
            drawn = splitmix64(cython.address(seed)) % (self.nr - at)
            number = turns[drawn]
            turns[drawn] = turns[self.nr - 1 - at]
            page = ahead[number]
            ahead[number] += 1
            self.steps[at].first, self.steps[at].pages = page, 1
            self.steps[at].is_read = page >> 3 < known and read[page >> 3] >> (page & 7) & 1
        free(turns)
        free(ahead)

    @property
    def done(self) -> int:
        """Touches made."""
        return self.done_before + (self.work.done if self.is_under_way else 0)

    @property
    def order(self) -> list[tuple[int, int, bool]]:
        """The steps: for holding them against the language's own."""
        return [(self.steps[i].first, self.steps[i].pages, self.steps[i].is_read != 0) for i in range(self.nr)]

    @property
    def began_ns(self) -> int:
        """When the step began that is under way."""
        return self.began

    @property
    def until_ns(self) -> int:
        """When it stops: at the next whole second, or what :meth:`run` was given."""
        return self.until

    def run(self, until_ns: int = 0) -> int:
        """Touch until all is done (0), until the clock reaches :attr:`until_ns` (``AGAIN``), or an Outcome stops it.

        *until_ns*: when the step that is under way stops next.
        """
        code: u32 = OK
        s: State = self.s
        w: cython.pointer(Work) = cython.address(self.work)
        self.until = until_ns
        with cython.nogil:
            while self.at < self.nr and code == OK and not s.cut_off and not s.broken and not host_memory.missing:
                if not self.is_under_way:
                    self.begin()
                set_current(s, w.task)
                forget_leaves(s, w)
                code = touch_on(s, w, self.until)
                if code == OK:
                    self.done_before += w.done
                    self.at += 1
                    self.is_under_way = False
        raise_if_broken(s)
        return code

    def begin(self):
        """Begin the next step."""
        w: cython.pointer(Work) = cython.address(self.work)
        leaves: cython.pointer(cython.pointer(Table)) = w.leaves
        nr_leaves: u64 = w.nr_leaves
        step: cython.pointer(Step) = cython.address(self.steps[self.at])
        memset(w, 0, cython.sizeof(Work))
        w.kind = WORK_TOUCH
        w.task = self.task
        w.start = self.start + step.first
        w.first_page = self.first_page + step.first
        w.write = self.write and not step.is_read
        w.content = self.content
        w.opno = self.opno
        fill_pattern(cython.address(w.pattern), PATTERN_SEQ, step.pages, 0, 0)
        set_shape(cython.address(w.pattern), 0, 0, 1)
        w.pending = -1
        w.leaves, w.nr_leaves = leaves, nr_leaves
        self.began = self.s.now_ns
        self.until = (self.s.now_ns // NS_PER_S + 1) * NS_PER_S
        self.is_under_way = True
