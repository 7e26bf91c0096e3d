"""A zone as Linux 3.10 prints it in /proc/zoneinfo: counters before the protection, and lines that are gone since."""

ZONE = """Node 0, zone   Normal
  pages free     {free}
        min      160
        low      200
        high     240
        scanned  0
        spanned  {pages}
        present  {pages}
        managed  {pages}
    nr_free_pages {free}
        protection: (0, 0, 0, 0)
  pagesets
    cpu: 0
              count: 10
              high:  186
              batch: 31
  vm stats threshold: 16
  all_unreclaimable: 0
  start_pfn:         1048576
  inactive_ratio:    11
"""
