"""Nothing of the core calls these."""
