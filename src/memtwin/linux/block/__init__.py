"""block/: requests to devices."""
