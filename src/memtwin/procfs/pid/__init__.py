"""One module per file of /proc/PID."""
