"""fs/proc/: what /proc counts of a process."""
