"""A workload that tests of several pages of a run share."""

SWAPPING = """machine ram=192M
swap disk size=96M
file data 40M
proc A
A mmap h 180M
A fread data 0 40M 64K seq
checkpoint before
A touch h 0 180M w seq
sleep 600
checkpoint after
"""
