"""lib/: data structures that the kernel shares."""
