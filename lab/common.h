/* common.h - what the guest's programs share: the words of a line, random words, the worker's end of the FIFOs.
 *
 * A change here changes every program that includes it, and with it the pages of worker.c: see README.md.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

typedef uint64_t u64;
#define PG 4096UL
#define MAXTOK 24
#ifndef FIFOS
#define FIFOS "/f"	/* a test compiles with another directory */
#endif

/* The next word of splitmix64. */
static inline u64 sm_next(u64 *s)
{
	u64 z = (*s += 0x9E3779B97F4A7C15ULL);
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
	return z ^ (z >> 31);
}

/* Cut S into words in place; words that are not there are empty. */
static inline int tokenize(char *s, char **t)
{
	int n = 0;
	while (n < MAXTOK) {
		while (*s == ' ' || *s == '\n') *s++ = 0;
		if (!*s) break;
		t[n++] = s;
		while (*s && *s != ' ' && *s != '\n') s++;
	}
	for (int i = n; i < MAXTOK; i++) t[i] = (char *)"";
	return n;
}
static inline u64 num(const char *s) { return strtoull(s, 0, 0); }

/* Take NAME and open its two FIFOs: commands come in through NAME.c, replies go out through NAME.r. */
static inline void open_fifos(const char *name, int *commands, int *replies)
{
	char p[96];
	prctl(PR_SET_NAME, name, 0, 0, 0);
	snprintf(p, sizeof p, FIFOS "/%s.c", name);
	*commands = open(p, O_RDONLY | O_CLOEXEC);
	snprintf(p, sizeof p, FIFOS "/%s.r", name);
	*replies = open(p, O_WRONLY | O_CLOEXEC);
	if (*commands < 0 || *replies < 0) _exit(97);
}
