"""KuaiRec.zip: downloaded, checked and unpacked, whatever the network and the archive do.

fetch.py                                the whole of it; a second call does nothing
transfer.py  partial_file.py  headers.py one file over HTTP: resumed, retried, its md5 held to
retry.py                                when to try again
unpack.py                               only the expected members, no escapes, no bombs
disk.py                                 files that appear whole, room that is there
"""
