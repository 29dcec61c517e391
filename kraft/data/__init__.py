"""Data in: download, synthetic twin, the raw files' contracts, and the tables built from them."""
