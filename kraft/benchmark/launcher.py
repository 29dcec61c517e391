"""Starts one command and writes what the kernel counted for it: `launcher.py RESULT COMMAND...`.

It is a separate process that imports the standard library alone: Linux starts a program's peak memory at that of the
process that started it. `wait4` counts a command with the descendants it waited for: CPU seconds add up, and the peak
is that of the largest single process, which the limit is held against.
"""

import json
import os
import sys
import time


def main() -> None:
    result, *command = sys.argv[1:]
    started = time.monotonic()
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    counted = {
        "seconds": time.monotonic() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "code": os.waitstatus_to_exitcode(status),
    }
    with open(result, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib would be a third of this process
        json.dump(counted, file)


if __name__ == "__main__":
    main()
