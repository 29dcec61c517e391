"""The work folder.

store.py      what is in it, and whether it is still true
manifest.py   the record of what each table and model was made of
snapshots.py  what readers see: one whole state after the other
locks.py      who works in it
"""
