"""Processes: what the kernel keeps for each, fork and exit.

A process costs the kernel memory before it touches a page of its own: a 16 KiB stack, a task_struct and a dozen other
objects in slabs, and at least one page table of each level that it uses.  The stack of a thread that ends is kept for
the next one (two per cpu).

Follows kernel/fork.c and kernel/exit.c of Linux 6.1 (``copy_process``, ``alloc_thread_stack_node``, ``dup_mm``,
``exit_mm``).

Not modelled: threads of one process, signals, scheduling classes.
"""

import cython
from cython.cimports.memtwin.linux.core.pool import pool_get, pool_put
from cython.cimports.memtwin.linux.core.state import (
    State,
    filp_at,
    mm_at,
    mod_node_page_state,
    set_current,
    spend_ns,
    task_at,
    vma_at,
)
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.lru_gen_walk import lru_gen_add_mm
from cython.cimports.memtwin.linux.mm.memory import access_page
from cython.cimports.memtwin.linux.mm.mmap import do_brk, do_mmap, do_munmap, dup_mmap, mmput
from cython.cimports.memtwin.linux.mm.page_alloc_fast import alloc_pages
from cython.cimports.memtwin.linux.mm.pcp import free_unref_page
from cython.cimports.memtwin.linux.mm.pgtable import (
    PGD_ALLOCATION_ORDER,
    alloc_table,
    sync_mm_rss,
    update_hiwater_rss,
)
from cython.cimports.memtwin.linux.mm.slub import object_alloc, object_free
from cython.cimports.memtwin.linux.mm.vma import find_vma, get_filp, open_filp, put_filp

from memtwin.linux.core.state import raise_if_broken

STACK_LIMIT_PAGES = cython.declare(u64, 2048)  # _STK_LIM
MLOCK_LIMIT_PAGES = cython.declare(u64, 2048)  # MLOCK_LIMIT
STACK_KIB = cython.declare(u32, 16)
IDLE_TASK = cython.declare(u32, 0)


def alloc_stack(s: State, task: u32) -> cython.bint:
    """Give a task its kernel stack: a kept one, or four new pages mapped together (vmalloc)."""
    t: cython.pointer(Task) = task_at(s, task)
    i: u32
    pfn: u32
    if s.nr_stacks_cached:
        s.nr_stacks_cached -= 1
        for i in range(STACK_PAGES):
            t.stack[i] = s.stack_cache[s.nr_stacks_cached][i]
    else:
        for i in range(STACK_PAGES):
            pfn = alloc_pages(s, 0, GFP_KERNEL)
            if not pfn:
                return False
            prep_new_page(s, pfn, 0, OWNER_KERNEL)
            t.stack[i] = pfn
        s.vmalloc_used += STACK_PAGES
    mod_node_page_state(s, NR_KERNEL_STACK, STACK_KIB)
    return True


def free_stack(s: State, task: u32):
    """Keep a task's stack for the next thread, or free it."""
    t: cython.pointer(Task) = task_at(s, task)
    i: u32
    mod_node_page_state(s, NR_KERNEL_STACK, -cython.cast(cython.longlong, STACK_KIB))
    if s.nr_stacks_cached < NR_CACHED_STACKS * s.nr_cpus:
        for i in range(STACK_PAGES):
            s.stack_cache[s.nr_stacks_cached][i] = t.stack[i]
        s.nr_stacks_cached += 1
        return
    for i in range(STACK_PAGES):
        free_unref_page(s, t.stack[i], 0)
    s.vmalloc_used -= STACK_PAGES


def new_task(s: State, pid: u32, adj: i32) -> u32:
    """Make a task without an address space; 0: no memory."""
    task: u32 = pool_get(cython.address(s.tasks))
    i: u32
    t: cython.pointer(Task) = task_at(s, task)
    if not alloc_stack(s, task):
        pool_put(cython.address(s.tasks), task)
        return 0
    t.pid = pid
    t.oom_score_adj = adj
    t.cpu = s.cpu
    t.start_ns = s.now_ns
    for i in range(CACHE_TASK_STRUCT, CACHE_PID + 1):
        t.slabs[i] = object_alloc(s, i)
    s.nr_threads += 1
    return task


def new_mm(s: State) -> u32:
    """Make an empty address space; 0: no memory."""
    mm: u32
    pgd: u32 = alloc_table(s, PGD_ALLOCATION_ORDER, OWNER_TOP_TABLE)
    if not pgd:
        return 0
    mm = pool_get(cython.address(s.mms))
    mm_at(s, mm).pgd = pgd
    mm_at(s, mm).users = 1
    mm_at(s, mm).slab = object_alloc(s, CACHE_MM_STRUCT)
    mm_at(s, mm).rlimit_stack = STACK_LIMIT_PAGES + 1
    mm_at(s, mm).rlimit_memlock = MLOCK_LIMIT_PAGES + 1
    return mm


def put_task(s: State, task: u32):
    """Free what the kernel kept for a task."""
    t: cython.pointer(Task) = task_at(s, task)
    i: u32
    for i in range(CACHE_TASK_STRUCT, CACHE_PID + 1):
        object_free(s, t.slabs[i])
    free_stack(s, task)
    s.nr_threads -= 1
    pool_put(cython.address(s.tasks), task)


def copy_process(s: State, parent: u32, pid: u32, child: cython.pointer(u32)) -> u32:
    """Fork *parent*; ``child[0]`` gets the new task.  Returns an Outcome; a refusal leaves no child."""
    task: u32 = new_task(s, pid, task_at(s, parent).oom_score_adj)
    mm: u32
    code: u32
    if not task:
        return s.alloc_error
    mm = new_mm(s)
    if not mm:
        put_task(s, task)
        return s.alloc_error
    task_at(s, task).mm = mm
    task_at(s, task).uid = task_at(s, parent).uid
    mm_at(s, mm).rlimit_memlock = mm_at(s, task_at(s, parent).mm).rlimit_memlock
    mm_at(s, mm).rlimit_as = mm_at(s, task_at(s, parent).mm).rlimit_as
    mm_at(s, mm).rlimit_data = mm_at(s, task_at(s, parent).mm).rlimit_data
    mm_at(s, mm).rlimit_stack = mm_at(s, task_at(s, parent).mm).rlimit_stack
    code = dup_mmap(s, mm, task_at(s, parent).mm)
    if code != OK:
        mmput(s, mm)
        put_task(s, task)
        return code
    mm_at(s, mm).hiwater_vm = mm_at(s, mm).total_vm
    update_hiwater_rss(s, mm)
    task_at(s, task).started = True
    lru_gen_add_mm(s, mm)
    child[0] = task
    return OK


def do_exit(s: State, task: u32):
    """End a task: its memory comes back at once, its kernel objects with it."""
    if task_at(s, task).mm:
        sync_mm_rss(s, task)
        mmput(s, task_at(s, task).mm)
    put_task(s, task)


# --- what a scenario calls: one crossing from Python each ------------------------------------------------------------


def spawn(s: State, parent: int, pid: int, oom_score_adj: int = 0) -> int:
    """Have *parent* start a process with an empty address space; returns its number, 0: there is no memory."""
    task: u32
    set_current(s, parent)
    task = new_task(s, pid, oom_score_adj)
    if not task:
        return 0
    task_at(s, task).mm = new_mm(s)
    if not task_at(s, task).mm:
        put_task(s, task)
        return 0
    task_at(s, task).started = True
    lru_gen_add_mm(s, task_at(s, task).mm)
    spend_ns(s, s.cost_ns[COST_EXEC])
    return task


def fork(s: State, parent: int, pid: int) -> tuple[int, int]:
    """Fork; returns (Outcome, child)."""
    set_current(s, parent)
    child: u32 = 0
    code: u32 = copy_process(s, parent, pid, cython.address(child))
    spend_ns(s, s.cost_ns[COST_FORK])
    raise_if_broken(s)
    return code, child


def exit_task(s: State, task: int) -> None:
    """End a process."""
    set_current(s, task)
    do_exit(s, task)
    set_current(s, IDLE_TASK)
    raise_if_broken(s)


def setrlimit(s: State, task: int, what: int, pages: int) -> None:
    """Set a process's own limit in pages (0: address space, 1: data, 2: stack, 3: locked memory); below 0: none."""
    m: cython.pointer(Mm) = mm_at(s, task_at(s, task).mm)
    limit: u64 = pages + 1 if pages >= 0 else 0
    set_current(s, task)
    spend_ns(s, s.cost_ns[COST_SYSCALL])
    if what == 0:
        m.rlimit_as = limit
    elif what == 1:
        m.rlimit_data = limit
    elif what == 2:
        m.rlimit_stack = limit
    else:
        m.rlimit_memlock = limit


def setuid(s: State, task: int, uid: int) -> None:
    """Let a process belong to a user; 0: root."""
    task_at(s, task).uid = uid


def run_as(s: State, task: int) -> None:
    """Let *task* be who runs: for what is done in its name, as an observer's reading of /proc."""
    set_current(s, task)


def mmap(s: State, task: int, start: int, pages: int, flags: int, file: int = 0, filp: int = 0, pgoff: int = 0) -> int:
    """Map pages at page number *start*; *filp*: the open file, if any.  Returns an Outcome."""
    set_current(s, task)
    spend_ns(s, s.cost_ns[COST_SYSCALL])
    return do_mmap(s, task_at(s, task).mm, start, pages, flags, file, filp, pgoff)


def open_file(s: State, task: int, file: int) -> int:
    """Open a file; returns the number of the open file."""
    set_current(s, task)
    return open_filp(s, file)


def file_of(s: State, filp: int) -> int:
    """The file that an open file is of."""
    return filp_at(s, filp).file


def share_filp(s: State, filp: int) -> None:
    """One user more of an open file, as after a fork."""
    get_filp(s, filp)


def close_file(s: State, filp: int) -> None:
    """One user less of an open file; the last closes it."""
    put_filp(s, filp)


def munmap(s: State, task: int, start: int, pages: int) -> int:
    """Unmap a range; returns an Outcome."""
    set_current(s, task)
    code: u32 = do_munmap(s, task, start, pages)
    spend_ns(s, s.cost_ns[COST_SYSCALL])
    raise_if_broken(s)
    return code


def brk(s: State, task: int, old: int, new: int) -> int:
    """Move the end of a program's data between two page numbers; returns an Outcome."""
    set_current(s, task)
    code: u32 = do_brk(s, task, old, new)
    spend_ns(s, s.cost_ns[COST_SYSCALL])
    raise_if_broken(s)
    return code


def write_arguments(s: State, task: int, vpn: int) -> int:
    """Write the arguments of a new program to its stack: until exec has set it up, the stack has no recency."""
    code: u32
    vma: u32 = find_vma(s, task_at(s, task).mm, vpn)
    vma_at(s, vma).flags |= VM_RAND_READ
    set_current(s, task)
    code = access_page(s, task, vpn, True)
    vma_at(s, vma).flags &= ~cython.cast(u32, VM_RAND_READ)
    raise_if_broken(s)
    return code
