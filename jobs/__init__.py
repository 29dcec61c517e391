"""The commands: each module is one, run with `python -m jobs.NAME`."""

import sys

if sys.argv[0] == "-m":
    # A command is starting, and its libraries take a second to load: it can be stopped from here on.
    from jobs._stopping import stop_at_once

    stop_at_once()
