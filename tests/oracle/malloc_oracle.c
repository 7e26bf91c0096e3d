/* the same operations with the real allocator: commands on stdin, figures on stdout */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

struct block { char tag[24]; char *p; size_t size; };
static struct block *blocks;
static size_t nblocks;
static void *base;

static void do_malloc(const char *tag, size_t size, size_t n, int touch)
{
	for (size_t i = 0; i < n; i++) {
		char *p = malloc(size);
		struct block *b = &blocks[nblocks++];
		snprintf(b->tag, sizeof b->tag, "%s", tag);
		b->p = p; b->size = size;
		if (touch) for (size_t at = 0; at < size; at += 4096) *(volatile char *)(p + at) = 1;
		if (touch && size) *(volatile char *)(p + size - 1) = 1;
	}
}
static void do_free(const char *tag, size_t every)
{
	size_t seen = 0;
	for (size_t i = 0; i < nblocks; i++)
		if (blocks[i].p && !strcmp(blocks[i].tag, tag) && seen++ % every == 0) { free(blocks[i].p); blocks[i].p = 0; }
}
static void do_realloc(const char *tag, size_t size, size_t every, int touch)
{
	size_t seen = 0;
	for (size_t i = 0; i < nblocks; i++)
		if (blocks[i].p && !strcmp(blocks[i].tag, tag) && seen++ % every == 0) {
			size_t old = malloc_usable_size(blocks[i].p);
			char *p = realloc(blocks[i].p, size);
			if (touch && size > old) {
				for (size_t at = old; at < size; at += 4096) *(volatile char *)(p + at) = 1;
				*(volatile char *)(p + size - 1) = 1;
			}
			blocks[i].p = p; blocks[i].size = size;
		}
}
struct thread { char name[24]; pthread_t id; char op[16], tag[24]; size_t a, b; int c; pthread_mutex_t m; pthread_cond_t go, done; int state; };
static struct thread threads[64];
static int nthreads;
static void carry(const char *op, const char *tag, size_t a, size_t b, int c)
{
	if (!strcmp(op, "malloc")) do_malloc(tag, a, b, c);
	else if (!strcmp(op, "realloc")) do_realloc(tag, a, b, c);
	else if (!strcmp(op, "free")) do_free(tag, a);
	else if (!strcmp(op, "trim")) malloc_trim(0);
}
static void *thread_main(void *arg)
{
	struct thread *t = arg;
	pthread_mutex_lock(&t->m);
	for (;;) {
		while (t->state != 1) pthread_cond_wait(&t->go, &t->m);
		carry(t->op, t->tag, t->a, t->b, t->c);
		t->state = 2;
		pthread_cond_signal(&t->done);
	}
}
static void report(void)
{
	static char line[512];
	char *stack[1];
	size_t heap = 0, heap_rss = 0, anon = 0, rss = 0, kb, lo, hi, in_heap = 0, mine = 0, locked = 0;
	FILE *f = fopen("/proc/self/smaps", "r");
	static char buf[4096];
	setvbuf(f, buf, _IOFBF, sizeof buf);
	struct mallinfo2 mi = mallinfo2();
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "%zx-%zx", &lo, &hi) == 2 && strchr(line, '-') < line + 17) {
			in_heap = strstr(line, "[heap]") != 0;
			char perms[8] = "", path[256] = "";
			sscanf(line, "%*s %7s %*s %*s %*s %255s", perms, path);
			mine = (in_heap || (!path[0] && perms[0] == 'r' && perms[1] == 'w' && perms[3] == 'p')) && !(lo <= (size_t)blocks && (size_t)blocks < hi);
			if (in_heap) heap += hi - lo;
			else if (mine) anon += hi - lo;
		} else if (mine && sscanf(line, "Rss: %zu kB", &kb) == 1) { if (in_heap) heap_rss += kb * 1024; else rss += kb * 1024; }
	}
	fclose(f);
	dprintf(1, "%zu %zu %zu %zu %zu %zu\n", heap, heap_rss, anon, rss, mi.arena, mi.fordblks);
}
int main(void)
{
	char line[256];
	static char in[65536];
	blocks = mmap(0, 1UL << 28, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	setvbuf(stdin, in, _IOFBF, sizeof in);
	prctl(41, 1, 0, 0, 0);
	while (fgets(line, sizeof line, stdin)) {
		char who[24], op[16], tag[24] = "";
		size_t a = 0, b = 0; int c = 0;
		sscanf(line, "%23s %15s %23s %zu %zu %d", who, op, tag, &a, &b, &c);
		if (!strcmp(op, "report")) report();
		else if (!strcmp(op, "thread")) {
			struct thread *t = &threads[nthreads++];
			snprintf(t->name, 24, "%s", tag);
			pthread_mutex_init(&t->m, 0); pthread_cond_init(&t->go, 0); pthread_cond_init(&t->done, 0);
			pthread_create(&t->id, 0, thread_main, t);
		} else if (!strcmp(op, "mallopt")) mallopt(atoi(tag), a);
		else if (!strcmp(who, "-")) carry(op, tag, a, b, c);
		else for (int i = 0; i < nthreads; i++) if (!strcmp(threads[i].name, who)) {
			struct thread *t = &threads[i];
			pthread_mutex_lock(&t->m);
			strcpy(t->op, op); strcpy(t->tag, tag); t->a = a; t->b = b; t->c = c; t->state = 1;
			pthread_cond_signal(&t->go);
			while (t->state != 2) pthread_cond_wait(&t->done, &t->m);
			t->state = 0;
			pthread_mutex_unlock(&t->m);
		}
	}
	return 0;
}
