"""A stage in its own process.

stage.py        what a stage is: typed arguments, a function, a typed result
worker.py       runs it, and tells what it took
memory.py       how the memory limit is shared out
memmap.py       arrays on disk, mapped page by page
hidden_packages.py  installed packages that a process does not load
malloc_trim.py  gives freed memory back to the system
os_errors.py    full disks and missing permissions, in words
progress.py     bars and lines on stderr
"""
