"""drivers/block/: zram."""
