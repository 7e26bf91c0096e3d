"""The journal: a file system's own blocks that were changed go to its disk together, 5 s after the first of them.

The first open of a file after mounting is such a change (where the file system is mounted is noted in its superblock),
and so is making a file.  The commit writes a descriptor, the blocks, the end mark and, the first time, the journal's
own head; the blocks are dirty Buffers from then on, for the flusher.  It needs a page for the descriptor, and so it may
be what starts reclaim on a machine where nothing else happens.

``fsync`` and ``sync`` do not wait for those 5 s.

Follows fs/jbd2/commit.c and fs/ext4/file.c (``ext4_sample_last_mounted``) of Linux 6.1.

Not modelled: what a commit writes, checkpoints, running out of journal.
"""

import cython
from cython.cimports.memtwin.linux.core.events import schedule_event
from cython.cimports.memtwin.linux.core.state import (
    EVENT_THREAD,
    State,
    file_at,
    file_page,
)
from cython.cimports.memtwin.linux.mm.buddy import prep_new_page
from cython.cimports.memtwin.linux.mm.page_alloc_fast import alloc_pages
from cython.cimports.memtwin.linux.mm.page_writeback import set_page_dirty
from cython.cimports.memtwin.linux.mm.pcp import free_unref_page

SOURCE = "fs/jbd2/commit.c", "v6.1"

COMMIT_INTERVAL_NS = cython.declare(u64, 5_000_000_000)
KIB_PER_BLOCK = cython.declare(u64, 4)
DESCRIPTOR_AND_END = cython.declare(u32, 2)


def start_transaction(s: State, blocks: u32):
    """Note that blocks were changed: they are committed 5 s after the first."""
    s.journal_blocks = max(s.journal_blocks, blocks)
    if not s.journal_due_ns:
        s.journal_due_ns = s.now_ns + COMMIT_INTERVAL_NS
        schedule_event(s, s.journal_due_ns, EVENT_THREAD, 0)


def journal_due(s: State) -> cython.bint:
    """Whether it is time to commit."""
    return s.journal_due_ns != 0 and s.now_ns >= s.journal_due_ns


def commit_transaction(s: State):
    """Write the journal; the changed blocks are dirty from now on."""
    f: cython.pointer(File) = file_at(s, s.journal_bdev)
    blocks: u32 = s.journal_blocks
    page: u32 = alloc_pages(s, 0, GFP_NOFS | GFP_MOVABLE)
    index: u64
    if page:
        prep_new_page(s, page, 0, OWNER_KERNEL)
        free_unref_page(s, page, 0)
    s.event[PGPGOUT] += KIB_PER_BLOCK * (blocks + DESCRIPTOR_AND_END + (0 if s.journal_used else 1))
    s.journal_used = True
    s.journal_due_ns = s.journal_blocks = 0
    for index in range(f.nr_pages):
        if blocks and file_page(f, index):
            set_page_dirty(s, file_page(f, index))
            blocks -= 1


def change_metadata(s: State, bdev: int, blocks: int) -> None:
    """A file system on *bdev* changes blocks of its own."""
    s.journal_bdev = bdev
    start_transaction(s, blocks)


def commit(s: State) -> None:
    """Commit now, if anything was changed."""
    if s.journal_due_ns:
        commit_transaction(s)
