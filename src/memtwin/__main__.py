"""``python -m memtwin``."""

from __future__ import annotations

import sys

from memtwin.cli import main

if __name__ == "__main__":
    sys.exit(main())
