"""One module per file of /sys/block/zramN."""
