"""The commands as a user types them, each in a process of its own."""

import os
import subprocess
import sys


def run(job, *arguments, cwd, **environment):
    """`python -m jobs.JOB ARGUMENTS` in the folder ``cwd``, with some variables of its environment set."""
    command = [sys.executable, "-m", f"jobs.{job}", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, env={**os.environ, **environment}
    )
