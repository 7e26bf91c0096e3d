"""One view a file: a function from records to a table."""
