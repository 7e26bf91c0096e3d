/* page_tables.h - which pages each process has and which it touched, read of its page tables through /proc/kcore.
 *
 * The accessed bit of each page is in no other file of a kernel without idle page tracking.  Where a process's tables are
 * its task_struct says; at which offsets, the kernel's own description of its types (BTF).
 */
#define TABLE_ENTRIES 512
#define PRESENT 1ULL
#define ACCESSED 0x20ULL
#define HUGE 0x80ULL
#define SOFT_DIRTY 0x800ULL
#define FRAME 0x000ffffffffff000ULL
#define MOST_SEGMENTS 32
#define MOST_TASKS 4096

struct segment { uint64_t address, physical, size, offset; };
static struct segment segments[MOST_SEGMENTS];
static int nsegments, kcore = -1, levels = 4;
static uint64_t init_task_at, task_by_pid[MOST_PIDS];
static long task_tasks, task_tgid, task_mm, mm_pgd;

struct btf { unsigned char *types; const char *names; uint32_t *at, length; };

static uint32_t u32_at(const unsigned char *p) { uint32_t v; memcpy(&v, p, 4); return v; }

/* Bytes of a type of this kind beside its head. */
static uint32_t btf_extra(uint32_t kind, uint32_t members)
{
	switch (kind) {
	case 1: case 14: case 17: return 4;
	case 3: return 12;
	case 4: case 5: case 15: case 19: return 12 * members;
	case 6: case 13: return 8 * members;
	}
	return 0;
}

/* The offset of a member, also one of an unnamed struct within; -1: none. */
static long btf_member(struct btf *b, const unsigned char *type, const char *name)
{
	uint32_t info = u32_at(type + 4), members = info & 0xffff, is_packed = info >> 31;
	for (uint32_t i = 0; i < members; i++) {
		const unsigned char *member = type + 12 + 12 * i;
		const char *own = b->names + u32_at(member);
		uint32_t bits = is_packed ? u32_at(member + 8) & 0xffffff : u32_at(member + 8);
		if (!strcmp(own, name)) return bits / 8;
		const unsigned char *inner = b->types + b->at[u32_at(member + 4)];
		uint32_t kind = u32_at(inner + 4) >> 24 & 0x1f;
		long within;
		if (!*own && (kind == 4 || kind == 5) && (within = btf_member(b, inner, name)) >= 0) return bits / 8 + within;
	}
	return -1;
}

static void find_offsets(void)
{
	size_t most = 32 << 20, n = 0;
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC), k;
	unsigned char *file = mmap(0, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	while (fd >= 0 && (k = read(fd, file + n, most - n)) > 0) n += k;
	if (n < 24) die("BTF");
	close(fd);
	unsigned char *base = file + u32_at(file + 4);
	struct btf b = { base + u32_at(file + 8), (char *)base + u32_at(file + 16), 0, u32_at(file + 12) };
	size_t most_types = b.length / 12 + 2;
	b.at = mmap(0, 4 * most_types, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t id = 1, task = 0, mm = 0;
	for (uint32_t at = 0; at < b.length; id++) {
		uint32_t info = u32_at(b.types + at + 4), kind = info >> 24 & 0x1f;
		b.at[id] = at;
		if (kind == 4 && !strcmp(b.names + u32_at(b.types + at), "task_struct")) task = at;
		if (kind == 4 && !strcmp(b.names + u32_at(b.types + at), "mm_struct")) mm = at;
		at += 12 + btf_extra(kind, info & 0xffff);
	}
	task_tasks = btf_member(&b, b.types + task, "tasks");
	task_tgid = btf_member(&b, b.types + task, "tgid");
	task_mm = btf_member(&b, b.types + task, "mm");
	mm_pgd = btf_member(&b, b.types + mm, "pgd");
	munmap(b.at, 4 * most_types);
	munmap(file, most);
	if (task_tasks < 0 || task_tgid < 0 || task_mm < 0 || mm_pgd < 0) die("BTF: task_struct, mm_struct");
}

static void find_init_task(void)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[512];
	while (f && fgets(line, sizeof line, f))
		if (strstr(line, " init_task\n")) {
			init_task_at = strtoull(line, 0, 16);
			break;
		}
	if (f) fclose(f);
	if (!init_task_at) die("kallsyms: init_task");
}

static void open_kcore(void)
{
	unsigned char head[64], one[56];
	kcore = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
	if (kcore < 0 || pread(kcore, head, 64, 0) != 64) die("kcore");
	uint64_t at;
	uint16_t number;
	memcpy(&at, head + 32, 8);
	memcpy(&number, head + 56, 2);
	for (int i = 0; i < number && nsegments < MOST_SEGMENTS; i++) {
		if (pread(kcore, one, 56, at + 56 * i) != 56) die("kcore");
		if (u32_at(one) != 1) continue;
		struct segment *s = &segments[nsegments++];
		memcpy(&s->offset, one + 8, 8);
		memcpy(&s->address, one + 16, 8);
		memcpy(&s->physical, one + 24, 8);
		memcpy(&s->size, one + 40, 8);
	}
}

static void prepare_page_tables(void)
{
	find_offsets();
	find_init_task();
	open_kcore();
	static char flags[16384];
	if (slurp("/proc/cpuinfo", flags, sizeof flags) > 0 && strstr(flags, " la57")) levels = 5;
}

static int read_kernel(uint64_t address, void *to, size_t n)
{
	for (int i = 0; i < nsegments; i++)
		if (address - segments[i].address < segments[i].size)
			return pread(kcore, to, n, address - segments[i].address + segments[i].offset) == (ssize_t)n ? 0 : -1;
	return -1;
}
static int read_frame(uint64_t physical, void *to)
{
	for (int i = 0; i < nsegments; i++)
		if (segments[i].physical != ~0ULL && segments[i].physical && physical - segments[i].physical < segments[i].size)
			return pread(kcore, to, PAGE, physical - segments[i].physical + segments[i].offset) == PAGE ? 0 : -1;
	return -1;
}

static uint64_t task_of(int pid)
{
	uint64_t task = init_task_at, next;
	for (int i = 0; i < MOST_TASKS; i++) {
		int tgid;
		if (read_kernel(task + task_tasks, &next, 8)) return 0;
		task = next - task_tasks;
		if (task == init_task_at || read_kernel(task + task_tgid, &tgid, 4)) return 0;
		if (tgid == pid) return task;
	}
	return 0;
}

/* A line a page table that has anything: its number (2 MiB of addresses each), 128 digits of what there is (in memory or
 * swap), 128 of what was touched, 128 of what was written, each of 4 pages, the first page the lowest bit; digits are a
 * to p. */
static char *line_of(char *to, char *end, uint64_t number, const uint64_t *entries, uint64_t huge)
{
	if (end - to < 440) return to;
	uint64_t wanted[3] = { 0, PRESENT | ACCESSED, PRESENT | SOFT_DIRTY };
	to += sprintf(to, "%llu ", (unsigned long long)number);
	for (int part = 0; part < 3; part++) {
		for (int i = 0; i < TABLE_ENTRIES; i += 4) {
			int digit = 0;
			for (int k = 0; k < 4; k++) {
				uint64_t entry = huge ? huge : entries[i + k];
				digit |= (entry && (entry & wanted[part]) == wanted[part]) << k;
			}
			*to++ = 'a' + digit;
		}
		*to++ = part == 2 ? '\n' : ' ';
	}
	return to;
}

static char *walk_tables(char *to, char *end, uint64_t physical, int level, uint64_t number)
{
	static uint64_t tables[6][TABLE_ENTRIES];
	uint64_t *entries = tables[level];
	if (read_frame(physical, entries)) return to;
	if (level == 1) {
		int any = 0;
		for (int i = 0; i < TABLE_ENTRIES && !any; i++) any = entries[i] != 0;
		return any ? line_of(to, end, number, entries, 0) : to;
	}
	for (int i = 0; i < (level == levels ? TABLE_ENTRIES / 2 : TABLE_ENTRIES); i++) {
		uint64_t entry = entries[i], below = number * TABLE_ENTRIES + i;
		if (!(entry & PRESENT)) continue;
		if (level == 2 && (entry & HUGE)) to = line_of(to, end, below, 0, entry);
		else if (!(entry & HUGE)) to = walk_tables(to, end, entry & FRAME, level - 1, below);
	}
	return to;
}

/* Send what a process has, has touched and has written. */
static void send_pages(int pid)
{
	static char lines[1 << 20];
	uint64_t *task = &task_by_pid[pid % MOST_PIDS], mm, pgd, physical = 0;
	int tgid = 0;
	char path[64];
	if (!*task || read_kernel(*task + task_tgid, &tgid, 4) || tgid != pid) *task = task_of(pid);
	if (!*task || read_kernel(*task + task_mm, &mm, 8) || !mm || read_kernel(mm + mm_pgd, &pgd, 8)) return;
	for (int i = 0; i < nsegments; i++)
		if (pgd - segments[i].address < segments[i].size) physical = pgd - segments[i].address + segments[i].physical;
	char *end = walk_tables(lines, lines + sizeof lines, physical, levels, 0);
	snprintf(path, sizeof path, "%u memtwin/%d/pages", sample, pid);
	emit_data(path, lines, end - lines);
}

/* Send the open files of a process: descriptor, flags (octal), position, size and path of each regular one. */
static void send_files(int pid)
{
	static char lines[16384], one[512];
	char path[64], target[300];
	int n = 0;
	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		struct stat s;
		if (!isdigit(e->d_name[0]) || n > (int)sizeof lines - 400) continue;
		snprintf(path, sizeof path, "/proc/%d/fd/%s", pid, e->d_name);
		int k = stat(path, &s) || !S_ISREG(s.st_mode) ? -1 : readlink(path, target, sizeof target - 1);
		if (k < 0) continue;
		target[k] = 0;
		snprintf(path, sizeof path, "/proc/%d/fdinfo/%s", pid, e->d_name);
		long long position = 0;
		char flags[32] = "0";
		if (slurp(path, one, sizeof one) > 0) sscanf(one, "pos: %lld flags: %31s", &position, flags);
		n += snprintf(lines + n, sizeof lines - n, "%s %s %lld %lld %s\n", e->d_name, flags, position,
			      (long long)s.st_size, target);
	}
	if (d) closedir(d);
	snprintf(path, sizeof path, "%u memtwin/%d/files", sample, pid);
	if (n) emit_data(path, lines, n);
}
