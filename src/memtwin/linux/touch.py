"""Touching many pages at once: the loop that a workload spends its life in.

A batch of touches crosses from Python once.  Which pages it visits a pattern says (``scenario/patterns.py`` has the
same in Python); a page that is there and allows it is a hit, handled here; everything else goes to the fault handler
(``memory.py``).

Not a kernel file: the processor does this.  What a write leaves in a page is its **content tag**: a number that depends
on the operation, the page and what was there, whose low bits say how well the page compresses.
"""

import cython
from cython.cimports.libc.stdlib import calloc, free
from cython.cimports.libc.string import memset
from cython.cimports.memtwin.linux.core.state import (
    DEBUG,
    State,
    hooks,
    is_cut_off,
    local_clock,
    must_return,
    set_current,
    spend_ns,
    table_at,
    task_at,
)
from cython.cimports.memtwin.linux.mm.memory import access_page
from cython.cimports.memtwin.linux.mm.pgtable import CHECK_AT_TOUCH, check_tag, walk
from cython.cimports.memtwin.linux.pace import is_paced, keep_pace, pace_step

from memtwin.errors import HostMemoryError
from memtwin.linux.core.state import raise_if_broken

GOLDEN = cython.declare(u64, 0x9E3779B97F4A7C15)
HITS_PER_CHARGE = cython.declare(u32, 1024)


def content_tag(old: u64, opno: u64, page: u64, content: u32) -> u64:
    """The tag after operation *opno* wrote *content* to page number *page* of its region.

    A mark changes only the first 8 bytes: what compresses badly before it does so afterwards.
    """
    kind: u32 = content
    if content == CONTENT_ZERO:
        return 0
    if content == CONTENT_MARK:
        kind = old & CONTENT_MASK
        if kind == CONTENT_ZERO:
            kind = CONTENT_MARK
    else:
        old = 0
    return (((old ^ (opno << 32)) + page + 1) * GOLDEN & ~cython.cast(u64, CONTENT_MASK)) | kind


def splitmix64(state: cython.pointer(u64)) -> u64:
    """The scenario language's generator."""
    z: u64
    state[0] += GOLDEN
    z = state[0]
    z = (z ^ (z >> 30)) * cython.cast(u64, 0xBF58476D1CE4E5B9)
    z = (z ^ (z >> 27)) * cython.cast(u64, 0x94D049BB133111EB)
    return z ^ (z >> 31)


def draw(pattern: cython.pointer(Pattern), number: u64) -> u64:
    """The page that the *number*-th touch of a pattern visits."""
    x: u64
    y: u64
    u: cython.double
    v: cython.double
    if pattern.kind == PATTERN_SEQ:
        return number
    if pattern.kind == PATTERN_RAND:
        return splitmix64(cython.address(pattern.state)) % pattern.npages
    if pattern.kind == PATTERN_HOT:
        x = splitmix64(cython.address(pattern.state))
        y = splitmix64(cython.address(pattern.state))
        if x % 100 < pattern.prob or pattern.nhot >= pattern.npages:
            return y % pattern.nhot
        return pattern.nhot + y % (pattern.npages - pattern.nhot)
    u = cython.cast(cython.double, splitmix64(cython.address(pattern.state)) >> 11) * (1.0 / 9007199254740992.0)
    v = u
    for _ in range(1, pattern.exponent):
        v = v * u
    x = cython.cast(u64, v * cython.cast(cython.double, pattern.npages))
    return min(x, pattern.npages - 1)


def fill_pattern(pattern: cython.pointer(Pattern), kind: u32, npages: u64, touches: u64, seed: u64):
    """Set a pattern's kind, range, length and generator; seq visits every page once."""
    pattern.kind = kind
    pattern.npages = npages
    pattern.touches = npages if kind == PATTERN_SEQ else touches
    pattern.state = seed


def set_shape(pattern: cython.pointer(Pattern), hot_percent: u64, prob_percent: u64, exponent: u64):
    """Set how uneven a pattern is: hot and pow read this."""
    pattern.nhot = max(1, pattern.npages * hot_percent // 100)
    pattern.prob = prob_percent
    pattern.exponent = exponent


def next_touch(w: cython.pointer(Work)) -> u64:
    """The page of the next touch: drawn, or the one that was drawn when the batch stopped."""
    number: u64
    if w.pending < 0:
        return draw(cython.address(w.pattern), w.done)
    number = w.pending
    w.pending = -1
    return number


class Touch:
    """A run of touches that stops when time is up and goes on where it stopped.

    *kind*: 0 seq, 1 rand, 2 hot, 3 pow; *first_page*: number of the first page within its region, which goes into
    the content written; *bytes_per_s*: a rate to keep to, 0: none; *think_ns*: how long it sleeps after each touch.
    """

    def __init__(
        self,
        s: State,
        task: int,
        start_vpn: int,
        npages: int,
        write: bool,
        content: int = CONTENT_MARK,
        opno: int = 0,
        first_page: int = 0,
        kind: int = PATTERN_SEQ,
        touches: int = 0,
        seed: int = 0,
        hot_percent: int = 0,
        prob_percent: int = 0,
        exponent: int = 1,
        bytes_per_s: int = 0,
        think_ns: int = 0,
    ):
        w: cython.pointer(Work) = cython.address(self.work)
        self.s = s
        w.kind = WORK_TOUCH
        w.task = task
        w.start = start_vpn
        w.first_page = first_page
        w.write = write
        w.content = content
        w.opno = opno
        fill_pattern(cython.address(w.pattern), kind, npages, touches, seed)
        set_shape(cython.address(w.pattern), hot_percent, prob_percent, exponent)
        w.pace.bytes_per_s = bytes_per_s
        w.pace.think_ns = think_ns
        w.pending = -1
        w.nr_leaves = (npages >> 9) + 2
        w.leaves = cython.cast(cython.pointer(cython.pointer(Table)), calloc(w.nr_leaves, cython.sizeof(cython.p_void)))
        if w.leaves == cython.NULL:
            raise HostMemoryError(f"touching {npages:,} pages", w.nr_leaves * cython.sizeof(cython.p_void))

    def __dealloc__(self):
        free(self.work.leaves)

    @property
    def done(self) -> int:
        """Touches made."""
        return self.work.done

    def run(self, until_ns: int = (1 << 64) - 1) -> int:
        """Touch until done (0), until the clock reaches *until_ns* (``AGAIN``), or until an Outcome stops it."""
        code: u32
        until: u64 = until_ns
        s: State = self.s
        with cython.nogil:
            set_current(s, self.work.task)
            forget_leaves(s, cython.address(self.work))
            code = touch_on(s, cython.address(self.work), until)
        raise_if_broken(s)
        return code


def forget_leaves(s: State, w: cython.pointer(Work)):
    """Forget the tables that were found."""
    w.walks = s.node_data[0].lruvec.mm_state.walks
    memset(w.leaves, 0, w.nr_leaves * cython.sizeof(cython.p_void))


def remember_walks(s: State, w: cython.pointer(Work)):
    """After others ran: a walk may have cleared that tables were used, and the next use of each sets that again."""
    if w.walks != s.node_data[0].lruvec.mm_state.walks:
        forget_leaves(s, w)


def find_leaf(s: State, w: cython.pointer(Work), vpn: u64) -> cython.pointer(Table):
    """The table that maps a page which is there now."""
    slot: u64 = (vpn >> 9) - (w.start >> 9)
    remember_walks(s, w)
    if w.leaves[slot] == cython.NULL:
        w.leaves[slot] = table_at(s, walk(s, task_at(s, w.task).mm, vpn))
    return w.leaves[slot]


def fault_in(s: State, w: cython.pointer(Work), vpn: u64) -> u32:
    """Have a page there as the touch wants it; returns an Outcome."""
    code: u32 = access_page(s, w.task, vpn, w.write)
    return AGAIN if code == OK and (is_cut_off(s) or must_return(s)) else code


def touch_pace(s: State, w: cython.pointer(Work), until_ns: u64) -> cython.bint:
    """After a touch: sleep as the pace demands; returns whether the next follows now."""
    if not is_paced(cython.address(w.pace)) or w.done == w.pattern.touches:
        return True
    pace_step(s, cython.address(w.pace), w.done << 12)
    return keep_pace(s, cython.address(w.pace), until_ns)


def touch_ns(s: State, w: cython.pointer(Work)) -> u64:
    """What touching a page costs that is there."""
    return s.cost_ns[COST_HIT] + (s.cost_ns[COST_FILL + w.content] if w.write else 0)


def is_over(s: State, w: cython.pointer(Work), ns: u64, until_ns: u64) -> cython.bint:
    """Charge *ns*; then others may run, or the program sleeps; whether the batch ends here.

    For it is time, a signal has come, the task was killed, or a runner's work has ended.
    """
    yields: cython.bint = s.rq.resched
    spend_ns(s, ns)
    if yields:
        hooks.cond_resched(s)
        remember_walks(s, w)
    if task_at(s, w.task).killed or not touch_pace(s, w, until_ns):
        return True
    return local_clock(s) >= until_ns or is_cut_off(s) or (s.nr_ended != 0 and not s.runner)


def touch_on(s: State, w: cython.pointer(Work), until_ns: u64) -> u32:
    """Go on touching, after the rest of a sleep."""
    return touch_batch(s, w, until_ns) if keep_pace(s, cython.address(w.pace), until_ns) else AGAIN


def hits_before(s: State, w: cython.pointer(Work), hit_ns: u64, until_ns: u64) -> u64:
    """How many touches of pages that are there are charged at once: what fits before *until_ns*, 1,024 at most.

    A program that keeps a pace is charged for each.  With more than one CPU the main line is charged up to the next
    event: then a piece of work beside it ends, and the next may begin.
    """
    now: u64 = local_clock(s)
    if s.nr_cpus > 1 and not s.runner and s.next_event_ns < until_ns:
        until_ns = max(s.next_event_ns, now + 1)
    if now >= until_ns or is_paced(cython.address(w.pace)):
        return 0
    return min(HITS_PER_CHARGE, (until_ns - now + hit_ns - 1) // hit_ns) if hit_ns else HITS_PER_CHARGE


def touch_batch(s: State, w: cython.pointer(Work), until_ns: u64) -> u32:
    """The loop: pages that are there are handled here, the rest by the fault handler."""
    pages: cython.pointer(Page) = s.pages
    page: cython.pointer(Page)
    leaf: cython.pointer(Table)
    entry: cython.pointer(u64)
    wanted: u64 = PTE_PRESENT | PTE_WRITE if w.write else PTE_PRESENT
    bits: u64 = PTE_ACCESSED | PTE_DIRTY if w.write else PTE_ACCESSED
    hit_ns: u64 = touch_ns(s, w)
    number: u64
    vpn: u64
    at: u32
    code: u32
    hits: u64 = 0
    most: u64 = hits_before(s, w, hit_ns, until_ns)
    rq: cython.pointer(Rq) = cython.address(s.rq)
    while w.done < w.pattern.touches:
        number = next_touch(w)
        vpn = w.start + number
        at = vpn & (PTRS_PER_TABLE - 1)
        leaf = w.leaves[(vpn >> 9) - (w.start >> 9)]
        if leaf == cython.NULL or leaf.entry[at] & wanted != wanted:
            spend_ns(s, hits * hit_ns)
            hits = 0
            code = fault_in(s, w, vpn)
            if code != OK:
                w.pending = number
                return code
            if leaf == cython.NULL or w.walks != s.node_data[0].lruvec.mm_state.walks:
                leaf = find_leaf(s, w, vpn)
            most = hits_before(s, w, hit_ns, until_ns)
        entry = cython.address(leaf.entry[at])
        entry[0] |= bits
        if DEBUG and not entry[0] & PTE_SPECIAL:
            check_tag(s, leaf.tag[at], entry[0] >> 12, CHECK_AT_TOUCH)
        if w.write:
            page = cython.address(pages[entry[0] >> 12])
            page.tag = content_tag(page.tag, w.opno, w.first_page + number, w.content)
            leaf.tag[at] = page.tag
        w.done += 1
        hits += 1
        if rq.resched or hits >= most:
            if is_over(s, w, hits * hit_ns, until_ns):
                hits = 0
                break
            hits = 0
            most = hits_before(s, w, hit_ns, until_ns)
    spend_ns(s, hits * hit_ns)
    if w.done == w.pattern.touches:
        return OK
    return KILLED if task_at(s, w.task).killed else AGAIN


def drawn(
    kind: int, touches: int, seed: int, hot_percent: int, prob_percent: int, exponent: int, npages: int
) -> list[int]:
    """The pages that a pattern visits, in order: for holding it against the language's own generator."""
    pattern: Pattern
    fill_pattern(cython.address(pattern), kind, npages, touches, seed)
    set_shape(cython.address(pattern), hot_percent, prob_percent, exponent)
    return [draw(cython.address(pattern), number) for number in range(pattern.touches)]
