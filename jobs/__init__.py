"""The commands: `python -m jobs.NAME --help`. Each parses its options, calls `kraft`, prints a summary."""
