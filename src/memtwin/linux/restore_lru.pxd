from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.state cimport State
from memtwin.linux.core.vmstat cimport *
