"""drivers/: devices that are made of memory."""
