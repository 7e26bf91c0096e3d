/* heap.c - the program of a process that needs what worker.c must stay without: the library's allocator, threads,
 * shared memory.
 *
 * Started as "/heap NAME"; speaks over its FIFOs as worker.c does: "OPNO VERB NAME WORD..." in, "ok ..." or
 * "err ERRNO" out.  Sizes and offsets are bytes.  What was allocated or mapped has a TAG; several may have the same.
 *
 *   start                     nothing: the first command of every process
 *   malloc TAG SIZE [N]       allocate N blocks (1), not touched beyond what the allocator writes
 *   write TAG                 write the first word of each page of each block of TAG
 *   free TAG [EVERY]          free each EVERY-th block of TAG that is left (1: all of them)
 *   malloc_trim [PAD]         give the free top of the heap back, and whole free pages
 *   thread TAG SIZE [N]       start a thread that allocates and writes N blocks in an arena of its own, and then waits
 *   shm TAG NAME SIZE         shm_open NAME, make it SIZE long, map it shared
 *   shm_unlink NAME           remove the name
 *   tmpfs FILE OFFSET LENGTH  write a part of a file on the tmpfs (/dev/shm) through a buffer of a page
 *   anon TAG SIZE             map anonymous memory shared: a fork would share it
 *   unmap TAG                 unmap what shm or anon mapped
 *   exit                      end
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "common.h"

struct block { char tag[24]; char *p; u64 size; int mapped; };
#define MAXBLOCKS (1UL << 20)
static struct block *blocks;	/* mapped, not allocated: the heap holds only what was asked for */
static u64 nblocks;
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;

static int remember(const char *tag, char *p, u64 size, int mapped)
{
	pthread_mutex_lock(&table);
	u64 at = nblocks < MAXBLOCKS ? nblocks++ : MAXBLOCKS;
	if (at < MAXBLOCKS) {
		struct block *b = &blocks[at];
		snprintf(b->tag, sizeof b->tag, "%s", tag);
		b->p = p;
		b->size = size;
		b->mapped = mapped;
	}
	pthread_mutex_unlock(&table);
	if (at < MAXBLOCKS) return 0;
	errno = ENOSPC;
	return -1;
}

/* The next block of TAG from number *I on that is there; 0: no more. */
static struct block *next_block(const char *tag, u64 *i)
{
	for (; *i < nblocks; ++*i)
		if (blocks[*i].p && !strcmp(blocks[*i].tag, tag)) return &blocks[(*i)++];
	return 0;
}

static void write_pages(char *p, u64 size)
{
	for (u64 at = 0; at < size; at += PG) *(volatile char *)(p + at) = 1;
}

static int do_malloc(const char *tag, u64 size, u64 n, int write)
{
	for (u64 i = 0; i < n; i++) {
		char *p = malloc(size);
		if (!p) return -1;
		if (write) write_pages(p, size);
		if (remember(tag, p, size, 0)) { free(p); return -1; }
	}
	return 0;
}

static int do_write(const char *tag)
{
	u64 i = 0;
	struct block *b = next_block(tag, &i);
	if (!b) { errno = ENOENT; return -1; }
	for (; b; b = next_block(tag, &i)) write_pages(b->p, b->size);
	return 0;
}

static int do_free(const char *tag, u64 every)
{
	u64 i = 0, seen = 0;
	for (struct block *b; (b = next_block(tag, &i));)
		if (!b->mapped && ++seen % every == 0) {
			free(b->p);
			b->p = 0;
		}
	if (seen) return 0;
	errno = ENOENT;
	return -1;
}

struct job { char tag[24]; u64 size, n; int rc, error, done; pthread_mutex_t m; pthread_cond_t c; };

static void *thread_main(void *arg)
{
	struct job *j = arg;
	int rc = do_malloc(j->tag, j->size, j->n, 1), e = errno;
	pthread_mutex_lock(&j->m);
	j->rc = rc;
	j->error = e;
	j->done = 1;
	pthread_cond_signal(&j->c);
	pthread_mutex_unlock(&j->m);
	for (;;) pause();
	return 0;
}

static int do_thread(const char *tag, u64 size, u64 n)
{
	struct job j = { .size = size, .n = n, .m = PTHREAD_MUTEX_INITIALIZER, .c = PTHREAD_COND_INITIALIZER };
	pthread_t id;
	snprintf(j.tag, sizeof j.tag, "%s", tag);
	int e = pthread_create(&id, 0, thread_main, &j);
	if (e) { errno = e; return -1; }
	pthread_mutex_lock(&j.m);
	while (!j.done) pthread_cond_wait(&j.c, &j.m);
	pthread_mutex_unlock(&j.m);
	pthread_detach(id);
	errno = j.error;
	return j.rc;
}

/* The tmpfs that shm_open needs: mounted at its first use, if it is not there. */
static int need_tmpfs(void)
{
	struct stat shm, dev;
	mkdir("/dev/shm", 01777);
	if (stat("/dev/shm", &shm) || stat("/dev", &dev)) return -1;
	return shm.st_dev == dev.st_dev ? mount("tmpfs", "/dev/shm", "tmpfs", 0, "") : 0;
}

static int map_shared(const char *tag, u64 size, int fd)
{
	char *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
	if (p == MAP_FAILED) return -1;
	return remember(tag, p, size, 1);
}

static int do_shm(const char *tag, const char *name, u64 size)
{
	if (need_tmpfs()) return -1;
	int fd = shm_open(name, O_RDWR | O_CREAT, 0600);
	if (fd < 0) return -1;
	int rc = ftruncate(fd, size) ? -1 : map_shared(tag, size, fd), e = errno;
	close(fd);
	errno = e;
	return rc;
}

static int do_tmpfs(const char *file, u64 offset, u64 length)
{
	static const char page[PG] = { 1 };
	char path[128];
	if (need_tmpfs()) return -1;
	snprintf(path, sizeof path, "/dev/shm/%s", file);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), rc = fd < 0 ? -1 : 0;
	for (u64 done = 0; !rc && done < length;) {
		ssize_t k = pwrite(fd, page, length - done < PG ? length - done : PG, offset + done);
		if (k < 0) rc = -1;
		else done += k;
	}
	int e = errno;
	if (fd >= 0) close(fd);
	errno = e;
	return rc;
}

static int do_unmap(const char *tag)
{
	u64 i = 0, found = 0;
	for (struct block *b; (b = next_block(tag, &i));)
		if (b->mapped) {
			found = 1;
			if (munmap(b->p, b->size)) return -1;
			b->p = 0;
		}
	if (found) return 0;
	errno = ENOENT;
	return -1;
}

static int carry_out(const char *v, char **a)
{
	u64 n = num(a[2]) ? num(a[2]) : 1;
	if (!strcmp(v, "start")) return 0;
	if (!strcmp(v, "malloc")) return do_malloc(a[0], num(a[1]), n, 0);
	if (!strcmp(v, "write")) return do_write(a[0]);
	if (!strcmp(v, "free")) return do_free(a[0], num(a[1]) ? num(a[1]) : 1);
	if (!strcmp(v, "malloc_trim")) { malloc_trim(num(a[0])); return 0; }
	if (!strcmp(v, "thread")) return do_thread(a[0], num(a[1]), n);
	if (!strcmp(v, "shm")) return do_shm(a[0], a[1], num(a[2]));
	if (!strcmp(v, "shm_unlink")) return shm_unlink(a[0]);
	if (!strcmp(v, "tmpfs")) return do_tmpfs(a[0], num(a[1]), num(a[2]));
	if (!strcmp(v, "anon")) return map_shared(a[0], num(a[1]), -1);
	if (!strcmp(v, "unmap")) return do_unmap(a[0]);
	errno = ENOSYS;
	return -1;
}

int main(int argc, char **argv)
{
	static char line[512], reply[64];
	char *t[MAXTOK];
	int commands, replies;
	open_fifos(argc > 1 ? argv[1] : "x", &commands, &replies);
	blocks = mmap(0, MAXBLOCKS * sizeof *blocks, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (blocks == MAP_FAILED) _exit(96);
	for (;;) {
		ssize_t n = read(commands, line, sizeof line - 1);
		if (n <= 0) _exit(0);
		line[n] = 0;
		tokenize(line, t);
		if (!strcmp(t[1], "exit")) _exit(0);
		errno = 0;
		int m = carry_out(t[1], t + 3) < 0 ? snprintf(reply, sizeof reply, "err %d\n", errno)
						   : snprintf(reply, sizeof reply, "ok\n");
		if (write(replies, reply, m) != m) _exit(98);
	}
}
