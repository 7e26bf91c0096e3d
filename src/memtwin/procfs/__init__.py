"""One module per /proc file: its record, parse and render. Imports no model."""
