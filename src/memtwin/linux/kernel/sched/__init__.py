"""kernel/sched/: which thread runs, who waits, load average and pressure."""
