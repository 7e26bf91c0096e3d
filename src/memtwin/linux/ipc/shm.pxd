from memtwin.linux.core.mm_types cimport *
"""Nothing of the core calls these."""
