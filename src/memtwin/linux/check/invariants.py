"""The invariants of a machine, all of them, checked from the arrays themselves.

- each managed frame has exactly one owner (kcompactd is one), and the owners add up to MemTotal;
- free blocks are aligned, of one owner, on the list of their order and type, and merged with their buddies;
- the sums of lists are the counters (free pages, per-cpu lists, the five LRU lists, slabs, page tables);
- a frame's mapcount is the number of page-table entries that name it, and the reverse map finds each of them;
- a huge page's first frame has all its references; the 512 entries of a huge entry come and go together;
- a process's RSS is what its page tables map, inside areas; every mapped page holds what was last written through it;
- each file's list of the areas that map it is linked both ways;
- a cached page belongs to one file at one index, and a clean one holds what its device has;
- page-table entries that hold a swap slot are those that its map counts; what lies in a slot is what was written;
- zswap's counts are what the slots in use say, each object lies where its slot has it, the pool is what holds them;
- a file of shared memory has a user, its pages are Shmem, and each slot that its tree names holds what was written;
- a file's counts of cached, dirty and written pages, and its tree's nodes, are what is there.

Named after mm/debug.c of Linux; the kernel has such checks behind CONFIG_DEBUG_VM.
"""

from collections import Counter

import cython
from cython.cimports.memtwin.linux.check.huge_pages import reverse_mappings
from cython.cimports.memtwin.linux.check.swap_slots import SlotCheck
from cython.cimports.memtwin.linux.core.state import (
    SlabCache,
    State,
    cache_at,
    compound_head,
    file_at,
    file_page,
    global_node_page_state,
    is_compound,
    node_at,
    this_cpu,
    vma_at,
    zbud_at,
    zone_at,
    zone_of,
    zspage_at,
)
from cython.cimports.memtwin.linux.lib.xarray import xa_node
from cython.cimports.memtwin.linux.mm.filemap import disk_content
from cython.cimports.memtwin.linux.mm.page_writeback import is_accounted
from cython.cimports.memtwin.linux.mm.slub import slab_objects

from memtwin.errors import ModelBug
from memtwin.linux.mm import buddy_info
from memtwin.linux.mm.swap import batched


class MachineCheck(SlotCheck):
    """One pass over everything."""

    def run(self) -> None:
        """Check everything."""
        self.free_lists()
        self.per_cpu_lists()
        self.shares()
        self.address_spaces()
        self.frames()
        self.shared_memory()
        self.swap()
        self.zswap()
        self.files()
        self.lru_lists()
        self.slabs()
        self.compressed_pools()
        self.runners()

    def runners(self) -> None:
        """Who has work to do beside the main line; who waits for nothing is in no stall."""
        s: State = self.s
        busy = ended = 0
        for i in range(MAX_RUNNERS):
            r: cython.pointer(Runner) = cython.address(s.runners[i])
            entity: cython.pointer(SchedEntity) = cython.address(s.entities[NR_SCHED_ENTITIES + i])
            busy += r.work.kind != WORK_NONE
            ended += r.has_ended
            self.hold(
                r.wait != WAIT_NONE or (not entity.memstall and not entity.iowait), f"runner {i} waits for nothing"
            )
            self.hold(r.work.kind != WORK_NONE or not r.wait, f"runner {i} waits and has no work")
        self.equal("runners with work", busy, s.nr_runners)
        self.equal("runners whose work has ended", ended, s.nr_ended)

    def free_lists(self) -> None:
        """Blocks on the buddy allocator's lists."""
        s: State = self.s
        pfn: u32
        for zone in range(MAX_NR_ZONES):
            pages = 0
            for order in range(NR_ORDERS):
                for mt in range(MIGRATE_TYPES):
                    blocks = 0
                    pfn = zone_at(s, zone).free_area[order][mt].head
                    while pfn:
                        self.free_block(zone, order, mt, pfn)
                        blocks += 1
                        pfn = s.pages[pfn].next
                    self.equal(f"free blocks of order {order}", blocks, zone_at(s, zone).free_area[order][mt].nr)
                    pages += blocks << order
            self.equal(f"free pages of zone {zone}", pages, zone_at(s, zone).stat[NR_FREE_PAGES])
            kept = buddy_info.pageblocks(s, zone)[MIGRATE_HIGHATOMIC] * PAGEBLOCK_NR
            self.equal(f"pages kept for atomic blocks in zone {zone}", kept, zone_at(s, zone).nr_reserved_highatomic)

    def free_block(self, zone: u32, order: u32, mt: u32, pfn: u32) -> None:
        """One block: aligned, whole, where it belongs, and not beside a free buddy."""
        s: State = self.s
        head: cython.pointer(Page) = cython.address(s.pages[pfn])
        size: u32 = cython.cast(u32, 1) << order
        buddy: u32 = pfn ^ size
        i: u32
        if pfn % size:
            raise ModelBug(f"free block {pfn} of order {order} is not aligned", story=self.story)
        if zone_of(s, pfn) != zone:
            raise ModelBug(f"free block {pfn} is on the list of another zone", story=self.story)
        if not head.flags & PG_HEAD or head.order != order or head.migratetype != mt:
            what = f"free block {pfn} says order {head.order} type {head.migratetype}, is on {order}/{mt}"
            raise ModelBug(what, story=self.story)
        for i in range(pfn, pfn + size):
            if s.pages[i].owner != OWNER_BUDDY:
                raise ModelBug(f"frame {i} of a free block is in use", story=self.story)
        if (
            order < NR_ORDERS - 1
            and buddy < s.max_pfn
            and mt < MIGRATE_HIGHATOMIC
            and s.pages[buddy].owner == OWNER_BUDDY
            and s.pages[buddy].flags & PG_HEAD
            and s.pages[buddy].order == order
            and s.pages[buddy].migratetype < MIGRATE_HIGHATOMIC
            and zone_of(s, buddy) == zone
        ):
            raise ModelBug(f"free buddies {pfn} and {buddy} of order {order} are not merged", story=self.story)

    def per_cpu_lists(self) -> None:
        """Blocks on the per-cpu lists."""
        s: State = self.s
        pfn: u32
        for cpu in range(s.nr_cpus):
            for zone in range(MAX_NR_ZONES):
                pages = 0
                for pindex in range(NR_PCP_LISTS):
                    order = 9 if pindex >= 12 else pindex // 3
                    pfn = s.cpus[cpu].pcp[zone].lists[pindex].head
                    while pfn:
                        if s.pages[pfn].owner != OWNER_PCP:
                            raise ModelBug(f"frame {pfn} on a per-cpu list is in use", story=self.story)
                        pages += 1 << order
                        pfn = s.pages[pfn].next
                self.equal("pages on a per-cpu list", pages, s.cpus[cpu].pcp[zone].count)

    def compressed_pools(self) -> None:
        """The groups of zsmalloc's classes: room and objects of each class, and what compaction could free."""
        s: State = self.s
        pool: u32
        i: u32
        fullness: u32
        zspage: u32
        allocated: u32
        used: u32
        wrong: u32
        freeable: u64
        c: cython.pointer(ZsClass)
        for pool in range(2):
            freeable = wrong = 0
            for i in range(ZS_SIZE_CLASSES):
                c = cython.address(s.zs_class[i])
                allocated = used = 0
                for fullness in range(ZS_FULLNESS_GROUPS):
                    zspage = c.head[pool][fullness]
                    while zspage:
                        allocated += c.objects
                        used += zspage_at(s, zspage).inuse
                        wrong += zspage_at(s, zspage).size_class != i
                        zspage = zspage_at(s, zspage).next
                wrong += allocated != c.allocated[pool] or used != c.used[pool]
                if allocated > used:
                    freeable += (allocated - used) // c.objects * c.pages
            self.equal("classes of compressed pages with another count than their groups have", wrong, 0)
            self.equal("pages that compaction could free", freeable, s.zs_freeable[pool])

    def zswap(self) -> None:
        """What zswap holds: its counts against every slot, its objects against the pages of the pool."""
        s: State = self.s
        z: cython.pointer(Zswap) = cython.address(s.zswap)
        a: cython.pointer(SwapArea)
        slot: u32
        stored = same = 0
        objects: dict = {}
        for area in range(s.nr_areas):
            a = cython.address(s.areas[cython.cast(u32, area)])
            if a.zswap_length == cython.NULL:
                continue
            for slot in range(1, a.max):
                if not a.zswap_length[slot]:
                    continue
                if not a.map[slot]:
                    raise ModelBug(f"zswap has a page for slot {slot} of area {area}, which is free", story=self.story)
                stored += 1
                same += a.zswap_length[slot] == 1
                if a.zswap_length[slot] != 1:
                    objects[(area << SWAP_TYPE_SHIFT) | slot] = a.zswap_handle[slot]
        self.equal("pages in zswap", stored + z.boot_stored, z.stored_pages)
        self.equal("pages of one word in zswap", same, z.same_filled_pages)
        self.equal("pages on zswap's list", self.zswap_list(stored), stored)
        if z.zpool == ZPOOL_ZBUD:
            self.zbud(objects)

    def zbud(self, objects: dict[int, int]) -> None:
        """The pages of zswap's pool: each is listed once by age, and holds one or two objects where slots have them."""
        s: State = self.s
        zbud: u32 = s.zswap.lru_head
        before: u32 = 0
        pages = found = 0
        while zbud:
            z = zbud_at(s, zbud)
            if before != z.lru_prev:
                self.equal(f"page before zbud page {zbud}", before, z.lru_prev)
            if not 0 < z.chunks[0] + z.chunks[1] <= ZBUD_NCHUNKS:
                raise ModelBug(f"zbud page {zbud} is empty or too full: {z.chunks[0]}, {z.chunks[1]}", story=self.story)
            for last in range(2):
                if z.chunks[last]:
                    found += 1
                    self.equal(f"object of swap entry {z.entry[last]}", objects.get(z.entry[last]), zbud * 2 + last)
            pages += 1
            before = zbud
            zbud = z.lru_next
        self.equal("objects in zswap's pool", len(objects), found)
        self.equal("pages of zswap's pool", pages + s.zswap.boot_pool, s.zswap.pool_pages)
        self.equal("frames of zswap's pool", pages, self.owners[OWNER_ZBUD])

    def frames(self) -> None:
        """Every frame: one owner, and the mappings that it says it has."""
        s: State = self.s
        page: cython.pointer(Page)
        pfn: u32
        mapped_anon: i64 = 0
        mapped_file: i64 = 0
        cached: i64 = 0
        swap_cached: i64 = 0
        managed: i64 = 0
        owned: i64 = 0
        held: dict = self.held()
        for pfn in range(1, cython.cast(u32, s.max_pfn)):
            page = cython.address(s.pages[pfn])
            if page.owner == OWNER_NONE:
                continue
            owned += 1
            self.owners[page.owner] += 1
            if page.owner != OWNER_ANON and page.owner != OWNER_FILE:
                continue
            if is_compound(s, pfn) or not is_sound(s, pfn, self.mapped[pfn]):
                self.frame(pfn, held.get(pfn, 0))
            if page.owner == OWNER_ANON:
                mapped_anon += page.mapcount > 0
                swap_cached += s.pages[compound_head(s, pfn)].flags & PG_SWAPCACHE != 0
            else:
                mapped_file += page.mapcount > 0
                cached += file_at(s, page.mapping).kind != FILE_VDSO
        for pfn, number in held.items():
            if not is_compound(s, pfn) and s.pages[pfn].owner in {OWNER_ANON, OWNER_FILE}:
                self.frame(pfn, number)
        for zone in range(MAX_NR_ZONES):
            managed += zone_at(s, zone).managed
        self.equal("managed frames", owned, managed)
        self.huge_pages()
        self.equal("isolated frames", s.node_data[0].kcompactd.cc.freepages.nr, self.owners[OWNER_ISOLATED])
        self.equal("mapped anonymous pages", mapped_anon, global_node_page_state(s, NR_ANON_PAGES))
        self.equal("mapped file pages", mapped_file, global_node_page_state(s, NR_MAPPED))
        self.equal("page cache", cached + swap_cached, global_node_page_state(s, NR_FILE_PAGES))
        self.equal("swap cache", swap_cached, global_node_page_state(s, NR_SWAPCACHED))

    def frame(self, pfn: u32, held: int) -> None:
        """One frame: its mappings and references, and what its file and its device have; *held*: by batches."""
        s: State = self.s
        page: cython.pointer(Page) = cython.address(s.pages[pfn])
        self.equal(f"mappings of frame {pfn}", self.mapped[pfn], page.mapcount)
        self.equal(f"mappings of frame {pfn} by the reverse map", reverse_mappings(s, pfn), page.mapcount)
        if is_compound(s, pfn):
            self.huge_frame(pfn, held)
            return
        self.equal(f"references to frame {pfn}", references(s, pfn) + held, page.refcount)
        if page.owner == OWNER_FILE:
            self.hold(is_where_its_file_has_it(s, pfn), f"frame {pfn} is not where its file has it")
            self.hold(is_what_its_device_has(s, pfn), f"frame {pfn} is clean and not what its device has")

    def held(self) -> dict[int, int]:
        """References to frames by batches, by the cpu's memory of device blocks, and by reads that wait."""
        s: State = self.s
        frames: list = [pfn for _, pfn in batched(s)]
        frames += [this_cpu(s).bh_lru[i] for i in range(BH_LRU_SIZE) if this_cpu(s).bh_lru[i]]
        for i in range(MAX_RUNNERS):
            w: cython.pointer(Work) = cython.address(s.runners[i].work)
            frames += [w.batch[number] for number in range(w.nr_batch)]
        return dict(Counter(frames))

    def shares(self) -> None:
        """Each file knows the areas that map it: its list is linked both ways and ends."""
        s: State = self.s
        before: u32
        vma: u32
        for number in range(1, s.files.nr):
            before = 0
            vma = file_at(s, number).i_mmap
            while vma:
                self.hold(
                    vma_at(s, vma).file == number, f"area {vma} is listed by file {number}, which it does not map"
                )
                self.equal(f"area before area {vma} of file {number}", before, vma_at(s, vma).prev_share)
                before = vma
                vma = vma_at(s, vma).next_share

    def files(self) -> None:
        """Each file's pages, dirty pages and tree against its counts; the sums against the node's counters."""
        s: State = self.s
        totals: dict = {"dirty": 0, "writeback": 0, "shadow nodes": 0}
        for number in range(1, s.files.nr):
            if file_at(s, number).cap_pages:
                for name, count in self.file(number).items():
                    totals[name] += count
        self.equal("dirty pages", totals["dirty"], global_node_page_state(s, NR_DIRTY))
        self.equal("pages under writeback", totals["writeback"], global_node_page_state(s, NR_WRITEBACK))
        self.equal("tree nodes full of shadows", totals["shadow nodes"], global_node_page_state(s, WORKINGSET_NODES))
        self.equal("listed tree nodes", totals["shadow nodes"], s.shadow_nodes.nr)
        pending = sum(zone_at(s, zone).stat[NR_ZONE_WRITE_PENDING] for zone in range(MAX_NR_ZONES))
        self.equal(
            "pages that wait to be written",
            global_node_page_state(s, NR_DIRTY) + global_node_page_state(s, NR_WRITEBACK),
            pending,
        )
        self.equal(
            "isolated pages",
            global_node_page_state(s, NR_ISOLATED_ANON) + global_node_page_state(s, NR_ISOLATED_FILE),
            0,
        )

    def file(self, number: u32) -> dict[str, int]:
        """One file: counts its dirty pages, those under writeback, and its nodes full of shadows."""
        s: State = self.s
        f: cython.pointer(File) = file_at(s, number)
        accounted: cython.bint = is_accounted(s, number)
        first: u64
        index: u64
        cached: i64 = 0
        dirty: i64 = 0
        writeback: i64 = 0
        shadows: i64 = 0
        entries: u32
        values: u32
        node_dirty: u32
        node: u32
        n: cython.pointer(XaNode)
        for first in range(0, f.cap_pages, XA_CHUNK):
            chunk = f.chunks[first // XA_CHUNK]
            if chunk == cython.NULL and not xa_node(s, number, first):
                continue
            entries = values = node_dirty = 0
            for index in range(XA_CHUNK if chunk != cython.NULL else 0):
                if chunk.pages[index] and chunk.shadows[index]:
                    raise ModelBug(f"page {first + index} of file {number} is cached and evicted", story=self.story)
                entries += chunk.pages[index] != 0 or chunk.shadows[index] != 0
                values += chunk.shadows[index] != 0
                if chunk.pages[index]:
                    cached += 1
                    node_dirty += accounted and s.pages[chunk.pages[index]].flags & PG_DIRTY != 0
                    writeback += s.pages[compound_head(s, chunk.pages[index])].flags & PG_WRITEBACK != 0
            dirty += node_dirty
            node = xa_node(s, number, first)
            n = node_at(s, node)
            if not node or entries != n.count or values != n.nr_values or node_dirty != n.nr_dirty:
                self.node(number, first, (entries, values, node_dirty))
            shadows += node != 0 and n.listed
        if f.kind == FILE_SWAP:
            return {"dirty": 0, "writeback": writeback, "shadow nodes": 0}
        self.equal(f"cached pages of file {number}", cached, f.nr_cached)
        self.equal(f"dirty pages of file {number}", dirty, f.nr_dirty)
        self.equal(f"pages of file {number} under writeback", writeback, f.nr_writeback)
        self.hold(f.nr_dirty == 0 or f.wb_list != WB_CLEAN, f"file {number} is dirty and the flusher does not know")
        return {"dirty": dirty, "writeback": writeback, "shadow nodes": shadows}

    def node(self, file: u32, first: u64, counted: tuple[int, int, int]) -> None:
        """The tree node of 64 pages against what is there."""
        s: State = self.s
        node: u32 = xa_node(s, file, first)
        if not node:
            self.hold(counted[0] <= (first == 0), f"pages from {first} of file {file} have no tree node")
            return
        n: cython.pointer(XaNode) = node_at(s, node)
        says = (n.count, n.nr_values, n.nr_dirty)
        self.hold(counted == says, f"node {first // 64} of file {file} says {says}, there are {counted}")

    def frozen_slabs(self, cache: int) -> None:
        """Slabs on the cpu's partial list: of this cache, marked so, and never more than it may have."""
        s: State = self.s
        c: cython.pointer(SlabCache) = cache_at(s, cython.cast(u32, cache))
        pfn: u32 = c.cpu_partial.head
        slabs: u32 = 0
        while pfn:
            if s.pages[pfn].mapping != cython.cast(u32, cache) or not s.pages[pfn].flags & PG_FROZEN:
                what = f"slab {pfn} on the cpu's partial list of cache {cache} is not one of its own"
                raise ModelBug(what, story=self.story)
            if s.pages[pfn].index >= slab_objects(s, pfn):
                raise ModelBug(f"slab {pfn} on the cpu's partial list is full", story=self.story)
            slabs += 1
            pfn = s.pages[pfn].next
        self.equal(f"slabs on the cpu's partial list of cache {cache}", slabs, c.cpu_partial.nr)

    def slabs(self) -> None:
        """Slab pages and page tables: frames owned against counters."""
        s: State = self.s
        pages = 0
        pfn: u32
        room: i64
        for cache in range(1, s.caches.nr):
            c = cache_at(s, cache)
            pages += c.nr_pages
            self.frozen_slabs(cache)
            room = 0
            pfn = c.partial.head
            while pfn:
                room += slab_objects(s, pfn) - s.pages[pfn].index
                pfn = s.pages[pfn].next
            self.equal(f"free objects on cache {cache}'s partial list", room, c.free_partial)
        self.equal("slab frames", self.owners[OWNER_SLAB], pages)
        self.equal(
            "slab pages",
            pages,
            global_node_page_state(s, NR_SLAB_RECLAIMABLE) + global_node_page_state(s, NR_SLAB_UNRECLAIMABLE),
        )
        self.equal("page tables", self.owners[OWNER_TABLE], global_node_page_state(s, NR_PAGE_TABLE_PAGES))


def is_sound(s: State, pfn: u32, mappings: i32) -> cython.bint:
    """Whether the frame of a page that nothing holds is as :meth:`MachineCheck.frame` asks, which says what is not."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.mapcount != mappings or page.mapcount != reverse_mappings(s, pfn) or page.refcount != references(s, pfn):
        return False
    return page.owner == OWNER_ANON or (is_where_its_file_has_it(s, pfn) and is_what_its_device_has(s, pfn))


def references(s: State, pfn: u32) -> i32:
    """Return how many references a frame has by its mappings, its buffers, and the cache in which it is."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    cached: cython.bint = page.owner == OWNER_FILE or page.flags & PG_SWAPCACHE != 0
    return page.mapcount + cached + (page.flags & PG_PRIVATE != 0)


def is_where_its_file_has_it(s: State, pfn: u32) -> cython.bint:
    """Whether the file of a page of the page cache has it at its index."""
    return file_page(file_at(s, s.pages[pfn].mapping), s.pages[pfn].index) == pfn


def is_what_its_device_has(s: State, pfn: u32) -> cython.bint:
    """Whether a page of the page cache, where it is clean, holds what lies on the device."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.flags & (PG_DIRTY | PG_LOCKED) or not is_accounted(s, page.mapping):
        return True
    return page.tag == disk_content(s, page.mapping, page.index)


def validate(s: State, story: tuple[str, ...] = ()) -> None:
    """Check every invariant; raise a ModelBug with *story* (what led here) when one is broken."""
    check = MachineCheck(s, story)
    check.run()
