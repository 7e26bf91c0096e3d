"""Tasks side by side: work that a task does in pieces, beside what else runs.

A **runner** is a task with one operation of its program to do: which, where in it, what it waits for, and what its
request for memory has to remember, all in a record of the machine's arrays (``struct Runner``).  It is scheduled as the
kernel's threads are.  Its turn is a piece of some 20 us: a fault, pages that are there, a part of a read or write.
Where it has to wait it returns up the stack (``wait.py``); the step is retried when what it waited for has come.

So no stack is ever switched, and a copy of the machine between two pieces is a copy of its arrays.  The price: a piece
is not interrupted; it yields the CPU some microseconds later than it might, in direct reclaim some hundred.

Follows kernel/sched/core.c of Linux 6.1 in when a task sleeps and wakes; the kernel has stacks.
"""

import cython
from cython.cimports.libc.stdlib import free
from cython.cimports.libc.string import memset
from cython.cimports.memtwin.linux.core.host_memory import host_zeroed
from cython.cimports.memtwin.linux.core.state import (
    State,
    file_at,
    local_clock,
    must_return,
    set_current,
    spend_ns,
    task_at,
)
from cython.cimports.memtwin.linux.fs.fs_writeback import filemap_flush, release_file, write_all
from cython.cimports.memtwin.linux.fs.read_write import FileIo, io_batch, put_read_batch
from cython.cimports.memtwin.linux.kernel.sched.wait import finish_wait, wait_is_over
from cython.cimports.memtwin.linux.mm.mmap import do_munmap
from cython.cimports.memtwin.linux.mm.oom_kill import exit_victim
from cython.cimports.memtwin.linux.mm.page_io import finish_plug
from cython.cimports.memtwin.linux.mm.page_writeback import balance_dirty_pages
from cython.cimports.memtwin.linux.touch import Touch, remember_walks, touch_ns, touch_on

from memtwin.linux.core.host_memory import raise_if_short
from memtwin.linux.records import Ended

SOURCE = "kernel/sched/core.c", "v6.1"


def runner_runnable(s: State, entity: u32) -> cython.bint:
    """Whether a runner has work that it can do now."""
    r: cython.pointer(Runner) = cython.address(s.runners[entity - NR_SCHED_ENTITIES])
    if r.work.kind == WORK_NONE or s.entities[entity].busy_until_ns > s.now_ns:
        return False
    return r.wait == WAIT_NONE or wait_is_over(s, r) or task_at(s, r.work.task).killed


def work_step(s: State, w: cython.pointer(Work), until_ns: u64) -> u32:
    """Do a piece of an operation; returns an Outcome, AGAIN: there is more to do."""
    if w.kind == WORK_TOUCH:
        remember_walks(s, w)
        return touch_on(s, w, until_ns)
    if w.kind == WORK_IO:
        return io_batch(s, w, until_ns)
    if w.kind == WORK_MUNMAP:
        spend_ns(s, s.cost_ns[COST_SYSCALL])
        return do_munmap(s, w.task, w.start, w.unmapped)
    if w.kind == WORK_CLOSE:
        if not w.is_begun:
            w.is_begun = True
            w.file = release_file(s, w.filp)
        if w.file:
            filemap_flush(s, w.file, True)
        return OK
    write_all(s, w.file)
    return AGAIN if file_at(s, w.file).nr_dirty or file_at(s, w.file).nr_writeback else OK


def end_work(s: State, r: cython.pointer(Runner)):
    """A runner's operation is over; of one aside the time has passed now that its last piece took."""
    put_read_batch(s, cython.address(r.work))
    free(r.work.leaves)
    r.work.leaves = cython.NULL
    r.work.nr_leaves = 0
    r.work.kind = WORK_NONE
    r.has_ended = True
    r.ended_ns = s.now_ns
    s.nr_ended += 1
    s.nr_runners -= 1


def runner_step(s: State, entity: u32) -> u64:
    """Do one piece of a runner's work; returns how much of its time was the program's own, in ns."""
    r: cython.pointer(Runner) = cython.address(s.runners[entity - NR_SCHED_ENTITIES])
    done: u64 = r.work.done
    touched_ns: u64 = touch_ns(s, cython.address(r.work)) if r.work.kind == WORK_TOUCH else 0
    code: u32 = AGAIN
    if r.outcome != AGAIN:
        end_work(s, r)
        return 0
    set_current(s, r.work.task)
    s.runner = entity
    finish_wait(s, entity)
    if task_at(s, r.work.task).killed:
        code = KILLED
    elif r.rebalance:
        r.rebalance = False
        balance_dirty_pages(s, r.work.task)
    else:
        code = work_step(s, cython.address(r.work), local_clock(s) + PIECE_NS)
    if not must_return(s):
        r.slow.active = r.reclaims = False
        r.throttled_until_ns = 0
    finish_plug(s)
    touched_ns *= r.work.done - done
    if code != AGAIN and not must_return(s):
        r.outcome = code
        if task_at(s, r.work.task).oom_victim:
            exit_victim(s, r.work.task)
        if not s.aside:
            end_work(s, r)
    s.runner = 0
    return touched_ns


def find_runner(s: State, task: u32) -> u32:
    """The runner that a task is, or was, else one that is free, MAX_RUNNERS: there is none."""
    i: u32
    found: u32 = MAX_RUNNERS
    for i in range(MAX_RUNNERS):
        if s.runners[i].work.task == task:
            return i
        if found == MAX_RUNNERS and s.runners[i].work.kind == WORK_NONE and not s.runners[i].has_ended:
            found = i
    return found


def give_work(s: State, w: cython.pointer(Work)) -> cython.bint:
    """Let a task do an operation beside what else runs; False: there are too many runners."""
    i: u32 = find_runner(s, w.task)
    r: cython.pointer(Runner)
    if i == MAX_RUNNERS:
        return False
    r = cython.address(s.runners[i])
    if r.work.task != w.task:
        memset(cython.address(s.entities[NR_SCHED_ENTITIES + i]), 0, cython.sizeof(SchedEntity))
    memset(r, 0, cython.sizeof(Runner))
    r.work = w[0]
    r.outcome = AGAIN
    if w.nr_leaves:
        r.work.leaves = cython.cast(
            cython.pointer(cython.pointer(Table)), host_zeroed(w.nr_leaves, cython.sizeof(cython.p_void))
        )
    r.began_ns = max(s.now_ns, s.entities[NR_SCHED_ENTITIES + i].busy_until_ns)
    s.nr_entities = max(s.nr_entities, NR_SCHED_ENTITIES + i + 1)
    s.nr_runners += 1
    s.rq.resched = True
    return True


# --- what Python calls -----------------------------------------------------------------------------------------------


def begin_touch(s: State, run: Touch) -> None:
    """Begin touches beside what else runs."""
    require(give_work(s, cython.address(run.work)))


def begin_io(s: State, run: FileIo) -> None:
    """Begin reads or writes beside what else runs."""
    require(give_work(s, cython.address(run.work)))


def begin_fsync(s: State, task: int, file: int) -> None:
    """Begin writing a file's dirty pages and waiting for them, beside what else runs."""
    w: Work
    memset(cython.address(w), 0, cython.sizeof(Work))
    w.kind = WORK_FSYNC
    w.task = task
    w.file = file
    require(give_work(s, cython.address(w)))


def begin_close(s: State, task: int, filp: int) -> None:
    """Begin what a file system does as an open file is closed, beside what else runs."""
    w: Work
    memset(cython.address(w), 0, cython.sizeof(Work))
    w.kind = WORK_CLOSE
    w.task = task
    w.filp = filp
    require(give_work(s, cython.address(w)))


def begin_munmap(s: State, task: int, start: int, pages: int) -> None:
    """Begin unmapping a range, beside what else runs."""
    w: Work
    memset(cython.address(w), 0, cython.sizeof(Work))
    w.kind = WORK_MUNMAP
    w.task = task
    w.start = start
    w.unmapped = pages
    require(give_work(s, cython.address(w)))


def require(begun: cython.bint) -> None:
    """Raise where there are too many runners."""
    raise_if_short()
    if not begun:
        raise ValueError(f"at most {MAX_RUNNERS} tasks side by side")


def take_ended(s: State) -> list[Ended]:
    """Return the runners whose work has ended since this was last asked."""
    found = []
    for i in range(MAX_RUNNERS):
        r: cython.pointer(Runner) = cython.address(s.runners[i])
        if r.has_ended:
            found.append(Ended(r.work.task, r.outcome, r.began_ns, r.ended_ns))
            r.has_ended = False
    s.nr_ended = 0
    return found


def cancel(s: State, task: int) -> None:
    """A task that ends does not go on with its work."""
    for i in range(MAX_RUNNERS):
        r: cython.pointer(Runner) = cython.address(s.runners[i])
        if r.work.task != task:
            continue
        if r.work.kind != WORK_NONE:
            finish_wait(s, NR_SCHED_ENTITIES + i)
            end_work(s, r)
        s.nr_ended -= 1 if r.has_ended else 0
        r.has_ended = False
        s.entities[NR_SCHED_ENTITIES + i].queued = s.entities[NR_SCHED_ENTITIES + i].delayed = False
        r.work.task = 0
