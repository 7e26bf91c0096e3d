/* worker.c - the program of a scenario's processes.
 *
 * Started as "/worker NAME", it carries out what it reads from its FIFO, one line a command, and replies with one
 * line: "ok" or "err ERRNO", and what the command found.  The twin knows which pages this program has and touches
 * (src/memtwin/data/programs): every change here makes another program, with data of its own.  What needs the
 * library's allocator or threads belongs into heap.c.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "common.h"

static const char *const words[64] = {
	"the", "memory", "page", "of", "kernel", "and", "process", "to",
	"swap", "in", "file", "is", "cache", "that", "reclaim", "for",
	"anonymous", "with", "zone", "as", "free", "on", "list", "are",
	"active", "be", "inactive", "at", "dirty", "this", "writeback", "have",
	"watermark", "from", "allocation", "or", "order", "one", "slab", "had",
	"object", "by", "mapping", "but", "table", "not", "fault", "what",
	"major", "all", "minor", "were", "scan", "we", "steal", "when",
	"pressure", "your", "balance", "can", "node", "said", "there", "which",
};

struct region { char name[32]; char *p; u64 len; };
struct ofile { char name[64]; int fd; };
static struct region regs[512];
static int nregs;
static struct ofile files[64];
static int nfiles;
static char *iobuf;
static u64 next_addr = 0x100000000000ULL;
static int cfd, rfd;

static void fill_page(char *p, const char *c, u64 op, u64 page)
{
	u64 st = (op << 32) ^ page;
	u64 *w = (u64 *)p;
	switch (c[0]) {
	case 'm': /* mark: only the first 8 bytes */
		*(volatile u64 *)p = (op << 32) + page + 1;
		return;
	case 'z':
		for (int i = 0; i < 512; i++) ((volatile u64 *)w)[i] = 0;
		return;
	case 'r':
		for (int i = 0; i < 512; i++) w[i] = sm_next(&st);
		return;
	case 'h':
		for (int i = 0; i < 256; i++) w[i] = sm_next(&st);
		for (int i = 256; i < 512; i++) ((volatile u64 *)w)[i] = 0;
		return;
	case 't': {
		unsigned o = 0;
		while (o < PG) {
			u64 x = sm_next(&st);
			for (int k = 0; k < 10 && o < PG; k++) {
				const char *s = words[(x >> (6 * k)) & 63];
				while (*s && o < PG) p[o++] = *s++;
				if (o < PG) p[o++] = ' ';
			}
		}
		return;
	}
	}
}

static struct region *findreg(const char *n)
{
	for (int i = 0; i < nregs; i++)
		if (regs[i].p && !strcmp(regs[i].name, n)) return &regs[i];
	return 0;
}
static int getfile(const char *n)
{
	char p[128];
	for (int i = 0; i < nfiles; i++)
		if (!strcmp(files[i].name, n)) return files[i].fd;
	snprintf(p, sizeof p, strchr(n, '/') ? "/%s" : "/data/%s", n);
	int fd = open(p, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 && errno == EACCES) fd = open(p, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) errno = EACCES;	/* not there, and it may not make one */
	if (fd < 0) return -1;
	snprintf(files[nfiles].name, 64, "%s", n);
	files[nfiles].fd = fd;
	nfiles++;
	return fd;
}
/* Where a mapping goes that follows one: 2 MiB after its end, rounded up. */
static u64 behind(u64 at, u64 len)
{
	return at + ((len + (2UL << 20) - 1) & ~((2UL << 20) - 1)) + (2UL << 20);
}
/* Note what was mapped at the next address, and where the next goes. */
static int keepreg(const char *n, u64 rl, void *p)
{
	struct region *r = 0;
	if (p == MAP_FAILED) return -1;
	for (int i = 0; i < nregs; i++) if (!regs[i].p) { r = &regs[i]; break; }
	if (!r) r = &regs[nregs];
	next_addr = behind(next_addr, rl);
	if (r == &regs[nregs]) nregs++;
	snprintf(r->name, 32, "%s", n);
	r->p = p;
	r->len = rl;
	return 0;
}
static int addreg(const char *n, u64 len, int prot, int flags, int fd)
{
	u64 rl = (len + PG - 1) & ~(PG - 1);
	return keepreg(n, rl, mmap((void *)next_addr, rl, prot, flags | MAP_FIXED_NOREPLACE, fd, 0));
}
#define RW (PROT_READ | PROT_WRITE)

static int haskey(const char *a) { return *a && strcmp(a, "-"); }

/* The System V key of a name: its CRC-32. */
static key_t ipckey(const char *s)
{
	uint32_t c = ~0u;
	for (; *s; s++) {
		c ^= (unsigned char)*s;
		for (int i = 0; i < 8; i++) c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
	}
	return ~c;
}

/* A memfd by its key: made here with SIZE, or that of another, which left a link to its descriptor. */
static int memfd(const char *key, const char *size)
{
	char link[96], fd[64];
	struct stat sb;
	for (int i = 0; i < nfiles; i++)
		if (!strcmp(files[i].name, key) && files[i].fd >= 0) return files[i].fd;
	snprintf(link, sizeof link, FIFOS "/%s", key);
	int f = open(link, O_RDWR | O_CLOEXEC);
	if (f < 0 && haskey(size)) {
		f = memfd_create(key + 6, MFD_CLOEXEC);
		if (f < 0 || ftruncate(f, num(size))) return -1;
		snprintf(fd, sizeof fd, "/proc/%d/fd/%d", getpid(), f);
		unlink(link);
		if (symlink(fd, link)) return -1;
	} else if (f >= 0 && !fstat(f, &sb) && haskey(size) && num(size) > (u64)sb.st_size) {
		close(f);
		errno = EINVAL;
		return -1;
	}
	if (f < 0) return -1;
	snprintf(files[nfiles].name, 64, "%s", key);
	return files[nfiles++].fd = f;
}

static int do_shm(char **t)
{
	/* shm REGION SIZE|- KEY|- */
	struct shmid_ds ds;
	struct stat sb;
	if (!haskey(t[2])) return addreg(t[0], num(t[1]), RW, MAP_SHARED | MAP_ANONYMOUS, -1);
	if (!strncmp(t[2], "memfd:", 6)) {
		int f = memfd(t[2], t[1]);
		if (f < 0 || fstat(f, &sb)) return -1;
		return addreg(t[0], haskey(t[1]) ? num(t[1]) : (u64)sb.st_size, RW, MAP_SHARED, f);
	}
	int id = shmget(ipckey(t[2]), haskey(t[1]) ? num(t[1]) : 0, haskey(t[1]) ? IPC_CREAT | 0600 : 0);
	if (id < 0 || shmctl(id, IPC_STAT, &ds)) return -1;
	return keepreg(t[0], (ds.shm_segsz + PG - 1) & ~(PG - 1), shmat(id, (void *)next_addr, 0));
}

static int do_close(const char *n)
{
	for (int i = 0; i < nfiles; i++)
		if (!strcmp(files[i].name, n) && files[i].fd >= 0) {
			int fd = files[i].fd;
			files[i].fd = -1;
			files[i].name[0] = 0;
			return close(fd);
		}
	errno = EBADF;
	return -1;
}

static int do_unlink(const char *n)
{
	char p[96];
	int open_here = !do_close(n);
	if (!strncmp(n, "memfd:", 6)) {
		errno = ENOENT;
		return open_here ? 0 : -1;
	}
	snprintf(p, sizeof p, "/%s", n);
	if (strchr(n, '/')) return unlink(p);
	int id = shmget(ipckey(n), 0, 0);
	return id < 0 ? -1 : shmctl(id, IPC_RMID, 0);
}

static int rights(const char *r)
{
	return (strchr(r, 'r') ? PROT_READ : 0) | (strchr(r, 'w') ? PROT_WRITE : 0) | (strchr(r, 'x') ? PROT_EXEC : 0);
}

static int do_limit(const char *what, const char *size)
{
	int which = what[0] == 'a' ? RLIMIT_AS : what[0] == 'd' ? RLIMIT_DATA :
		    what[0] == 's' ? RLIMIT_STACK : RLIMIT_MEMLOCK;
	struct rlimit r;
	getrlimit(which, &r);
	r.rlim_cur = haskey(size) ? num(size) : RLIM_INFINITY;
	if (r.rlim_max < r.rlim_cur) r.rlim_max = r.rlim_cur;	/* only root may raise it */
	return setrlimit(which, &r);
}

static int do_mremap(char **t)
{
	/* mremap REGION SIZE 0|1 */
	struct region *r = findreg(t[0]);
	if (!r) { errno = ENOENT; return -1; }
	void *p = mremap(r->p, r->len, num(t[1]), num(t[2]) ? MREMAP_MAYMOVE : 0);
	if (p == MAP_FAILED) return -1;
	r->p = p;
	r->len = num(t[1]);
	if ((u64)p < next_addr && behind((u64)p, r->len) > next_addr) next_addr = behind((u64)p, r->len);
	return 0;
}

/* brk REGION SIZE: the region that begins at the first whole page behind the data. */
static int do_brk(char **t)
{
	static char *start;
	struct region *r = findreg(t[0]);
	if (!start) start = (char *)(((uintptr_t)sbrk(0) + PG - 1) & ~(PG - 1));
	if (!r) {
		r = &regs[nregs++];
		snprintf(r->name, 32, "%s", t[0]);
		r->p = start;
		r->len = 0;
	}
	if (brk(start + num(t[1]))) return -1;
	r->len = num(t[1]);
	return 0;
}

static int needbuf(void)
{
	if (iobuf) return 0;
	iobuf = mmap(0, 1 << 20, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (iobuf == MAP_FAILED) { iobuf = 0; return -1; }
	return 0;
}

/* vm_read PID REGION OFF LEN: every process of this program has its table of regions at the same address. */
static int do_vm_read(char **t)
{
	static struct region theirs[512];
	pid_t pid = num(t[0]);
	u64 off = num(t[2]), len = num(t[3]);
	struct iovec here = { theirs, sizeof theirs }, there = { regs, sizeof regs };
	struct region *r = 0;
	if (needbuf() || process_vm_readv(pid, &here, 1, &there, 1, 0) < 0) return -1;
	for (int i = 0; i < 512 && !r; i++)
		if (theirs[i].p && !strcmp(theirs[i].name, t[1])) r = &theirs[i];
	if (!r) { errno = ENOENT; return -1; }
	if (off + len > r->len) { errno = ERANGE; return -1; }
	for (u64 at = off; at < off + len; at += 1 << 20) {
		u64 n = off + len - at < 1 << 20 ? off + len - at : 1 << 20;
		here = (struct iovec){ iobuf, n };
		there = (struct iovec){ r->p + at, n };
		ssize_t k = process_vm_readv(pid, &here, 1, &there, 1, 0);
		if (k < 0) return -1;
		if ((u64)k < n) { errno = EFAULT; return -1; }
	}
	return 0;
}

static void __attribute__((noinline)) use_stack(u64 size)
{
	volatile char *p = alloca(size);
	for (u64 at = size; at >= PG; at -= PG) p[at - PG] = 1;
}

static u64 now_ns(void)
{
	struct timespec now;
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* How fast the program goes about its work: bytes a second, or 0; and a pause after each page, read or write. */
struct pace { u64 rate, think_ns, began_ns, done; };
static struct pace begin_pace(char **t)
{
	struct pace p = { num(t[0]), num(t[1]), 0, 0 };
	if (p.rate) p.began_ns = now_ns();
	return p;
}
static void keep_pace(struct pace *p, u64 bytes)
{
	if (!p->rate && !p->think_ns) return;
	u64 now = now_ns(), resume = now + p->think_ns;
	p->done += bytes;
	if (p->rate) {
		u64 due = p->began_ns + p->done / p->rate * 1000000000ULL + p->done % p->rate * 1000000000ULL / p->rate;
		if (due >= now + 10000000 && due > resume) resume = due;
	}
	if (resume == now) return;
	struct timespec until = { resume / 1000000000, resume % 1000000000 };
	syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &until, 0);
}

static volatile char sink;

static int do_touch(u64 op, char **t)
{
	/* touch REGION OFF LEN r|w CONTENT PAT N A B SEED [RATE THINK] */
	struct region *r = findreg(t[0]);
	if (!r) { errno = ENOENT; return -1; }
	u64 off = num(t[1]), len = num(t[2]);
	if (off + len > r->len) { errno = ERANGE; return -1; }
	int wr = t[3][0] == 'w';
	const char *content = t[4], *pat = t[5];
	u64 n = num(t[6]), a = num(t[7]), b = num(t[8]), st = num(t[9]);
	u64 np = len / PG, first = off / PG;
	char *base = r->p + off;
	u64 nhot = np * a / 100;
	if (nhot < 1) nhot = 1;
	if (pat[0] == 's') n = np;
	struct pace pace = begin_pace(t + 10);
	for (u64 i = 0; i < n; i++) {
		u64 p;
		switch (pat[0]) {
		case 's': p = i; break;
		case 'r': p = sm_next(&st) % np; break;
		case 'h': {
			u64 x = sm_next(&st), y = sm_next(&st);
			if (x % 100 < b || nhot >= np) p = y % nhot;
			else p = nhot + y % (np - nhot);
			break;
		}
		default: { /* pow */
			double u = (double)(sm_next(&st) >> 11) * 0x1p-53, v = u;
			for (u64 k = 1; k < a; k++) v = v * u;
			p = (u64)(v * (double)np);
			if (p >= np) p = np - 1;
		}
		}
		if (wr) fill_page(base + p * PG, content, op, first + p);
		else sink = *(volatile char *)(base + p * PG);
		keep_pace(&pace, PG);
	}
	return 0;
}

static int do_io(int wr, char **t, u64 *done)
{
	/* FILE OFF LEN CHUNK seq|rand N SEED [RATE THINK] */
	int fd = getfile(t[0]);
	if (fd < 0) return -1;
	u64 off = num(t[1]), len = num(t[2]), ch = num(t[3]), n = num(t[5]), st = num(t[6]);
	int rnd = t[4][0] == 'r';
	u64 nch = len / ch;
	if (needbuf()) return -1;
	if (!rnd) n = nch;
	struct pace pace = begin_pace(t + 7);
	for (u64 i = 0; i < n; i++) {
		u64 o = off + (rnd ? sm_next(&st) % nch : i) * ch;
		ssize_t k = wr ? pwrite(fd, iobuf, ch, o) : pread(fd, iobuf, ch, o);
		if (k < 0) return -1;
		*done += k;
		keep_pace(&pace, k);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static char line[512];
	char *t[MAXTOK], out[128];
	open_fifos(argc > 1 ? argv[1] : "x", &cfd, &rfd);
	for (;;) {
		ssize_t n = read(cfd, line, sizeof line - 1);
		if (n <= 0) _exit(0);
		line[n] = 0;
		tokenize(line, t);	/* opno verb name args... */
		u64 op = num(t[0]), done = 0;
		char *v = t[1], **a = t + 3;
		int rc = 0;
		errno = 0;
		out[0] = 0;
		if (!strcmp(v, "start")) {
		} else if (!strcmp(v, "mmap")) {
			rc = addreg(a[0], num(a[1]), RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		} else if (!strcmp(v, "fmap")) {
			int fd = getfile(a[1]);
			struct stat sb;
			rc = fd < 0 ? -1 : fstat(fd, &sb);
			if (!rc) rc = addreg(a[0], sb.st_size, rights(a[3]),
				a[2][0] == 's' ? MAP_SHARED : MAP_PRIVATE, fd);
		} else if (!strcmp(v, "shm")) {
			rc = do_shm(a);
		} else if (!strcmp(v, "mremap")) {
			rc = do_mremap(a);
		} else if (!strcmp(v, "brk")) {
			rc = do_brk(a);
		} else if (!strcmp(v, "vm_read")) {
			rc = do_vm_read(a);
		} else if (!strcmp(v, "unlink")) {
			rc = do_unlink(a[0]);
		} else if (!strcmp(v, "limit")) {
			rc = do_limit(a[0], a[1]);
		} else if (!strcmp(v, "stack")) {
			use_stack(num(a[0]));
		} else if (!strcmp(v, "touch")) {
			rc = do_touch(op, a);
		} else if (!strcmp(v, "fread") || !strcmp(v, "fwrite")) {
			rc = do_io(v[1] == 'w', a, &done);
			snprintf(out, sizeof out, " bytes=%llu", (unsigned long long)done);
		} else if (!strcmp(v, "fsync")) {
			int fd = getfile(a[0]);
			rc = fd < 0 ? -1 : fsync(fd);
		} else if (!strcmp(v, "truncate")) {
			int fd = getfile(a[0]);
			rc = fd < 0 ? -1 : ftruncate(fd, 0);
		} else if (!strcmp(v, "close")) {
			rc = do_close(a[0]);
		} else if (!strcmp(v, "munmap")) {
			struct region *r = findreg(a[0]);
			if (!r) { rc = -1; errno = ENOENT; }
			else { rc = munmap(r->p, r->len); r->p = 0; }
		} else if (!strcmp(v, "madvise") || !strcmp(v, "mlock") || !strcmp(v, "munlock")
			   || !strcmp(v, "mprotect")) {
			struct region *r = findreg(a[0]);
			u64 off = num(a[1]), len = num(a[2]);
			if (!r) { rc = -1; errno = ENOENT; }
			else if (off + len > r->len) { rc = -1; errno = ERANGE; }
			else if (v[1] == 'p') rc = mprotect(r->p + off, len, rights(a[3]));
			else if (v[1] == 'l') rc = mlock(r->p + off, len);
			else if (v[1] == 'u') rc = munlock(r->p + off, len);
			else {
				int adv = MADV_NORMAL;
				if (!strcmp(a[3], "dontneed")) adv = MADV_DONTNEED;
				else if (!strcmp(a[3], "free")) adv = 8;
				else if (!strcmp(a[3], "willneed")) adv = MADV_WILLNEED;
				else if (!strcmp(a[3], "hugepage")) adv = MADV_HUGEPAGE;
				else if (!strcmp(a[3], "nohugepage")) adv = MADV_NOHUGEPAGE;
				else if (!strcmp(a[3], "cold")) adv = 20;
				else if (!strcmp(a[3], "pageout")) adv = 21;
				rc = madvise(r->p + off, len, adv);
			}
		} else if (!strcmp(v, "fork")) {
			long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
			if (pid == 0) {
				char nm[64];
				snprintf(nm, sizeof nm, "%s", a[0]);
				close(cfd);
				close(rfd);
				open_fifos(nm, &cfd, &rfd);
				continue;
			}
			rc = pid < 0 ? -1 : 0;
			snprintf(out, sizeof out, " pid=%ld", pid);
		} else if (!strcmp(v, "exit")) {
			_exit(0);
		} else {
			rc = -1;
			errno = ENOSYS;
		}
		char msg[192];
		int m = rc < 0 ? snprintf(msg, sizeof msg, "err %d%s\n", errno, out)
			       : snprintf(msg, sizeof msg, "ok%s\n", out);
		if (write(rfd, msg, m) != m) _exit(98);
	}
}
