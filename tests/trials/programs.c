/* Programs whose memory grows, or does not, each in its own way: programs KIND SEED. They run until they are killed. */
#define _GNU_SOURCE
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

#define KB 1024L
#define MB (1024L * 1024)
static uint64_t state;
static double draw(void) { state = state * 6364136223846793005u + 1442695040888963407u; return (state >> 11) / 9007199254740992.0; }
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static void nap(double s) { usleep((useconds_t)(s * 1e6)); }
static void *fill(size_t n) { char *p = malloc(n); memset(p, 1, n); return p; }
static void *pages(size_t n) { char *p = mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); memset(p, 1, n); return p; }
static double jitter(void) { return 0.8 + 0.4 * draw(); }
static void base(void) { fill((size_t)((8 + 24 * draw()) * MB)); }

/* leaks */
static void leak_small(double rate) { for (;;) { for (int i = 0; i < 20; i++) fill((size_t)(rate / 200)); nap(0.1); } }
static void leak_sawtooth(double rate) {
    for (;;) {
        void *held[40];
        int n = 10 + (int)(30 * draw());
        for (int i = 0; i < n; i++) { held[i] = pages(256 * KB); nap(0.05); }
        for (int i = 0; i < n; i++) munmap(held[i], 256 * KB);
        fill((size_t)(rate * n * 0.05));
    }
}
static void leak_step(double size, double every) { for (;;) { nap(every * jitter()); pages((size_t)size); } }
static void leak_mmap(double rate) { for (;;) { pages((size_t)(rate / 4096 / 2) * 4096); nap(0.5); } }
static void leak_bursts(double rate) {  /* works in bursts, loses some of each */
    for (;;) { double quiet = 4 * draw(); nap(quiet + 1); fill((size_t)(rate * (quiet + 1) * jitter())); }
}
static void leak_realloc(double rate) { size_t n = MB; char *p = malloc(n); for (;;) { p = realloc(p, n + (size_t)(rate / 2)); memset(p + n, 1, (size_t)(rate / 2)); n += (size_t)(rate / 2); nap(0.5); } }
static void leak_children(void) { for (;;) { if (!fork()) { fill(2 * MB); for (;;) pause(); } nap(4 * jitter()); } }

/* innocents */
static void steady(void) { for (;;) nap(1); }
static void churn(void) { static void *q[2000]; for (;;) { for (int i = 0; i < 200; i++) { int k = (int)(2000 * draw()); free(q[k]); q[k] = fill(100 + (size_t)(8000 * draw())); } nap(0.02); } }
static void cache(double limit, double rate) { double held = 0; for (;;) { if (held < limit) { fill((size_t)(rate / 5)); held += rate / 5; } nap(0.2); } }
static void warm_up(double size, double tau) { double done = 0, begin = now(); for (;;) { double want = size * (1 - exp(-(now() - begin) / tau)); if (want - done > 4096) { fill((size_t)(want - done)); done = want; } nap(0.2); } }
static void sawtooth(double period, double top) { for (;;) { void *held[100]; for (int i = 0; i < 100; i++) { held[i] = pages((size_t)(top / 100 / 4096) * 4096); nap(period * jitter() / 100); } for (int i = 0; i < 100; i++) munmap(held[i], (size_t)(top / 100 / 4096) * 4096); } }
static void walk(void) { void *held[400]; int n = 100; for (int i = 0; i < n; i++) held[i] = pages(128 * KB); for (;;) { if (draw() < 0.5) { if (n < 400) held[n++] = pages(128 * KB); } else if (n > 1) munmap(held[--n], 128 * KB); nap(0.1); } }
static void bursts(void) { for (;;) { nap(5 + 20 * draw()); void *p = pages(40 * MB); nap(1 + 3 * draw()); munmap(p, 40 * MB); } }
static void fragments(void) {  /* frees what it allocates, but one block in 16 keeps the heap from shrinking, up to a point */
    static char *kept[2000]; int n = 0;
    for (;;) { char *b[64]; for (int i = 0; i < 64; i++) b[i] = fill(3000); for (int i = 0; i < 64; i++) if (i % 16 || n >= 2000) free(b[i]); else kept[n++ % 2000] = b[i]; if (n >= 2000) { for (int i = 0; i < 2000; i++) free(kept[i]); n = 0; } nap(0.2); }
}
static void peak(void) { for (;;) { long n = 4000; char **p = malloc(n * sizeof *p); for (long i = 0; i < n; i++) { p[i] = fill(8000); if (!(i % 50)) nap(0.05); } for (long i = 0; i < n; i++) free(p[i]); free(p); nap(6); } }
static void kept(void) {  /* each batch is larger than the one before, all of it is freed, and a crumb pins the heap */
    for (long n = 100;; n += 40) { char **b = malloc(sizeof *b * 100000); for (long i = 0; i < n && i < 100000; i++) b[i] = fill(2000); char *crumb = malloc(1500); crumb[0] = 1; for (long i = 0; i < n && i < 100000; i++) free(b[i]); free(b); nap(0.5); }
}
static void holes(void) {  /* a batch each second; a tenth of each batch stays a while and pins its pages */
    for (long round = 0;; round++) { static char *stay[30][100]; int r = round % 30; for (int i = 0; i < 100; i++) { free(stay[r][i]); char *a[9]; for (int k = 0; k < 9; k++) a[k] = fill(900); stay[r][i] = fill(900); for (int k = 0; k < 9; k++) free(a[k]); } nap(1); }
}
static void lazy(void) { size_t n = 4 * MB; for (;;) { char *p = pages(n); madvise(p, n, MADV_FREE); nap(1.5); } }
static void reader(const char *dir) { char name[200]; snprintf(name, 200, "%s/reader.%d", dir, getpid()); int f = open(name, O_RDWR | O_CREAT, 0600); long n = 120 * MB; if (ftruncate(f, n)) return; unlink(name); char *p = mmap(0, n, PROT_READ, MAP_SHARED, f, 0); volatile char c; for (long i = 0; i < n; i += 4096) { c = p[i]; (void)c; if (!(i % (400 * KB))) nap(1); } for (;;) nap(1); }
static void shared(void) { for (;;) { char *p = mmap(0, 400 * KB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); memset(p, 1, 400 * KB); nap(1); } }
static void tables(void) { long gap = 2 * MB; for (long at = 0;; at++) { char *p = mmap((void *)(0x100000000000 + at * gap), 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0); if (p != MAP_FAILED) { volatile char c = *p; (void)c; } nap(0.02); } }
static void server(void) { for (;;) { pid_t p = fork(); if (!p) { fill((size_t)(4 * MB * jitter())); nap(0.5); _exit(0); } nap(0.3 * jitter()); while (waitpid(-1, 0, WNOHANG) > 0) { } } }
static void load(double rate, double seconds) { double end = now() + seconds; for (;;) { if (now() < end) fill((size_t)(rate / 5)); nap(0.2); } }
static void swing(double period, double size) { long held = 0, unit = 64 * KB; void **p = calloc(100000, sizeof *p); double begin = now(); for (;;) { long want = (long)(size * (1 + sin(2 * M_PI * (now() - begin) / period - M_PI / 2)) / 2 / unit); while (held < want) p[held++] = pages(unit); while (held > want) munmap(p[--held], unit); nap(0.2); } }
static void quarter(double period, double size) { swing(period * 4, size * 2); }
static void pool(void) { for (;;) { void *p[50]; int n = 1 + (int)(50 * draw()); for (int i = 0; i < n; i++) p[i] = fill(200 * KB); nap(0.3); for (int i = 0; i < n; i++) free(p[i]); } }

int main(int argc, char **argv) {
    const char *k = argc > 1 ? argv[1] : "";
    state = argc > 2 ? strtoull(argv[2], 0, 10) * 2654435761u + 12345 : 1;
    for (int i = 0; i < 9; i++) draw();
    base();
    double f = jitter();
#define IS(name) if (!strcmp(k, name))
    IS("leak-small") leak_small(400 * KB * f);
    IS("leak-slow") leak_small(20 * KB * f);
    IS("leak-mid") leak_small(100 * KB * f);
    IS("leak-sawtooth") leak_sawtooth(300 * KB * f);
    IS("leak-step") leak_step(2 * MB * f, 8);
    IS("leak-rare") leak_step(4 * MB * f, 20);
    IS("leak-mmap") leak_mmap(250 * KB * f);
    IS("leak-bursts") leak_bursts(300 * KB * f);
    IS("leak-realloc") leak_realloc(200 * KB * f);
    IS("leak-big-blocks") leak_step(1 * MB * f, 2);
    IS("leak-children") leak_children();
    IS("leak-churn") for (;;) { static void *q[1000]; for (int i = 0; i < 50; i++) { int n = (int)(1000 * draw()); if (draw() > 0.05) free(q[n]); q[n] = fill(100 + (size_t)(8000 * draw())); } nap(0.1); }
    IS("leak-threads-like") for (;;) { pages((size_t)(64 * KB)); nap(0.4 * jitter()); }
    IS("steady") steady();
    IS("churn") churn();
    IS("cache") cache(40 * MB * f, 800 * KB);
    IS("cache-fast") cache(80 * MB * f, 4 * MB);
    IS("warm-up") warm_up(60 * MB * f, 15);
    IS("warm-up-slow") warm_up(60 * MB * f, 40);
    IS("sawtooth") sawtooth(8, 30 * MB);
    IS("sawtooth-slow") sawtooth(25, 40 * MB);
    IS("walk") walk();
    IS("bursts") bursts();
    IS("fragments") fragments();
    IS("peak") peak();
    IS("kept") kept();
    IS("holes") holes();
    IS("lazy") lazy();
    IS("reader") reader(argc > 3 ? argv[3] : "/tmp");
    IS("shared") shared();
    IS("tables") tables();
    IS("server") server();
    IS("load") load(600 * KB * f, 60 + 40 * draw());
    IS("load-fast") load(6 * MB, 20);
    IS("swing") swing(40, 30 * MB);
    IS("swing-slow") swing(110, 30 * MB);
    IS("pool") pool();
    IS("quarter") quarter(330, 60 * MB);
    IS("half") swing(660, 60 * MB);
    IS("fill-slow") warm_up(80 * MB, 250);
    return 2;
}
