"""mm/: pages, address spaces, faults, reclaim, swap and the allocators."""
