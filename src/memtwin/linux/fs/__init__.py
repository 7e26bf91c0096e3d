"""fs/: names, files, the flusher and the journal."""
