"""The matrix of watch times stays on disk: what is resident of it does not grow with it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

ROOT = Path(__file__).parents[2]
MIB = 2**20

WRITE_IN_A_CHILD = """
import sys
from pathlib import Path
import numpy as np
from scipy.sparse import csr_array
from kraft.engine.process.progress import Progress
from kraft.models.watch_time import fit as watch_time
from kraft.models.watch_time.log_matrix import TimePages
from kraft.models.watch_time.video_prior import VideoAttributes
from kraft.settings import WatchTimeSettings

folder = Path(sys.argv[1])
pages = TimePages.write(folder / "watch_times.parquet", folder)
n = len(pages[2])
attributes = VideoAttributes(csr_array(np.ones((n, 1))), np.zeros((n, 5)), np.zeros(n, dtype=bool))
settings = WatchTimeSettings(rank=2, sweeps=1, seed=1)
watch_time.fit(*pages, attributes, settings, threads=1, progress=Progress(-1))
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) * 1024)
"""


def peak_of_pages(folder, n_users, n_videos, density=0.2):
    """Peak bytes of a process that writes the pages of n_users x n_videos and fits a model of them."""
    folder.mkdir()
    random = np.random.default_rng(5)
    cells = np.flatnonzero(random.random(n_users * n_videos, dtype=np.float32) < density)
    table = {
        "user_index": (cells // n_videos).astype(np.int32),
        "video_index": (cells % n_videos).astype(np.int32),
        "log_time": random.normal(size=len(cells)),
    }
    pl.DataFrame(table).write_parquet(folder / "watch_times.parquet", row_group_size=100_000)
    child = subprocess.run(
        [sys.executable, "-c", WRITE_IN_A_CHILD, str(folder)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return int(child.stdout)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_the_pages_stay_on_disk_while_they_are_written_and_fitted(tmp_path):
    # 17 MiB and 137 MiB of cells a side; blocks of 3 MiB and 6 MiB.
    few = peak_of_pages(tmp_path / "few", 1500, 3000)
    many = peak_of_pages(tmp_path / "many", 6000, 6000)
    assert many - few < 48 * MIB
