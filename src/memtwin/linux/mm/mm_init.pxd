from memtwin.linux.core.mm_types cimport u32, u64
from memtwin.linux.core.state cimport State
