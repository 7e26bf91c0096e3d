"""One module per /sys file: its record, parse and render. Imports no model."""
