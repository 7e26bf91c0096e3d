/* sampler.c - PID 1 of the guest whose root file system is a Debian: starts programs there, and samples /proc.
 *
 * Set up modules, disks, swap and settings as /run.cfg says, start each program (/p/NAME, a script of the shell) with
 * the Debian as its root, and until all have ended send /proc through QEMU's debug console (port 0xe9): every sample the
 * machine's figures and those of each process that has memory; what changes slowly every tenth; all of it first and
 * last.  Locked in memory, and never chosen when memory runs out.  See README.md.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROOT "/d"
#define PAGE 4096
#define MOST_PROGRAMS 32
#define MOST_PIDS (1 << 15)
#define MOST_WORDS 5
#define TENTH 10
#define SAMPLES_OF_A_NAME 4
#define LONGEST_SCRIPT (100 << 10)

struct program { char name[32]; int pid, out, ended; };
static struct program programs[MOST_PROGRAMS];
static int nprograms;
static char buf[65536], script[LONGEST_SCRIPT], cfg[16384];
static long every_ms = 100, limit_s = 600, forgets, looks_at_pages;
static unsigned sample;
static unsigned char known[MOST_PIDS];	/* by pid: what does not change was sent, so many times */
static uint32_t statm_hash[MOST_PIDS];	/* by pid: of the statm that was sent last */
static uint32_t maps_hash[MOST_PIDS];

static void emit(const void *p, size_t n)
{
	asm volatile("rep outsb" : "+S"(p), "+c"(n) : "d"(0xe9) : "memory");
}
static void emits(const char *s) { emit(s, strlen(s)); }
static void emit_data(const char *path, const char *data, int n)
{
	char h[320];
	snprintf(h, sizeof h, "@F %s\n@D %d\n", path, n);
	emits(h);
	emit(data, n);
}
static void off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;) pause();
}
static void die(const char *what)
{
	char x[200];
	snprintf(x, sizeof x, "@E %s: %s\n", what, strerror(errno));
	emits(x);
	off();
}
static long long boot_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static int slurp(const char *path, char *b, int max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), n = 0, k;
	if (fd < 0) return -1;
	while (n < max - 1 && (k = read(fd, b + n, max - 1 - n)) > 0) n += k;
	close(fd);
	b[n] = 0;
	return n;
}
static int put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	int n = write(fd, value, strlen(value)), e = errno;
	close(fd);
	errno = e;
	return n < 0 ? -1 : 0;
}

#include "page_tables.h"

/* Send the file /PATH as one of this sample; a file that is not there, or may not be read, is left out. */
static void send(const char *path)
{
	char from[300], h[320];
	snprintf(from, sizeof from, "/%s", path);
	int fd = open(from, O_RDONLY | O_NONBLOCK | O_CLOEXEC), k;
	if (fd < 0) return;
	snprintf(h, sizeof h, "@F %u %s\n", sample, path);
	emits(h);
	while ((k = read(fd, buf, sizeof buf)) > 0) {
		snprintf(h, sizeof h, "@D %d\n", k);
		emits(h);
		emit(buf, k);
	}
	close(fd);
}
static void send_all(const char *const *paths)
{
	for (; *paths; paths++) send(*paths);
}
static void send_directory(const char *directory)
{
	char path[300];
	snprintf(path, sizeof path, "/%s", directory);
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		if (e->d_type != DT_REG || !strcmp(e->d_name, "drop_caches") || !strcmp(e->d_name, "compact_memory")
		    || !strcmp(e->d_name, "stat_refresh")) continue;
		snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
		send(path);
	}
	if (d) closedir(d);
}
static void send_of(int pid, const char *const *names)
{
	char path[300];
	for (; *names; names++) {
		snprintf(path, sizeof path, "proc/%d/%s", pid, *names);
		send(path);
	}
}

static const char *const always[] = { "proc/meminfo", "proc/uptime", "proc/pressure/memory", 0 };
static const char *const tenth[] = { "proc/vmstat", "proc/loadavg", "proc/stat", "proc/swaps", "proc/diskstats", "proc/pressure/cpu",
	"proc/pressure/io", "sys/block/zram0/mm_stat", "sys/block/zram0/io_stat", "sys/block/zram0/stat", 0 };
static const char *const seldom[] = { "proc/zoneinfo", "proc/buddyinfo", "proc/pagetypeinfo", "proc/slabinfo",
	"proc/vmallocinfo", 0 };
static const char *const once[] = { "proc/version", "proc/cmdline", "proc/filesystems", "proc/mounts",
	"proc/sys/kernel/osrelease", "proc/sys/kernel/pid_max", "sys/block/vda/queue/rotational", "sys/block/vda/size",
	"sys/block/vdb/queue/rotational", "sys/block/vdb/size",
	"sys/block/zram0/comp_algorithm", "sys/block/zram0/disksize", "sys/kernel/mm/transparent_hugepage/enabled",
	"sys/kernel/mm/transparent_hugepage/defrag", "sys/kernel/mm/lru_gen/enabled",
	"sys/kernel/mm/lru_gen/min_ttl_ms", "sys/kernel/mm/swap/vma_ra_enabled", 0 };
static const char *const of_new[] = { "comm", "cmdline", "stat", "status", "statm", "limits", "oom_score_adj", 0 };
static const char *const of_process[] = { "status", "stat", "statm", 0 };	/* the last alone where it has not moved */
static const char *const of_process_tenth[] = { "smaps_rollup", "maps", "io", "oom_score", 0 };
static const char *const of_process_seldom[] = { "smaps", 0 };

static uint32_t hash(const char *s)
{
	uint32_t h = 2166136261u;
	for (; *s; s++) h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

/* Of each process: when it is new all but its pages, afterwards what moves; of one without memory nothing more. */
/* Of ten samples those at which references are read and forgotten: after one, three and six intervals, for how much
 * longer intervals touch more says how large the part is that a program works with, and how often it comes round. */
static int is_look(long sample) { return sample % TENTH == 0 || sample % TENTH == 1 || sample % TENTH == 4; }

/* Nothing else runs on this CPU while pages are read and forgotten: what is touched between the two would be lost. */
static void run_alone(int alone)
{
	struct sched_param parameters = { .sched_priority = alone };
	sched_setscheduler(0, alone ? SCHED_FIFO : SCHED_OTHER, &parameters);
}

/* Which pages it has, and which of them it touched since this was read last; where they are, where that moved. */
static void look_at_pages(int pid, int is_tenth)
{
	static char maps[65536];
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	if (slurp(path, maps, sizeof maps) <= 0) return;
	uint32_t now = hash(maps), *last = &maps_hash[pid % MOST_PIDS];
	if (now != *last && !is_tenth) send(path + 1);	/* every tenth sample has them anyway */
	*last = now;
	run_alone(1);
	send_pages(pid);
	snprintf(path, sizeof path, "/proc/%d/clear_refs", pid);
	put(path, "1");
	put(path, "4");	/* which pages are written from now on: the first write to each is a fault */
	run_alone(0);
	send_files(pid);
}

static void send_process(int pid, int is_tenth, int is_seldom, int looks)
{
	unsigned char *seen = &known[pid % MOST_PIDS];
	char path[64], statm[64];
	snprintf(path, sizeof path, "/proc/%d/statm", pid);
	if (slurp(path, statm, sizeof statm) <= 0) return;
	if (!*seen) {
		*seen = 1;
		send_of(pid, of_new);
	} else if (strncmp(statm, "0 ", 2)) {
		uint32_t now = hash(statm), *last = &statm_hash[pid % MOST_PIDS];
		send_of(pid, of_process + (now != *last || is_tenth ? 0 : 2));
		*last = now;
		if (*seen < SAMPLES_OF_A_NAME) {	/* it may have been started, and not yet have become another program */
			++*seen;
			send_of(pid, (const char *const[]){ "comm", "cmdline", "oom_score_adj", 0 });
		}
	}
	if (!strncmp(statm, "0 ", 2)) return;
	if (looks_at_pages && pid != 1) look_at_pages(pid, is_tenth);
	if (is_tenth) send_of(pid, of_process_tenth);
	if (is_seldom || looks) send_of(pid, of_process_seldom);
	if (looks) {	/* what smaps has as Referenced next is what was touched from now on */
		snprintf(path, sizeof path, "/proc/%d/clear_refs", pid);
		put(path, "1");
	}
}

static void send_processes(int is_tenth, int is_seldom, int looks)
{
	static char present[32768];
	char path[64];
	int n = 0;
	DIR *d = opendir("/proc");
	for (struct dirent *e; d && (e = readdir(d));) {
		if (!isdigit(e->d_name[0])) continue;
		n += snprintf(present + n, sizeof present - n, "%s\n", e->d_name);
		send_process(atoi(e->d_name), is_tenth, is_seldom, looks);
	}
	if (d) closedir(d);
	snprintf(path, sizeof path, "%u pids", sample);
	emit_data(path, present, n);
}

static void take_sample(int whole)
{
	char path[64], at[32];
	snprintf(path, sizeof path, "%u ms", sample);
	emit_data(path, at, snprintf(at, sizeof at, "%lld", boot_ms()));
	int is_tenth = sample % TENTH == 0 || whole, is_seldom = sample % (TENTH * TENTH) == 0 || whole;
	send_all(always);
	if (is_tenth) send_all(tenth);
	if (is_seldom) send_all(seldom);
	if (!sample) {
		send_all(once);
		send_directory("proc/sys/vm");
	}
	send_processes(is_tenth, is_seldom, forgets && (is_look(sample) || whole));
	sample++;
}

/* What a program has written, with the time at which it was read. */
static int send_output(struct program *p)
{
	char path[64];
	int k = p->out < 0 ? 0 : read(p->out, buf, sizeof buf);
	if (k > 0) {
		snprintf(path, sizeof path, "output %lld/%s", boot_ms(), p->name);
		emit_data(path, buf, k);
	} else if (p->out >= 0 && (!k || (errno != EAGAIN && errno != EINTR))) {
		close(p->out);
		p->out = -1;
	}
	return k;
}

static int reap(void)
{
	struct rusage u;
	char line[512];
	int status, pid, left = 0;
	while ((pid = wait4(-1, &status, WNOHANG, &u)) > 0)
		for (int i = 0; i < nprograms; i++) {
			if (programs[i].pid != pid) continue;
			programs[i].ended = 1;
			snprintf(line, sizeof line, "@O {\"program\":\"%s\",\"pid\":%d,\"ms\":%lld,\"code\":%d,\"signal\":%d,"
				 "\"majflt\":%ld,\"minflt\":%ld,\"maxrss_kb\":%ld,\"user_us\":%lld,\"system_us\":%lld}\n",
				 programs[i].name, pid, boot_ms(), WIFEXITED(status) ? WEXITSTATUS(status) : -1,
				 WIFSIGNALED(status) ? WTERMSIG(status) : 0, u.ru_majflt, u.ru_minflt, u.ru_maxrss,
				 u.ru_utime.tv_sec * 1000000LL + u.ru_utime.tv_usec,
				 u.ru_stime.tv_sec * 1000000LL + u.ru_stime.tv_usec);
			emits(line);
		}
	for (int i = 0; i < nprograms; i++) left += !programs[i].ended;
	return left;
}

static void start(struct program *p)
{
	char path[64];
	int ends[2];
	snprintf(path, sizeof path, "/p/%s", p->name);
	if (slurp(path, script, sizeof script) < 0) die(path);
	unlink(path);
	if (pipe2(ends, O_CLOEXEC)) die("pipe");
	p->pid = fork();
	if (p->pid < 0) die("fork");
	if (!p->pid) {
		char *arguments[] = { "sh", "-c", script, 0 };
		char *environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
			"LC_ALL=C.UTF-8", "PYTHONHASHSEED=0", 0 };
		put("/proc/self/oom_score_adj", "0");
		setpriority(PRIO_PROCESS, 0, 0);
		if (chroot(ROOT) || chdir("/root")) _exit(126);
		int nothing = open("/dev/null", O_RDONLY);
		dup2(nothing, 0);
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		execve("/bin/sh", arguments, environment);
		_exit(127);
	}
	close(ends[1]);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	p->out = ends[0];
}

static void load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) die(path);
	if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST) die(path);
	close(fd);
	unlink(path);
}
static void wait_for(const char *path)
{
	for (int i = 0; i < 500; i++) {
		if (!access(path, F_OK)) return;
		usleep(10000);
	}
	die(path);
}
static void mount_at(const char *what, const char *where, const char *type)
{
	mkdir(where, 0755);
	if (mount(what, where, type, MS_NOATIME, "")) die(where);
}

static void swap_on(const char *device, int priority)
{
	if (syscall(SYS_swapon, device, priority < 0 ? 0 : SWAP_FLAG_PREFER | (priority & SWAP_FLAG_PRIO_MASK))) die(device);
}
/* A swap header of version 1, written past the page cache. */
static void make_swap(const char *device, uint64_t size)
{
	int fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
	char *page = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || page == MAP_FAILED) die(device);
	*(uint32_t *)(page + 1024) = 1;
	*(uint32_t *)(page + 1028) = size / PAGE - 1;
	memcpy(page + PAGE - 10, "SWAPSPACE2", 10);
	if (pwrite(fd, page, PAGE, 0) != PAGE) die(device);
	close(fd);
	munmap(page, PAGE);
}
static void set_sysctl(const char *name, char *value)
{
	char path[160];
	snprintf(path, sizeof path, "/proc/sys/%s", name);
	for (char *at = path + strlen("/proc/sys/"); *at; at++) if (*at == '.') *at = '/';
	for (char *at = value; *at; at++) if (*at == ',') *at = ' ';
	if (put(path, value)) die(path);
}

/* One line of run.cfg: those that the coordinator has too, and "every_ms N", "limit_s N", "forgets 1", "program NAME". */
static void set_up_line(char **t)
{
	char path[96];
	if (!strcmp(t[0], "module")) load_module(t[1]);
	else if (!strcmp(t[0], "data")) {
		wait_for(t[1]);
		mount_at(t[1], ROOT, "ext4");
	} else if (!strcmp(t[0], "swap")) {
		wait_for(t[1]);
		snprintf(path, sizeof path, "/sys/block/%s/queue/rotational", t[1] + strlen("/dev/"));
		if (strcmp(t[3], "-") && put(path, t[3])) die(path);
		if (*t[4] != '0') swap_on(t[1], atoi(t[2]));
	} else if (!strcmp(t[0], "zram")) {
		wait_for("/dev/zram0");
		if (put("/sys/block/zram0/comp_algorithm", t[2])) die("zram algorithm");
		if (put("/sys/block/zram0/disksize", t[1])) die("zram disksize");
		make_swap("/dev/zram0", strtoull(t[1], 0, 0));
		swap_on("/dev/zram0", atoi(t[3]));
	} else if (!strcmp(t[0], "zswap")) mount_at("debugfs", "/sys/kernel/debug", "debugfs");
	else if (!strcmp(t[0], "put")) {
		if (put(t[1], t[2])) die(t[1]);
	} else if (!strcmp(t[0], "sysctl")) set_sysctl(t[1], t[2]);
	else if (!strcmp(t[0], "every_ms")) every_ms = atol(t[1]);
	else if (!strcmp(t[0], "limit_s")) limit_s = atol(t[1]);
	else if (!strcmp(t[0], "forgets")) forgets = atol(t[1]);
	else if (!strcmp(t[0], "pages")) looks_at_pages = atol(t[1]);
	else if (!strcmp(t[0], "program") && nprograms < MOST_PROGRAMS)
		snprintf(programs[nprograms++].name, sizeof programs->name, "%s", t[1]);
	else die(t[0]);
}

static void set_up(void)
{
	char *save = 0, *t[MOST_WORDS];
	umask(022);
	mount_at("proc", "/proc", "proc");
	mount_at("sysfs", "/sys", "sysfs");
	mount_at("devtmpfs", "/dev", "devtmpfs");
	if (slurp("/run.cfg", cfg, sizeof cfg) < 0) die("run.cfg");
	unlink("/run.cfg");
	for (char *line = strtok_r(cfg, "\n", &save); line; line = strtok_r(0, "\n", &save)) {
		char *words = 0;
		for (int i = 0; i < MOST_WORDS; i++) {
			t[i] = strtok_r(i ? 0 : line, " ", &words);
			if (!t[i]) t[i] = (char *)"";
		}
		set_up_line(t);
	}
	mount_at("proc", ROOT "/proc", "proc");
	mount_at("sysfs", ROOT "/sys", "sysfs");
	mount_at("devtmpfs", ROOT "/dev", "devtmpfs");
	mount_at("tmpfs", ROOT "/dev/shm", "tmpfs");
	if (looks_at_pages) prepare_page_tables();
}

static void send_log(void)
{
	static char record[8192];
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), k;
	if (fd < 0) return;
	emits("@F . kmsg\n");
	while ((k = read(fd, record, sizeof record)) > 0 || (k < 0 && errno == EPIPE)) {
		char h[32];
		if (k < 0) continue;
		snprintf(h, sizeof h, "@D %d\n", k);
		emits(h);
		emit(record, k);
	}
	close(fd);
}

/* Wait until DUE, and pass on meanwhile what programs write. */
static void wait_until(long long due)
{
	struct pollfd fds[MOST_PROGRAMS];
	for (long long left; (left = due - boot_ms()) > 0 && reap();) {
		for (int i = 0; i < nprograms; i++) fds[i] = (struct pollfd){ programs[i].out, POLLIN, 0 };
		if (poll(fds, nprograms, left > 20 ? 20 : left) <= 0) continue;
		for (int i = 0; i < nprograms; i++)
			if (fds[i].fd >= 0 && fds[i].revents) send_output(&programs[i]);
	}
}

int main(void)
{
	if (iopl(3)) return 1;
	set_up();
	if (put("/proc/self/oom_score_adj", "-1000")) die("oom_score_adj");
	if (mlockall(MCL_CURRENT)) die("mlockall");
	{ volatile char stack[65536]; for (unsigned i = 0; i < sizeof stack; i += 1024) stack[i] = 1; }
	setpriority(PRIO_PROCESS, 0, -10);
	sleep(2);
	take_sample(1);
	for (int i = 0; i < nprograms; i++) start(&programs[i]);
	long long begin = boot_ms(), due = begin;
	while (reap()) {
		if (boot_ms() - begin > limit_s * 1000) {
			emits("@E the time is over\n");
			break;
		}
		due += every_ms;
		if (due < boot_ms()) due = boot_ms();
		wait_until(due);
		if (reap()) take_sample(0);
	}
	for (int i = 0; i < nprograms; i++)
		while (send_output(&programs[i]) > 0)
			;
	take_sample(1);
	send_log();
	emits("@Z done\n");
	off();
}
