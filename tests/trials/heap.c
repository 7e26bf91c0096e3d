/* A program whose heap is read from outside. usage: heap MODE [MB]; prints what mallinfo2 says; a line on stdin: trims. */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(OLD_LIBC) || !__GLIBC_PREREQ(2, 33)
#define mallinfo2 mallinfo
#endif
static long mb = 64;
static char buffer[4096];
static const char *mode;
static void fill(void) {
    long n = mb * 1024;
    char **p = malloc(n * sizeof *p);
    for (long i = 0; i < n; i++) { p[i] = malloc(1000); memset(p[i], 1, 1000); }
    for (long i = 0; i < n; i++) {
        if (!strcmp(mode, "half") ? i % 2 : !strcmp(mode, "most") || !strcmp(mode, "threads") ? i % 10 : 0) free(p[i]);
    }
}
static void small(void) {
    long n = mb * 1024 * 16 / 2;
    char **p = malloc(n * sizeof *p);
    for (long i = 0; i < n; i++) { p[i] = malloc(100); memset(p[i], 1, 100); }
    for (long i = 0; i < n; i += 2) free(p[i]);
}
static void shuffled(void) {
    long n = mb * 1024, at = 0;
    char **p = malloc(n * sizeof *p);
    for (long i = 0; i < n; i++) { p[i] = malloc(1000); memset(p[i], 1, 1000); }
    for (long i = 0; i < n / 2; i++) { at = (at + 40503 * 2) % n; free(p[at]); p[at] = 0; }
}
static void *thread(void *barrier) { fill(); pthread_barrier_wait(barrier); pause(); return 0; }
static void say(void) {
    long size, rss = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (fscanf(f, "%ld %ld", &size, &rss) != 2) rss = 0;
    fclose(f);
    printf("%zu %zu %ld\n", (size_t)mallinfo2().fordblks, (size_t)mallinfo2().arena, rss * 4096L);
    fflush(stdout);
}
int main(int argc, char **argv) {
    mode = argv[1];
    if (argc > 2) mb = atol(argv[2]);
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    if (!strcmp(mode, "threads")) {
        pthread_barrier_t barrier;
        pthread_t t[4];
        mb /= 4;
        pthread_barrier_init(&barrier, 0, 5);
        for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, thread, &barrier);
        pthread_barrier_wait(&barrier);
    } else if (!strcmp(mode, "small")) small();
    else if (!strcmp(mode, "shuffled")) shuffled();
    else if (!strcmp(mode, "busy")) {
        static char *q[4096];
        say();
        for (unsigned x = 1;; x = x * 1103515245 + 12345) { free(q[x >> 8 & 4095]); q[x >> 8 & 4095] = malloc(x >> 20 & 2047); if (!(x >> 13 & 127)) usleep(100); }
    } else fill();
    say();
    char c;
    while (read(0, &c, 1) == 1) { malloc_trim(0); say(); }
    return 0;
}
