"""Tables and series to terminal text, JSON and CSV."""
