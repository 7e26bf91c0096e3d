# Doubly linked lists of frames through Page.next and Page.prev, after include/linux/list.h.

from memtwin.linux.core.mm_types cimport List, Page, u32

cdef inline void list_add(Page *pages, List *chain, u32 pfn) noexcept nogil:
    """Put *pfn* at the head."""
    pages[pfn].prev = 0
    pages[pfn].next = chain.head
    if chain.head:
        pages[chain.head].prev = pfn
    else:
        chain.tail = pfn
    chain.head = pfn
    chain.nr += 1

cdef inline void list_add_tail(Page *pages, List *chain, u32 pfn) noexcept nogil:
    """Put *pfn* at the tail."""
    pages[pfn].next = 0
    pages[pfn].prev = chain.tail
    if chain.tail:
        pages[chain.tail].next = pfn
    else:
        chain.head = pfn
    chain.tail = pfn
    chain.nr += 1

cdef inline void list_del(Page *pages, List *chain, u32 pfn) noexcept nogil:
    """Take *pfn* out."""
    cdef u32 before = pages[pfn].prev, after = pages[pfn].next
    if before:
        pages[before].next = after
    else:
        chain.head = after
    if after:
        pages[after].prev = before
    else:
        chain.tail = before
    chain.nr -= 1
