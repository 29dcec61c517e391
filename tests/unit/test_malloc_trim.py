import ctypes
import os
import subprocess
import sys

import pytest

from kraft.engine.process.worker import ENVIRONMENT

HELD = """
import re
from pathlib import Path
from kraft.engine.process.malloc_trim import give_back

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

blocks = [bytes(100_000) for _ in range(1_000)]
kept = blocks[::50]
full = resident()
del blocks
before = resident()
give_back()
print(full, before, resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_was_freed_goes_back_to_the_system():
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("another C library than glibc")
    # As of a stage: nothing goes back by itself.
    ran = subprocess.run(
        [sys.executable, "-c", HELD],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    full, before, after = map(int, ran.stdout.split())
    assert before > full - 20
    assert after < full - 60
