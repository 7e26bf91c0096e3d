from memtwin.linux.core.mm_types cimport *
