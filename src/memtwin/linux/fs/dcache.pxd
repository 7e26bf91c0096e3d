from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State

cdef enum:
    OBJECTS_OF_A_NAME = 3       # the dentry, its inode, the inode's security label

cdef inline Dentry *dentry_at(State s, u32 dentry) noexcept nogil:
    return &(<Dentry *> s.dentries.items)[dentry]

cdef u32 d_alloc(State s, u32 inode_kind) noexcept nogil
cdef void d_lru_add(State s, u32 dentry) noexcept nogil
cdef void d_lru_del(State s, u32 dentry) noexcept nogil
cdef void d_free(State s, u32 dentry) noexcept nogil
cdef u64 shrink_dentries(State s, u64 objects) noexcept nogil
