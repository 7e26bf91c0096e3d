/* blocks.c - a kernel module of the guest: blocks of pages for a scenario's kalloc and kfree.
 *
 * Takes one line in /proc/blocks:
 *
 *	alloc NAME ORDER COUNT TYPE	COUNT blocks of 2^ORDER pages; the first that is refused ends it with ENOMEM
 *	free NAME K			every K-th block of NAME, the first among them; 1: all of them
 *
 * TYPE is the pageblock that a block belongs in: movable (GFP_HIGHUSER_MOVABLE), unmovable (GFP_KERNEL), reclaimable
 * (GFP_KERNEL | __GFP_RECLAIMABLE), atomic (GFP_ATOMIC), each with __GFP_NOWARN.  None of them can be moved or reclaimed.  The blocks of a
 * name are a list through their first pages, so that holding them takes no memory.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define NAMES 64

static struct { char name[32]; unsigned int order; struct list_head blocks; } held[NAMES];
static int nr_held;

static int find(const char *name)
{
	int i;

	for (i = 0; i < nr_held; i++)
		if (!strcmp(held[i].name, name))
			return i;
	if (nr_held == NAMES)
		return -ENOSPC;
	strscpy(held[nr_held].name, name, sizeof(held[nr_held].name));
	INIT_LIST_HEAD(&held[nr_held].blocks);
	return nr_held++;
}

static int take(int i, unsigned int order, unsigned long count, const char *type)
{
	gfp_t gfp = GFP_KERNEL;

	if (type[0] == 'm')
		gfp = GFP_HIGHUSER_MOVABLE;
	else if (type[0] == 'r')
		gfp |= __GFP_RECLAIMABLE;
	else if (type[0] == 'a')
		gfp = GFP_ATOMIC;
	held[i].order = order;
	while (count--) {
		struct page *page = alloc_pages(gfp | __GFP_NOWARN, order);

		if (!page)
			return -ENOMEM;
		list_add_tail(&page->lru, &held[i].blocks);
		cond_resched();
	}
	return 0;
}

static void give_back(int i, unsigned long every)
{
	struct page *page, *next;
	unsigned long n = 0;

	list_for_each_entry_safe(page, next, &held[i].blocks, lru) {
		if (n++ % every)
			continue;
		list_del(&page->lru);
		__free_pages(page, held[i].order);
		cond_resched();
	}
}

static ssize_t blocks_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	char line[96], verb[8], name[32], type[16] = "";
	unsigned long a, b = 1;
	int i, err = 0;

	if (size >= sizeof(line) || copy_from_user(line, from, size))
		return -EINVAL;
	line[size] = 0;
	if (sscanf(line, "%7s %31s %lu %lu %15s", verb, name, &a, &b, type) < 3 || (i = find(name)) < 0)
		return -EINVAL;
	if (verb[0] == 'a')
		err = take(i, a, b, type);
	else if (a)
		give_back(i, a);
	return err ? err : size;
}

static const struct proc_ops blocks_ops = { .proc_write = blocks_write };

static int __init blocks_init(void)
{
	return proc_create("blocks", 0200, NULL, &blocks_ops) ? 0 : -ENOMEM;
}
module_init(blocks_init);
MODULE_LICENSE("GPL");
