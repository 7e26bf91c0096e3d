"""``/proc/slabinfo``: the kernel's object caches, one a row. Root only.

Layout: ``slabinfo - version: 2.1``, a comment with the names of the columns, then
``%-17s %6lu %6lu %6u %4u %4d : tunables %4u %4u %4u : slabdata %6lu %6lu %6lu``. Under SLUB the tunables and
sharedavail are 0, active_slabs is num_slabs, and free objects of a CPU's own slabs count as active.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memtwin.procfs.text import Lines, join
from memtwin.units import Bytes, Pages

SOURCE = ("mm/slab_common.c", "v6.1")
PATH = "proc/slabinfo"

VERSION = "slabinfo - version: 2.1"
COLUMNS = (
    "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
    " : tunables <limit> <batchcount> <sharedfactor>"
    " : slabdata <active_slabs> <num_slabs> <sharedavail>"
)
_N = " +([0-9]{1,20})"
_LINE = re.compile(rf"(\S.*?){_N * 5} : tunables{_N * 3} : slabdata{_N * 3}", re.ASCII)

_RECLAIMABLE = frozenset((
    "bdev_cache", "bio_post_read_ctx", "btrfs_inode", "btrfs_trans_handle", "buffer_head", "ceph_cap_flush",
    "ceph_dentry_info", "ceph_inode_info", "dax_cache", "dentry", "dquot", "erofs_inode", "exfat_cache",
    "ext4_allocation_context", "ext4_extent_status", "ext4_fc_dentry_update", "ext4_free_data", "ext4_io_end",
    "ext4_pending_reservation", "ext4_prealloc_space", "extent_status", "fat_cache", "fscrypt_info",
    "fscrypt_inode_info", "fuse_inode", "gfs2_glock", "gfs2_inode", "gfs2_quotad", "inode_cache", "jbd2_journal_handle",
    "jbd2_journal_head", "jbd2_revoke_record_s", "jbd2_revoke_table_s", "jbd2_transaction_s", "jffs2_i", "jfs_ip",
    "mb_cache_entry", "mbcache", "ntfs3_enode_cache", "ovl_inode", "pending_reservation", "pidfs_attr_cache",
    "pidfs_xattr_cache", "radix_tree_node", "romfs_i", "ubifs_inode_slab", "vxfs_inode", "xfs_buf", "xfs_ili",
    "xfs_inode",
))  # fmt: skip
_RECLAIMABLE_STARTS = ("erofs_pcluster-", "ext4_groupinfo_", "f2fs_", "kmalloc-rcl-")
_NOT_RECLAIMABLE = frozenset((
    "dlmfs_inode_cache", "f2fs_bio_post_read_ctx", "hugetlbfs_inode_cache", "jffs2_inode_cache", "lsm_inode_cache",
    "mqueue_inode_cache", "shmem_inode_cache",
))  # fmt: skip


def is_reclaimable(name: str) -> bool:
    """Return whether caches of this name are made with SLAB_RECLAIM_ACCOUNT: their pages count in SReclaimable.

    The names are those of the callers of kmem_cache_create() and KMEM_CACHE() of v6.1 (SLAB_TEMPORARY is the same
    flag), and of v6.18 where a cache has another name there. File systems' inode caches have the flag, but for six.
    slabinfo does not print it; where sysfs is there, ``/sys/kernel/slab/NAME/reclaim_account`` says it.

    >>> is_reclaimable("ext4_inode_cache"), is_reclaimable("lsm_inode_cache"), is_reclaimable("kmalloc-64")
    (True, False, False)
    """
    if name in _NOT_RECLAIMABLE:
        return False
    return name in _RECLAIMABLE or name.startswith(_RECLAIMABLE_STARTS) or name.endswith("_inode_cache")


@dataclass(frozen=True, slots=True)
class SlabCache:
    """One cache: objects in use and in all, bytes an object (padding included), how a slab is made up."""

    name: str
    active_objs: int
    num_objs: int
    objsize: Bytes
    objperslab: int
    pagesperslab: Pages
    limit: int
    batchcount: int
    sharedfactor: int
    active_slabs: int
    num_slabs: int
    sharedavail: int

    @property
    def pages(self) -> Pages:
        """Pages that the cache's slabs take."""
        return Pages(self.num_slabs * self.pagesperslab)


@dataclass(frozen=True, slots=True)
class Slabinfo:
    """The caches in file order."""

    caches: tuple[SlabCache, ...] = ()


def parse(text: str, path: str = PATH) -> Slabinfo:
    """Read slabinfo of version 2.1; *path* names it in errors."""
    lines = Lines(text, path)
    if lines.next(VERSION) != VERSION:
        raise lines.bad(VERSION)
    if lines.next("the names of the columns").split() != COLUMNS.split():
        raise lines.bad("the names of the columns")
    caches = []
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise lines.bad("a name, 5 numbers, tunables and 3 numbers, slabdata and 3 numbers")
        name, *numbers = match.groups()
        caches.append(_cache(name, [int(digits) for digits in numbers]))
    return Slabinfo(tuple(caches))


def render(record: Slabinfo) -> str:
    """Return the text that the kernel prints, as cache_show() does."""
    return join([VERSION, COLUMNS, *(_line(cache) for cache in record.caches)])


def _cache(name: str, numbers: list[int]) -> SlabCache:
    active, total, size, objects, pages, *rest = numbers
    limit, batch, shared, active_slabs, slabs, available = rest
    return SlabCache(
        name,
        active,
        total,
        Bytes(size),
        objects,
        Pages(pages),
        limit,
        batch,
        shared,
        active_slabs,
        slabs,
        available,
    )


def _line(cache: SlabCache) -> str:
    return (
        f"{cache.name:<17} {cache.active_objs:6d} {cache.num_objs:6d} {cache.objsize:6d}"
        f" {cache.objperslab:4d} {cache.pagesperslab:4d}"
        f" : tunables {cache.limit:4d} {cache.batchcount:4d} {cache.sharedfactor:4d}"
        f" : slabdata {cache.active_slabs:6d} {cache.num_slabs:6d} {cache.sharedavail:6d}"
    )
