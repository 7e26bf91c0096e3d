"""kernel/: processes and settings."""
