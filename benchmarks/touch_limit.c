/* The limit of the model's hit path: the same trace, from the same generator, into one flat array of 64-bit entries.
 *
 *   touch_limit KIND PAGES TOUCHES SEED EXPONENT WRITE
 *
 * KIND is seq, rand or pow; TOUCHES are made in whole passes for seq. Prints the touches made, the nanoseconds that
 * they took, and the entries whose accessed bit is set afterwards.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PRESENT = 1, WRITE = 2, ACCESSED = 32, DIRTY = 64 };

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15;
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
	return z ^ (z >> 31);
}

static inline void touch(volatile uint64_t *entry, uint64_t bits)
{
	*entry |= bits;
}

static uint64_t draw_pow(uint64_t *state, uint64_t pages, int exponent)
{
	double u = (double)(splitmix64(state) >> 11) * (1.0 / 9007199254740992.0), v = u;
	for (int k = 1; k < exponent; k++)
		v *= u;
	uint64_t page = (uint64_t)(v * (double)pages);
	return page < pages ? page : pages - 1;
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	if (argc != 7)
		return 2;
	uint64_t pages = strtoull(argv[2], 0, 10), touches = strtoull(argv[3], 0, 10), state = strtoull(argv[4], 0, 10);
	int exponent = atoi(argv[5]);
	uint64_t bits = atoi(argv[6]) ? ACCESSED | DIRTY : ACCESSED, made = 0, seen = 0;
	uint64_t *entries = malloc(pages * sizeof *entries);
	for (uint64_t i = 0; i < pages; i++)
		entries[i] = PRESENT | WRITE;
	uint64_t began = now();
	if (!strcmp(argv[1], "seq"))
		for (; made < touches; made += pages)
			for (uint64_t i = 0; i < pages; i++)
				touch(&entries[i], bits);
	else if (!strcmp(argv[1], "rand"))
		for (; made < touches; made++)
			touch(&entries[splitmix64(&state) % pages], bits);
	else
		for (; made < touches; made++)
			touch(&entries[draw_pow(&state, pages, exponent)], bits);
	uint64_t took = now() - began;
	for (uint64_t i = 0; i < pages; i++)
		seen += (entries[i] & ACCESSED) != 0;
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", made, took, seen);
	return 0;
}
