from memtwin.linux.core.mm_types cimport *
from memtwin.linux.core.vmstat cimport *
"""Nothing of the core calls these."""
