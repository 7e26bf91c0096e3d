/* What the kernel of this machine does with the touches that the model simulates, in 4 KiB pages.
 *
 *   host_touch PAGES
 *
 * Prints a line for each of: fault (first writes of fresh anonymous memory), hit (writes to the same pages again), cow
 * (writes after a fork whose child keeps the pages), unmap, and huge (first writes where the program asks for huge pages;
 * no line if the kernel gave none): pages, nanoseconds, minor faults of this process.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static long faults(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

static void touch_all(const char *what, volatile char *memory, uint64_t pages)
{
	long before = faults();
	uint64_t began = now();
	for (uint64_t i = 0; i < pages; i++)
		memory[i * PAGE] = (char)i;
	uint64_t took = now() - began;
	printf("%s %" PRIu64 " %" PRIu64 " %ld\n", what, pages, took, faults() - before);
}

/* First writes of fresh memory in huge pages, whose faults are one for 512 pages; nothing where there are none. */
static int touch_huge(uint64_t pages)
{
	uint64_t huge = 512 * (uint64_t)PAGE, began, took;
	long before;
	char *all = mmap(0, pages * PAGE + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		return 1;
	volatile char *memory = (char *)(((uintptr_t)all + huge - 1) / huge * huge);
	if (madvise((char *)memory, pages * PAGE, MADV_HUGEPAGE))
		return 0;
	before = faults();
	began = now();
	for (uint64_t i = 0; i < pages; i++)
		memory[i * PAGE] = (char)i;
	took = now() - began;
	if ((uint64_t)(faults() - before) <= pages / 512 + 64)
		printf("huge %" PRIu64 " %" PRIu64 " %ld\n", pages, took, faults() - before);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	uint64_t pages = strtoull(argv[1], 0, 10);
	char *memory = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	madvise(memory, pages * PAGE, MADV_NOHUGEPAGE);
	touch_all("fault", memory, pages);
	touch_all("hit", memory, pages);
	fflush(stdout);
	pid_t child = fork();
	if (child < 0)
		return 1;
	if (child == 0) {
		pause();
		_exit(0);
	}
	touch_all("cow", memory, pages);
	kill(child, SIGKILL);
	waitpid(child, 0, 0);
	uint64_t began = now();
	munmap(memory, pages * PAGE);
	printf("unmap %" PRIu64 " %" PRIu64 " 0\n", pages, now() - began);
	return touch_huge(pages);
}
