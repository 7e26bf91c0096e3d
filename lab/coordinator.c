/* coordinator.c - PID 1 of the guest.
 *
 * Set up /proc, /sys, /dev, modules, data disk, swap and sysctls as /run.cfg says, then carry out /ops.txt one
 * operation at a time and report to the host through QEMU's debug console (port 0xe9, rep outsb from user space: no
 * tty, no page cache, no kernel buffers).  A scenario's processes run another program, which this one starts and asks
 * over a pair of FIFOs.  See README.md.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "common.h"

#define NC 26

/* A scenario's process.  BESIDE is the operation that it does beside the main line, or 0. */
struct w { char name[32]; int pid, cfd, rfd, alive; char *beside; u64 began_us; long long before[NC]; };
static struct w ws[256];
static int nws;
static char buf[65536];
static char opsbuf[512 * 1024];
static char vmbuf[32768];
static int vmfd = -1;

static void emit(const void *p, size_t n)
{
	asm volatile("rep outsb" : "+S"(p), "+c"(n) : "d"(0xe9) : "memory");
}
static void emits(const char *s) { emit(s, strlen(s)); }
static void off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;) pause();
}
static void die(const char *m)
{
	char x[200];
	snprintf(x, sizeof x, "@E %s: %s\n", m, strerror(errno));
	emits(x);
	off();
}

static int slurp(const char *path, char *b, int max)
{
	int fd = open(path, O_RDONLY), n = 0, k;
	if (fd < 0) return -1;
	while (n < max - 1 && (k = read(fd, b + n, max - 1 - n)) > 0) n += k;
	close(fd);
	b[n] = 0;
	return n;
}
static int put(const char *path, const char *val)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0) return -1;
	int n = write(fd, val, strlen(val));
	int e = errno;
	close(fd);
	errno = e;
	return n < 0 ? -1 : 0;
}
static void emit_file(const char *ck, const char *dst, const char *src)
{
	char h[300];
	int fd = open(src, O_RDONLY | O_NONBLOCK), k;
	if (fd < 0) return;
	snprintf(h, sizeof h, "@F %s %s\n", ck, dst);
	emits(h);
	while ((k = read(fd, buf, sizeof buf)) > 0) {
		snprintf(h, sizeof h, "@D %d\n", k);
		emits(h);
		emit(buf, k);
	}
	close(fd);
}

static const char *const cnames[NC] = {
	"pgfault", "pgmajfault", "pswpin", "pswpout", "oom_kill",
	"pgscan_kswapd", "pgscan_direct", "pgsteal_kswapd", "pgsteal_direct",
	"workingset_refault_anon", "workingset_refault_file",
	"workingset_activate_anon", "workingset_activate_file",
	"pgpgin", "pgpgout", "allocstall_normal", "allocstall_dma32", "allocstall_movable",
	"pgactivate", "pgdeactivate", "pgfree", "pgscan_khugepaged",
	"thp_fault_alloc", "compact_stall", "zswpin", "zswpout",
};
static void counters(long long *c)
{
	int n = 0, k;
	while (n < (int)sizeof vmbuf - 1 && (k = pread(vmfd, vmbuf + n, sizeof vmbuf - 1 - n, n)) > 0) n += k;
	vmbuf[n] = 0;
	for (int i = 0; i < NC; i++) c[i] = 0;
	for (char *p = vmbuf; *p;) {
		char *sp = strchr(p, ' '), *nl = strchr(p, '\n');
		if (!sp || !nl) break;
		for (int i = 0; i < NC; i++)
			if (!strncmp(p, cnames[i], sp - p) && !cnames[i][sp - p]) c[i] = atoll(sp + 1);
		p = nl + 1;
	}
}

/* Where each page of a process is, in runs: sources/page_runs.py of memtwin has the format.  pagemap says what is mapped
 * or in which slot, kpageflags whether a frame is anonymous, active, in the swap cache, or the page of zeroes. */
static char runs[8192];
static int nruns;
static void emit_runs(int least)
{
	char h[32];
	if (nruns <= least) return;
	snprintf(h, sizeof h, "@D %d\n", nruns);
	emits(h);
	emit(runs, nruns);
	nruns = 0;
}
static int kind_of(unsigned long long entry, int flagsfd)
{
	unsigned long long flags = 0, pfn = entry & ((1ULL << 55) - 1);
	if (entry >> 62 & 1) return 's';
	if (!(entry >> 63)) return '.';
	if (pread(flagsfd, &flags, 8, pfn * 8) != 8 || flags >> 24 & 1) return '.';
	if (!(flags >> 12 & 1)) return 'f';
	if (flags >> 13 & 1) return flags >> 6 & 1 ? 'C' : 'c';
	return flags >> 6 & 1 ? 'A' : 'a';
}
static void add_run(unsigned long long first, unsigned long count, int kind)
{
	unsigned long long slot = first & ((1ULL << 55) - 1);
	char where[40] = "";
	if (!count) return;
	if (kind == 's') snprintf(where, sizeof where, "%llu:%llu", slot & 31, slot >> 5);
	nruns += snprintf(runs + nruns, sizeof runs - nruns, " %lu%c%s", count, kind, where);
	emit_runs(sizeof runs / 2);
}
static void area_runs(int fd, int flagsfd, unsigned long start, unsigned long end)
{
	static unsigned long long entry[512];
	unsigned long long first = 0;
	unsigned long count = 0;
	int kind = '.', next, k = 0;
	nruns += snprintf(runs + nruns, sizeof runs - nruns, "%lx", start);
	for (unsigned long at = start >> 12, i = 0; at < end >> 12; at++, i++) {
		if (i % 512 == 0 && (k = pread(fd, entry, sizeof entry, at * 8)) <= 0) break;
		next = kind_of(entry[i % 512], flagsfd);
		if (next == kind && (kind != 's' || entry[i % 512] == first + (count << 5))) { count++; continue; }
		add_run(first, count, kind);
		first = entry[i % 512], count = 1, kind = next;
	}
	if (kind != '.') add_run(first, count, kind);
	runs[nruns++] = '\n';
}
static void page_runs(const char *ck, const char *name, int pid)
{
	char a[128];
	unsigned long start, end;
	snprintf(a, sizeof a, "/proc/%d/pagemap", pid);
	int fd = open(a, O_RDONLY), flagsfd = open("/proc/kpageflags", O_RDONLY);
	snprintf(a, sizeof a, "/proc/%d/maps", pid);
	if (fd >= 0 && flagsfd >= 0 && slurp(a, buf, sizeof buf) > 0) {
		snprintf(a, sizeof a, "@F %s workers/%s/pages\n", ck, name);
		emits(a);
		for (char *p = buf; *p; p = strchr(p, '\n') + 1)
			if (sscanf(p, "%lx-%lx", &start, &end) == 2 && start < 1UL << 47) area_runs(fd, flagsfd, start, end);
		emit_runs(0);
	}
	close(fd);
	close(flagsfd);
}

static int zswap;	/* run.cfg says so: debugfs is there, and the counters in it are recorded */
static void zswap_files(const char *ck, const char *dir, const char *const *f)
{
	char a[128];
	for (; zswap && *f; f++) {
		snprintf(a, sizeof a, "/sys/%s/%s", dir, *f);
		emit_file(ck, a + 1, a);
	}
}

static void snapshot(const char *ck)
{
	static const char *const zs[] = { "pool_total_size", "stored_pages", "same_filled_pages",
		"written_back_pages", "pool_limit_hit", "duplicate_entry", "reject_reclaim_fail",
		"reject_alloc_fail", "reject_kmemcache_fail", "reject_compress_poor", 0 };
	static const char *const pf[] = { "meminfo", "vmstat", "buddyinfo", "pagetypeinfo",
		"zoneinfo", "slabinfo", "swaps", "loadavg", "uptime", "stat", "pressure/memory",
		"pressure/io", "pressure/cpu", "diskstats" };
	static const char *const zf[] = { "mm_stat", "io_stat", "stat", "comp_algorithm", "disksize" };
	static const char *const wf[] = { "status", "statm", "stat", "maps", "smaps_rollup",
		"oom_score", "oom_score_adj" };
	char a[128], b[128];
	slurp("/proc/sys/vm/stat_refresh", buf, 64);
	for (unsigned i = 0; i < sizeof pf / sizeof *pf; i++) {
		snprintf(a, sizeof a, "proc/%s", pf[i]);
		snprintf(b, sizeof b, "/proc/%s", pf[i]);
		emit_file(ck, a, b);
	}
	for (unsigned i = 0; i < sizeof zf / sizeof *zf; i++) {
		snprintf(a, sizeof a, "sys/block/zram0/%s", zf[i]);
		snprintf(b, sizeof b, "/sys/block/zram0/%s", zf[i]);
		emit_file(ck, a, b);
	}
	zswap_files(ck, "kernel/debug/zswap", zs);
	for (int j = 0; j < nws; j++) {
		if (!ws[j].alive) continue;
		for (unsigned i = 0; i < sizeof wf / sizeof *wf; i++) {
			snprintf(a, sizeof a, "workers/%s/%s", ws[j].name, wf[i]);
			snprintf(b, sizeof b, "/proc/%d/%s", ws[j].pid, wf[i]);
			emit_file(ck, a, b);
		}
		page_runs(ck, ws[j].name, ws[j].pid);
	}
	snprintf(a, sizeof a, "@F %s workers.txt\n", ck);
	emits(a);
	for (int j = 0; j < nws; j++) {
		int n = snprintf(a, sizeof a, "%s %d %s\n", ws[j].name, ws[j].pid,
				 ws[j].alive ? "alive" : "dead");
		snprintf(b, sizeof b, "@D %d\n", n);
		emits(b);
		emit(a, n);
	}
}
static char swapdisks[25][8];	/* vdb, vdc, ... */
static int nswapdisks;
static void boot_extra(void)
{
	static const char *const f[] = {
		"proc/cmdline", "proc/version", "proc/iomem", "proc/modules", "proc/mounts",
		"proc/cpuinfo", "proc/partitions",
		"sys/kernel/mm/transparent_hugepage/enabled", "sys/kernel/mm/transparent_hugepage/defrag",
		"sys/kernel/mm/lru_gen/enabled", "sys/kernel/mm/lru_gen/min_ttl_ms",
		"sys/kernel/mm/swap/vma_ra_enabled", "sys/module/zswap/parameters/enabled",
		"sys/block/vda/queue/rotational", "sys/block/vda/queue/read_ahead_kb",
		"sys/block/vda/queue/scheduler", "sys/block/vda/queue/max_sectors_kb",
		"sys/block/vdb/queue/rotational", "sys/block/vdb/queue/read_ahead_kb",
		"sys/block/zram0/queue/rotational",
	};
	char a[160], b[200];
	for (unsigned i = 0; i < sizeof f / sizeof *f; i++) {
		snprintf(a, sizeof a, "/%s", f[i]);
		emit_file("boot", f[i], a);
	}
	for (int i = 2; i < 2 * nswapdisks; i++) {	/* the first disk is in the list above */
		snprintf(a, sizeof a, "/sys/block/%s/queue/%s", swapdisks[i / 2],
			 i & 1 ? "read_ahead_kb" : "rotational");
		emit_file("boot", a + 1, a);
	}
	static const char *const zp[] = { "max_pool_percent", "accept_threshold_percent", "compressor",
		"zpool", "same_filled_pages_enabled", "non_same_filled_pages_enabled", 0 };
	zswap_files("boot", "module/zswap/parameters", zp);
	/* all of /proc/sys/vm, one "name = value" a line, by name */
	static const char *const sy[] = {
		"admin_reserve_kbytes", "compact_unevictable_allowed", "compaction_proactiveness",
		"dirty_background_bytes", "dirty_background_ratio", "dirty_bytes",
		"dirty_expire_centisecs", "dirty_ratio", "dirty_writeback_centisecs",
		"extfrag_threshold", "laptop_mode", "lowmem_reserve_ratio", "max_map_count",
		"min_free_kbytes", "min_slab_ratio", "min_unmapped_ratio", "mmap_min_addr",
		"oom_dump_tasks", "oom_kill_allocating_task", "overcommit_kbytes",
		"overcommit_memory", "overcommit_ratio", "page-cluster", "page_lock_unfairness",
		"panic_on_oom", "percpu_pagelist_high_fraction", "stat_interval", "swappiness",
		"user_reserve_kbytes", "vfs_cache_pressure", "watermark_boost_factor",
		"watermark_scale_factor", "zone_reclaim_mode" };
	emits("@F boot sysctl_vm\n");
	for (unsigned i = 0; i < sizeof sy / sizeof *sy; i++) {
		char v[256];
		snprintf(a, sizeof a, "/proc/sys/vm/%s", sy[i]);
		if (slurp(a, v, sizeof v) < 0) continue;
		v[strcspn(v, "\n")] = 0;
		char l[400];
		int n = snprintf(l, sizeof l, "vm.%s = %s\n", sy[i], v);
		snprintf(b, sizeof b, "@D %d\n", n);
		emits(b);
		emit(l, n);
	}
}
static void dump_kmsg(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	static char rec[8192];
	char h[32];
	if (fd < 0) return;
	emits("@F . kmsg\n");
	for (;;) {
		int k = read(fd, rec, sizeof rec);
		if (k < 0 && errno == EPIPE) continue;
		if (k <= 0) break;
		snprintf(h, sizeof h, "@D %d\n", k);
		emits(h);
		emit(rec, k);
	}
	close(fd);
}

/* Each page fault with its address, by the kernel's own trace points: run.cfg asks for it with "faults". */
#define TRACING "/sys/kernel/tracing"
static int faults;
static void trace_faults(void)
{
	if (mount("tracefs", TRACING, "tracefs", 0, "")) die("tracefs");
	if (put(TRACING "/events/exceptions/enable", "1")) die("exceptions");
	faults = 1;
}
/* Record the faults since the last call as faults/WHEN of the recording. */
static void emit_faults(const char *when)
{
	if (!faults) return;
	emit_file("faults", when, TRACING "/trace");
	close(open(TRACING "/trace", O_WRONLY | O_TRUNC));
}

static struct w *findw(const char *n)
{
	for (int i = nws - 1; i >= 0; i--)
		if (!strcmp(ws[i].name, n)) return &ws[i];
	return 0;
}

static char deaths[4096];
static int ndeaths_kill;
static void note_death(int pid, int st)
{
	for (int i = 0; i < nws; i++) {
		if (ws[i].pid != pid || !ws[i].alive) continue;
		ws[i].alive = 0;
		close(ws[i].cfd);
		close(ws[i].rfd);
		int sg = WIFSIGNALED(st) ? WTERMSIG(st) : 0;
		int n = strlen(deaths);
		snprintf(deaths + n, sizeof deaths - n, "%s{\"name\":\"%s\",\"pid\":%d,\"signal\":%d,\"code\":%d}",
			 n ? "," : "", ws[i].name, pid, sg, WIFEXITED(st) ? WEXITSTATUS(st) : 0);
		if (sg == SIGKILL) ndeaths_kill++;
	}
}
static void reap(int pid, int flags)
{
	int st, p;
	while ((p = waitpid(pid, &st, flags)) > 0) {
		note_death(p, st);
		if (pid > 0) break;
	}
}

static void mkfifos(const char *name)
{
	char p[96];
	snprintf(p, sizeof p, FIFOS "/%s.c", name);
	unlink(p);
	mkfifo(p, 0666);
	snprintf(p, sizeof p, FIFOS "/%s.r", name);
	unlink(p);
	mkfifo(p, 0666);
}
static void attach(const char *name, int pid)
{
	char p[96];
	struct w *w = &ws[nws++];
	snprintf(w->name, 32, "%s", name);
	w->pid = pid;
	w->alive = 1;
	snprintf(p, sizeof p, FIFOS "/%s.c", name);
	w->cfd = open(p, O_WRONLY | O_CLOEXEC);
	snprintf(p, sizeof p, FIFOS "/%s.r", name);
	w->rfd = open(p, O_RDONLY | O_CLOEXEC);
	if (w->cfd < 0 || w->rfd < 0) die("fifo");
}
static void setadj(int pid, const char *v)
{
	char p[64];
	snprintf(p, sizeof p, "/proc/%d/oom_score_adj", pid);
	if (put(p, v)) die("oom_score_adj");
}

static u64 now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

/* Report operation I to the host: what became of it, and the counters that moved since C0. */
static void report(u64 i, const char *outcome, int err, const char *info, u64 us, long long *c0, const char *dead)
{
	static long long c1[NC];
	static char out[4096];
	counters(c1);
	int n = snprintf(out, sizeof out, "@O {\"i\":%llu,\"outcome\":\"%s\",\"errno\":%d,\"info\":\"%s\",\"us\":%llu,\"d\":{",
		(unsigned long long)i, outcome, err, info, (unsigned long long)us);
	int first = 1;
	for (int k = 0; k < NC; k++) {
		if (k >= 4 && c1[k] == c0[k]) continue;
		n += snprintf(out + n, sizeof out - n, "%s\"%s\":%lld", first ? "" : ",", cnames[k], c1[k] - c0[k]);
		first = 0;
	}
	snprintf(out + n, sizeof out - n, "},\"deaths\":[%s]}\n", dead);
	emits(out);
}

/* Operations beside the main line: those that wait for their process's turn, in order.  A process does one at a time. */
static struct { struct w *w; char *op; } lane[1024];
static int nlane;

static void start_next(struct w *w)
{
	char line[512];
	for (int i = 0; i < nlane && !w->beside; i++) {
		if (lane[i].w != w || !lane[i].op) continue;
		char *op = lane[i].op;
		lane[i].op = 0;
		counters(w->before);
		if (!w->alive) {
			report(num(op), "skipped", 0, "", 0, w->before, "");
			continue;
		}
		w->beside = op;
		w->began_us = now_us();
		int n = snprintf(line, sizeof line, "%s\n", op);
		*strchr(line, '&') = ' ';
		if (write(w->cfd, line, n) != n) usleep(0);	/* dead: read() will say so */
	}
	while (nlane && !lane[nlane - 1].op) nlane--;
}
static void add_beside(struct w *w, char *op)
{
	if (nlane == sizeof lane / sizeof *lane) die("too many operations side by side");
	lane[nlane].w = w;
	lane[nlane++].op = op;
	start_next(w);
}

/* The operation that W did beside the main line is over: its reply is there, or W is dead. */
static int main_line = 1;
static void end_beside(struct w *w)
{
	char ans[256];
	const char *outcome = "ok";
	int err = 0, k = w->alive ? read(w->rfd, ans, sizeof ans - 1) : 0;
	u64 us = now_us() - w->began_us;
	ans[k > 0 ? k : 0] = 0;
	ans[strcspn(ans, "\n")] = 0;
	if (k <= 0) {
		outcome = "died";
		if (w->alive) reap(w->pid, 0);
	} else if (!strncmp(ans, "err ", 4)) {
		outcome = "error";
		err = atoi(ans + 4);
	}
	u64 i = num(w->beside);
	w->beside = 0;
	report(i, outcome, err, ans, us, w->before, main_line ? "" : deaths);
	start_next(w);
}

/* Wait until FD can be read (1), END_US has come (0), or something that runs beside the main line is over (-1). */
static int serve(int fd, u64 end_us)
{
	struct pollfd pf[257];
	struct w *of[256];
	int n = 0;
	for (int i = 0; i < nws; i++) {
		if (!ws[i].beside) continue;
		if (!ws[i].alive) {
			end_beside(&ws[i]);
			return -1;
		}
		of[n] = &ws[i];
		pf[n++] = (struct pollfd){ ws[i].rfd, POLLIN, 0 };
	}
	pf[n] = (struct pollfd){ fd, POLLIN, 0 };
	u64 now = now_us(), left = end_us > now ? end_us - now : 0;
	struct timespec ts = { left / 1000000, left % 1000000 * 1000 };
	int k = ppoll(pf, n + 1, &ts, 0);
	if (k <= 0) return k;
	for (int j = 0; j < n; j++)
		if (pf[j].revents) end_beside(of[j]);
	return pf[n].revents ? 1 : -1;
}

#define PATIENCE_US (400 * 1000000ULL)
/* Wait until none of the N processes named, or none at all, does anything beside the main line; 0: it takes too long. */
static int wait_for(char **names, int n)
{
	u64 end = now_us() + PATIENCE_US;
	for (;;) {
		int busy = 0;
		for (int i = 0; i < nws; i++) {
			int named = !n;
			for (int j = 0; j < n; j++) named |= !strcmp(ws[i].name, names[j]);
			busy |= named && ws[i].beside;
		}
		if (!busy) return 1;
		if (!serve(-1, end)) return 0;
	}
}

/* send LINE to w, wait for the answer; 1 answered, 0 died, -1 timeout */
static int ask(struct w *w, const char *line, char *ans, int max)
{
	int n = strlen(line);
	if (write(w->cfd, line, n) != n) return 0;
	u64 end = now_us() + PATIENCE_US;
	int k;
	while ((k = serve(w->rfd, end)) < 0) ;
	if (!k) return -1;
	k = read(w->rfd, ans, max - 1);
	if (k <= 0) { ans[0] = 0; return 0; }
	ans[k] = 0;
	if (ans[k - 1] == '\n') ans[k - 1] = 0;
	return 1;
}

static void load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) die(path);
	if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST) die(path);
	close(fd);
	unlink(path);
}
static void waitdev(const char *path)
{
	for (int i = 0; i < 500; i++) {
		if (!access(path, F_OK)) return;
		usleep(10000);
	}
	die(path);
}
/* syscall(), not the library's swapon() and swapoff(): the binary keeps the pages that each worker maps */
static int do_swapon(const char *dev, int prio)
{
	return syscall(SYS_swapon, dev, prio >= 0 ? (SWAP_FLAG_PREFER | (prio & SWAP_FLAG_PRIO_MASK)) : 0);
}
static void mkswap_direct(const char *dev, u64 size)
{
	/* version-1 swap header, written with O_DIRECT so that no page cache stays */
	int fd = open(dev, O_RDWR | O_DIRECT | O_CLOEXEC);
	char *p = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || p == MAP_FAILED) die("mkswap");
	*(uint32_t *)(p + 1024) = 1;
	*(uint32_t *)(p + 1028) = size / PG - 1;
	memcpy(p + PG - 10, "SWAPSPACE2", 10);
	if (pwrite(fd, p, PG, 0) != (ssize_t)PG) die("mkswap write");
	close(fd);
	munmap(p, PG);
}
static int set_sysctl(const char *name, const char *val)
{
	char p[160], v[128];
	snprintf(p, sizeof p, "/proc/sys/%s", name);
	for (char *q = p + 10; *q; q++) if (*q == '.') *q = '/';
	snprintf(v, sizeof v, "%s", val);
	for (char *q = v; *q; q++) if (*q == ',') *q = ' ';
	return put(p, v);
}

static void setup(void)
{
	static char cfg[16384];
	char *t[MAXTOK], *sv = 0;
	umask(0);
	mkdir("/proc", 0755); mkdir("/sys", 0755); mkdir("/dev", 0755);
	mkdir("/data", 0755); mkdir(FIFOS, 01777);
	mount("proc", "/proc", "proc", 0, "");
	mount("sysfs", "/sys", "sysfs", 0, "");
	mount("devtmpfs", "/dev", "devtmpfs", 0, "");
	if (slurp("/run.cfg", cfg, sizeof cfg) < 0) die("run.cfg");
	if (slurp("/ops.txt", opsbuf, sizeof opsbuf) < 0) die("ops.txt");
	unlink("/run.cfg");
	unlink("/ops.txt");
	for (char *l = strtok_r(cfg, "\n", &sv); l; l = strtok_r(0, "\n", &sv)) {
		tokenize(l, t);
		if (!strcmp(t[0], "module")) load_module(t[1]);
		else if (!strcmp(t[0], "data")) {
			waitdev(t[1]);
			if (mount(t[1], "/data", "ext4", MS_NOATIME, "")) die("mount");
		} else if (!strcmp(t[0], "tmpfs")) {
			char at[64];
			snprintf(at, sizeof at, "/%s", t[1]);
			mkdir(at, 01777);
			if (mount("tmpfs", at, "tmpfs", 0, t[2])) die("tmpfs");
		} else if (!strcmp(t[0], "swap")) {
			waitdev(t[1]);
			if (strcmp(t[3], "-")) {
				char q[96];
				snprintf(q, sizeof q, "/sys/block/%s/queue/rotational", t[1] + 5);
				put(q, t[3]);
			}
			snprintf(swapdisks[nswapdisks++], sizeof *swapdisks, "%s", t[1] + 5);
			if (t[4][0] != '0' && do_swapon(t[1], atoi(t[2]))) die("swapon");
		} else if (!strcmp(t[0], "zram")) {
			waitdev("/dev/zram0");
			if (put("/sys/block/zram0/comp_algorithm", t[2])) die("zram algorithm");
			if (put("/sys/block/zram0/disksize", t[1])) die("zram disksize");
			mkswap_direct("/dev/zram0", num(t[1]));
			if (do_swapon("/dev/zram0", atoi(t[3]))) die("swapon");
		} else if (!strcmp(t[0], "zswap")) {
			zswap = 1;
			if (mount("debugfs", "/sys/kernel/debug", "debugfs", 0, "")) die("debugfs");
		} else if (!strcmp(t[0], "faults")) {
			trace_faults();
		} else if (!strcmp(t[0], "put")) {
			if (put(t[1], t[2])) die(t[1]);
		} else if (!strcmp(t[0], "sysctl")) {
			if (set_sysctl(t[1], t[2])) die(t[1]);
		}
	}
}

int main(void)
{
	if (iopl(3)) return 1;
	setup();
	put("/proc/self/oom_score_adj", "-1000");
	vmfd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	if (mlockall(MCL_CURRENT)) die("mlockall");
	/* fault in the stack the coordinator will use */
	{ volatile char st[65536]; for (unsigned i = 0; i < sizeof st; i += 1024) st[i] = 1; }
	signal(SIGPIPE, SIG_IGN);
	{ struct timespec ts = { 2, 0 }; nanosleep(&ts, 0); }

	snapshot("boot");
	boot_extra();
	emit_faults("boot");

	u64 begun = now_us();
	char *sv = 0;
	for (char *l = strtok_r(opsbuf, "\n", &sv); l; l = strtok_r(0, "\n", &sv)) {
		static char line[512], copy[512], ans[256];
		static long long c0[NC], c1[NC];
		char *t[MAXTOK];
		snprintf(line, sizeof line, "%s\n", l);
		snprintf(copy, sizeof copy, "%s", l);
		tokenize(copy, t);
		u64 i = num(t[0]);
		char *v = t[1];
		const char *outcome = "ok";
		int err = 0;
		deaths[0] = 0;
		ndeaths_kill = 0;
		ans[0] = 0;
		reap(-1, WNOHANG);
		counters(c0);
		u64 t0 = now_us();
		if (!strcmp(v, "checkpoint")) {
			snapshot(t[2]);
		} else if (!strcmp(v, "sleep")) {
			u64 end = t0 + (u64)(atof(t[2]) * 1e6);
			while (serve(-1, end)) ;
		} else if (!strcmp(v, "until") || !strcmp(v, "at")) {
			u64 end = begun + (u64)(atof(t[2]) * 1e6);
			if (v[0] == 'a' && end < t0) { outcome = "error"; err = ETIME; }
			while (serve(-1, end)) ;
		} else if (!strcmp(v, "wait")) {
			int n = 0;
			while (n + 2 < MAXTOK && *t[n + 2]) n++;
			if (!wait_for(t + 2, n)) outcome = "timeout";
		} else if (!strcmp(v, "drop_caches")) {
			if (put("/proc/sys/vm/drop_caches", t[2])) { outcome = "error"; err = errno; }
		} else if (!strcmp(v, "compact")) {
			if (put("/proc/sys/vm/compact_memory", "1")) { outcome = "error"; err = errno; }
		} else if (!strcmp(v, "kalloc") || !strcmp(v, "kfree")) {
			snprintf(ans, sizeof ans, "%s %s %s %s %s", v[1] == 'a' ? "alloc" : "free", t[2], t[3],
				 v[1] == 'a' ? t[4] : "", v[1] == 'a' ? t[5] : "");
			if (put("/proc/blocks", ans)) { outcome = "error"; err = errno; }
			ans[0] = 0;
		} else if (!strcmp(v, "sync")) {
			sync();
		} else if (!strcmp(v, "sysctl")) {
			if (set_sysctl(t[2], t[3])) { outcome = "error"; err = errno; }
		} else if (!strncmp(v, "swapo", 5)) {	/* swapon, swapoff */
			if (v[5] == 'n' ? do_swapon(t[2], atoi(t[3])) : syscall(SYS_swapoff, t[2])) { outcome = "error"; err = errno; }
		} else if (!strcmp(v, "proc")) {
			mkfifos(t[2]);
			int pid = vfork();
			if (pid == 0) {
				char *av[] = { t[4], t[2], 0 }, *ev[] = { 0 };
				if (*t[5] && (syscall(SYS_setgid, num(t[5])) || syscall(SYS_setuid, num(t[5])))) _exit(96);
				execve(t[4], av, ev);
				_exit(99);
			}
			if (pid < 0) { outcome = "error"; err = errno; }
			else {
				attach(t[2], pid);
				setadj(pid, t[3]);
				snprintf(line, sizeof line, "%llu start %s\n", (unsigned long long)i, t[2]);
				int k = ask(&ws[nws - 1], line, ans, sizeof ans);
				if (k == 0) { outcome = "died"; reap(pid, 0); }
			}
		} else {
			struct w *w = findw(t[2]);
			if (w && strcmp(v, "kill") && *v != '&') wait_for(&t[2], strcmp(v, "vm_read") ? 1 : 2);
			if (!w || !w->alive) outcome = "skipped";
			else if (*v == '&') add_beside(w, l);
			else if (!strcmp(v, "kill")) {
				kill(w->pid, SIGKILL);
				reap(w->pid, 0);
			} else {
				if (!strcmp(v, "fork")) mkfifos(t[3]);
				if (!strcmp(v, "vm_read")) {	/* by pid instead of name */
					struct w *of = findw(t[3]);
					snprintf(line, sizeof line, "%s vm_read %s %d %s %s %s\n", t[0], t[2],
						 of ? of->pid : 0, t[4], t[5], t[6]);
				}
				int k = ask(w, line, ans, sizeof ans);
				if (k == 1) {
					if (!strncmp(ans, "err ", 4)) { outcome = "error"; err = atoi(ans + 4); }
					else if (!strcmp(v, "fork")) attach(t[3], atoi(strstr(ans, "pid=") + 4));
				} else if (k == 0) {
					reap(w->pid, 0);
					outcome = !strcmp(v, "exit") ? "ok" : "died";
				} else {
					outcome = "timeout";
					kill(w->pid, SIGKILL);
					reap(w->pid, 0);
				}
			}
		}
		u64 t1 = now_us();
		counters(c1);
		if (c1[4] > c0[4])
			for (int z = 0; z < 300 && ndeaths_kill < c1[4] - c0[4]; z++) {
				reap(-1, WNOHANG);
				if (ndeaths_kill < c1[4] - c0[4]) usleep(10000);
			}
		reap(-1, WNOHANG);
		if (*v != '&' || strcmp(outcome, "ok")) report(i, outcome, err, ans, t1 - t0, c0, deaths);
		emit_faults(t[0]);
	}
	deaths[0] = 0;
	main_line = 0;
	wait_for(0, 0);
	dump_kmsg();
	emits("@Z done\n");
	off();
}
