"""The modules that the schema tests judge, by the name of what they read in the recordings."""

from __future__ import annotations

from memtwin.cgroupfs import amount, keyed
from memtwin.procfs import (
    buddyinfo,
    diskstats,
    loadavg,
    meminfo,
    pagetypeinfo,
    pressure,
    slabinfo,
    stat,
    swaps,
    sysctl_vm,
    uptime,
    vmstat,
    zoneinfo,
)
from memtwin.procfs.pid import limits, maps, oom_score, oom_score_adj, smaps, smaps_rollup, statm, status
from memtwin.procfs.pid import stat as pid_stat
from memtwin.sysfs.zram import io_stat, mm_stat

MODULES = {
    "buddyinfo": buddyinfo,
    "diskstats": diskstats,
    "loadavg": loadavg,
    "meminfo": meminfo,
    "pagetypeinfo": pagetypeinfo,
    "pressure": pressure,
    "slabinfo": slabinfo,
    "stat": stat,
    "swaps": swaps,
    "sysctl_vm": sysctl_vm,
    "uptime": uptime,
    "vmstat": vmstat,
    "zoneinfo": zoneinfo,
    "pid/maps": maps,
    "pid/oom_score": oom_score,
    "pid/oom_score_adj": oom_score_adj,
    "pid/smaps_rollup": smaps_rollup,
    "pid/stat": pid_stat,
    "pid/statm": statm,
    "pid/status": status,
    "pid/limits": limits,
    "pid/smaps": smaps,
    "cgroup/amount": amount,
    "cgroup/keyed": keyed,
    "zram/io_stat": io_stat,
    "zram/mm_stat": mm_stat,
}
