/* heap.c - the program of a process that uses the C library's allocator, which worker.c must stay without.
 *
 * Started as "/heap NAME"; speaks over its FIFOs as worker.c does: "OPNO VERB NAME WORD..." in, "ok ..." or
 * "err ERRNO" out.  Sizes are bytes.  What was allocated has a TAG; several blocks may have the same.
 *
 *   start                      nothing: the first command of every process
 *   malloc TAG SIZE N HOW T    allocate N blocks and, unless HOW is "u", write each once; T: the thread, "-" for none
 *   realloc TAG SIZE EVERY HOW T   give every EVERY-th block of TAG that size; unless HOW is "u", write what is new
 *   free TAG EVERY T           free every EVERY-th block of TAG that is left, the first among them
 *   malloctrim                 malloc_trim(0)
 *   mallopt PARAMETER VALUE    trim_threshold, top_pad, mmap_threshold, arena_max
 *   threadstart T              start a thread that waits for what it is to allocate and free
 *   exit                       end
 *
 * The blocks of a tag are a list whose links lie in the blocks themselves, so that no table takes memory beside them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>

#include "common.h"

#define MOST_TAGS 64
#define MOST_THREADS 64

struct block { struct block *next; };
struct tag { char name[24]; struct block *first, *last; };
struct job { const char *verb; char **words; int error; };
struct thread { char name[32]; struct job *job; pthread_mutex_t m; pthread_cond_t c; };
static struct tag tags[MOST_TAGS];
static struct thread threads[MOST_THREADS];
static int ntags, nthreads;

static struct tag *tag_of(const char *name, int make)
{
	for (int i = 0; i < ntags; i++)
		if (!strcmp(tags[i].name, name)) return &tags[i];
	if (!make || ntags == MOST_TAGS) return 0;
	snprintf(tags[ntags].name, sizeof tags->name, "%s", name);
	return &tags[ntags++];
}

static void write_pages(char *p, u64 size)
{
	for (u64 at = 0; at < size; at += PG) *(volatile char *)(p + at) = 1;
	if (size) *(volatile char *)(p + size - 1) = 1;
}

/* Both return 0 or an errno. */
static int do_malloc(const char *name, u64 size, u64 n, int write)
{
	struct tag *t = tag_of(name, 1);
	if (!t) return ENOSPC;
	for (u64 i = 0; i < n; i++) {
		struct block *b = malloc(size);
		if (!b) return ENOMEM;
		if (write) write_pages((char *)b, size);
		b->next = 0;
		if (t->last) t->last->next = b;
		else t->first = b;
		t->last = b;
	}
	return 0;
}

static int do_free(const char *name, u64 every)
{
	struct tag *t = tag_of(name, 0);
	struct block **at = t ? &t->first : 0;
	if (!t || !t->first) return ENOENT;
	t->last = 0;
	for (u64 i = 0; *at; i++) {
		struct block *b = *at;
		if (i % every == 0) {
			*at = b->next;
			free(b);
		} else {
			t->last = b;
			at = &b->next;
		}
	}
	return 0;
}

static int do_realloc(const char *name, u64 size, u64 every, int write)
{
	struct tag *t = tag_of(name, 0);
	struct block **at = t ? &t->first : 0;
	if (!t || !t->first) return ENOENT;
	for (u64 i = 0; *at; i++, at = &(*at)->next) {
		if (i % every) continue;
		int last = t->last == *at;
		u64 old = malloc_usable_size(*at);
		struct block *b = realloc(*at, size);
		if (!b) return ENOMEM;
		if (write && size > old) write_pages((char *)b + old, size - old);
		*at = b;
		if (last) t->last = b;
	}
	return 0;
}

static int do_mallopt(const char *parameter, u64 value)
{
	static const struct { const char *name; int number; } known[] = {
		{ "trim_threshold", M_TRIM_THRESHOLD }, { "top_pad", M_TOP_PAD },
		{ "mmap_threshold", M_MMAP_THRESHOLD }, { "arena_max", M_ARENA_MAX },
	};
	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcmp(known[i].name, parameter)) return mallopt(known[i].number, value) ? 0 : EINVAL;
	return EINVAL;
}

static int carry_out(const char *v, char **a)
{
	if (!strcmp(v, "malloc")) return do_malloc(a[0], num(a[1]), num(a[2]), *a[3] != 'u');
	if (!strcmp(v, "realloc")) return do_realloc(a[0], num(a[1]), num(a[2]), *a[3] != 'u');
	return do_free(a[0], num(a[1]));
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	pthread_mutex_lock(&t->m);
	for (;;) {
		while (!t->job) pthread_cond_wait(&t->c, &t->m);
		t->job->error = carry_out(t->job->verb, t->job->words);
		t->job = 0;
		pthread_cond_broadcast(&t->c);
	}
	return 0;
}

static int do_start_thread(const char *name)
{
	pthread_t id;
	if (nthreads == MOST_THREADS) return EAGAIN;
	struct thread *t = &threads[nthreads];
	snprintf(t->name, sizeof t->name, "%s", name);
	pthread_mutex_init(&t->m, 0);
	pthread_cond_init(&t->c, 0);
	int error = pthread_create(&id, 0, thread_main, t);
	if (!error) nthreads++;
	return error;
}

/* Have a thread carry out what this process itself otherwise would. */
static int by_thread(const char *name, const char *v, char **a)
{
	struct job job = { v, a, 0 };
	for (int i = 0; i < nthreads; i++) {
		struct thread *t = &threads[i];
		if (strcmp(t->name, name)) continue;
		pthread_mutex_lock(&t->m);
		t->job = &job;
		pthread_cond_broadcast(&t->c);
		while (t->job) pthread_cond_wait(&t->c, &t->m);
		pthread_mutex_unlock(&t->m);
		return job.error;
	}
	return ESRCH;
}

static int command(const char *v, char **a)
{
	if (!strcmp(v, "start")) return 0;
	if (!strcmp(v, "malloc")) return strcmp(a[4], "-") ? by_thread(a[4], v, a) : carry_out(v, a);
	if (!strcmp(v, "realloc")) return strcmp(a[4], "-") ? by_thread(a[4], v, a) : carry_out(v, a);
	if (!strcmp(v, "free")) return strcmp(a[2], "-") ? by_thread(a[2], v, a) : carry_out(v, a);
	if (!strcmp(v, "malloctrim")) { malloc_trim(0); return 0; }
	if (!strcmp(v, "mallopt")) return do_mallopt(a[0], num(a[1]));
	if (!strcmp(v, "threadstart")) return do_start_thread(a[0]);
	return ENOSYS;
}

int main(int argc, char **argv)
{
	static char line[512], reply[64];
	char *t[MAXTOK];
	int commands, replies;
	open_fifos(argc > 1 ? argv[1] : "x", &commands, &replies);
	for (;;) {
		ssize_t n = read(commands, line, sizeof line - 1);
		if (n <= 0) _exit(0);
		line[n] = 0;
		tokenize(line, t);
		if (!strcmp(t[1], "exit")) _exit(0);
		int error = command(t[1], t + 3);
		int m = error ? snprintf(reply, sizeof reply, "err %d\n", error) : snprintf(reply, sizeof reply, "ok\n");
		if (write(replies, reply, m) != m) _exit(98);
	}
}
