"""Logs that a description explains, in place of KuaiRec's own layout.

description.py  what a TOML file may say, and the built-in ones in `builtin/`
log_files.py    the files that it names, as SQL that reads them
expressions.py  its expressions, checked and made SELECTs
importing.py    each file, read once into a typed part of the work folder; bad rows
sources.py      these parts as the sources of the files of `sql/`
"""
