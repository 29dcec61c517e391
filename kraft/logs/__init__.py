"""What a log is: where its files are found, what they must look like, what of them was read or left out.

files.py       where raw files are found, and which of two is read
contracts.py   what columns and types they must have
read_files.py  what a job read, for its summary
losses.py      what rows do not count, and why
download/      KuaiRec.zip
synthetic/     made-up logs
"""
