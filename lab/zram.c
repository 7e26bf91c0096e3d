/* The first program of a guest that has nothing to do but to fill a zram device: loads the modules that /modules lists,
 * and prints mm_stat on the debug console for each algorithm and each file of /contents. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void say(const char *text)
{
	while (*text) outb(*text++, 0xe9);
}

static void end(const char *what)
{
	char line[256];
	snprintf(line, sizeof line, "%s: %s\n", what, strerror(errno));
	say(line);
	reboot(RB_POWER_OFF);
	pause();
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0) end(path);
	close(fd);
}

static void load(void)
{
	char line[128];
	FILE *list = fopen("/modules", "r");
	while (list && fgets(line, sizeof line, list)) {
		line[strcspn(line, "\n")] = 0;
		int fd = open(line, O_RDONLY);
		if (fd < 0) end(line);
		if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST) end(line);
		close(fd);
	}
}

static void fill(const char *algorithm, const char *name)
{
	static char buffer[1 << 16], path[256], line[512];
	put("/sys/block/zram0/reset", "1");
	put("/sys/block/zram0/comp_algorithm", algorithm);
	put("/sys/block/zram0/disksize", "256M");
	snprintf(path, sizeof path, "/contents/%s", name);
	int from = open(path, O_RDONLY), to = open("/dev/zram0", O_WRONLY);
	ssize_t got;
	if (from < 0 || to < 0) end(path);
	while ((got = read(from, buffer, sizeof buffer)) > 0)
		if (write(to, buffer, got) != got) end("write");
	fsync(to);
	close(from);
	close(to);
	int stat = open("/sys/block/zram0/mm_stat", O_RDONLY);
	got = read(stat, buffer, 300);
	buffer[got > 0 ? got : 0] = 0;
	close(stat);
	snprintf(line, sizeof line, "%s\t%s\t%s", algorithm, name, buffer);
	say(line);
}

int main(void)
{
	char line[64];
	iopl(3);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, "");
	mount("sys", "/sys", "sysfs", 0, "");
	load();
	mount("dev", "/dev", "devtmpfs", 0, "");
	FILE *list = fopen("/algorithms", "r");
	while (list && fgets(line, sizeof line, list)) {
		line[strcspn(line, "\n")] = 0;
		struct dirent *entry;
		DIR *contents = opendir("/contents");
		while (contents && (entry = readdir(contents)))
			if (entry->d_name[0] != '.') fill(line, entry->d_name);
		closedir(contents);
	}
	say("end\n");
	reboot(RB_POWER_OFF);
	return 0;
}
