"""Disks that are too small, read-only or forbidden, and limits that are too narrow, for the whole pipeline.

As root, a real small file system (tmpfs) holds the work folder and the outputs; otherwise, and besides, no file may
grow beyond a limit (RLIMIT_FSIZE). Whatever the size, the job has to make the bytes that it makes on a large disk, or
to end with exit code 1 (2 where an option is at fault) and one clear error, and readers find what they found before.
"""

import os
import resource
import shutil
import subprocess
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from faults.job import ROUNDS, Job, fresh, hashes, leftovers
from faults.kill import SEEDS, undisturbed

KIB = 1024
OBEDIENT = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
"""Root without the right to pass over permissions."""
MOUNT, UMOUNT = shutil.which("mount"), shutil.which("umount")


def options(parser):
    parser.add_argument("--sizes", type=int, default=12, help="disks and limits to try (%(default)s each)")


def run(arguments):
    folder = arguments.folder
    expected = [undisturbed(folder, seed) for seed in SEEDS]
    raws = [folder / f"synthetic-{seed}" / "raw" for seed in SEEDS]
    files = [path.stat() for path in (folder / f"synthetic-{SEEDS[0]}" / "work").rglob("*") if path.is_file()]
    # Each file once, whatever its names.
    needed = sum({state.st_ino: state.st_blocks * 512 for state in files}.values())
    largest = max(path.stat().st_size for path in (folder / f"synthetic-{SEEDS[0]}").rglob("*") if path.is_file())
    bench = Bench(folder, raws, expected)
    if os.getuid() == 0:
        for size in _steps(128 * KIB, 2 * needed, arguments.sizes):
            bench.disk(size)
        bench.disk_that_fills_up(needed)
        bench.disk_that_turns_read_only(4 * needed)
        bench.small_temporary_folder()
        bench.forbidden_folder()
    for size in _steps(KIB, 2 * largest, arguments.sizes):
        bench.limit(size)
    bench.refused("a memory limit of 100 MiB", 2, "--memory-limit 100 MiB is less", "--memory-limit", "100MiB")
    for line in bench.broken:
        print(f"  BROKEN: {line}")
    verdict = "BROKEN" if bench.broken else "the same bytes, or one clear error and nothing published"
    print(f"space  {bench.runs} runs, {bench.errors} errors: {verdict}")
    return 1 if bench.broken else 0


def _steps(first, last, count):
    """Sizes from ``first`` to ``last``, each the same factor larger."""
    return [int(first * (last / first) ** (place / max(count - 1, 1))) for place in range(count)]


class Bench:
    """Counts what happens, and checks each run."""

    def __init__(self, folder, raws, expected):
        self.folder, self.raws, self.expected = folder, raws, expected
        self.broken, self.runs, self.errors = [], 0, 0

    def disk(self, size):
        with mounted(self.folder / "disk", size) as place:
            self._hold(f"a disk of {size // KIB:,} KiB", place, 0, before={})

    def disk_that_fills_up(self, needed):
        """Room for one data set, but not for another one beside it; then more room."""
        with mounted(self.folder / "disk", int(1.25 * needed)) as place:
            self._hold("a disk with room for one state", place, 0, before={}, fails=False)
            before = _tables(place)
            self._hold("a disk without room for another state", place, 1, before=before, fails=True)
            subprocess.run([MOUNT, "-o", f"remount,size={4 * needed}", place], check=True)
            self._hold("the same disk, enlarged", place, 1, before=before, fails=False)

    def disk_that_turns_read_only(self, size):
        with mounted(self.folder / "disk", size) as place:
            self._hold("a disk", place, 0, before={}, fails=False)
            before = _tables(place)
            subprocess.run([MOUNT, "-o", "remount,ro", place], check=True)
            self._hold("a read-only disk", place, 1, before=before, fails=True, writable=False)

    def small_temporary_folder(self):
        place = fresh(self.folder / "victim")
        with mounted(place / "work" / "tmp", 64 * KIB):
            self._hold("a temporary folder of 64 KiB", place, 0, before={}, fails=True)

    def forbidden_folder(self):
        place = fresh(self.folder / "victim")
        (place / "work").mkdir(mode=0o555)
        self._hold("a work folder that may not be written", place, 0, before={}, fails=True, prefix=OBEDIENT)
        shutil.rmtree(place / "work")
        (place / "raw" / "small_matrix.csv").chmod(0)
        self._hold("a log that may not be read", place, None, before={}, fails=True, prefix=OBEDIENT)

    def limit(self, size):
        place = fresh(self.folder / "victim")
        how = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))
        self._hold(f"files of {size // KIB:,} KiB at most", place, 0, before={}, preexec_fn=how)

    def refused(self, what, code, words, *options):
        place = fresh(self.folder / "victim")
        self._hold(what, place, 0, before={}, fails=True, options=options, code=code, words=words)

    def _hold(
        self, what, place, which, *, before, fails=None, writable=True, prefix=(), options=(), code=1, words="", **popen
    ):
        """One run over the data set ``which``; None leaves the raw files as they are."""
        if which is not None and (writable or not (place / "raw").exists()):
            _give(self.raws[which], place / "raw", copy=bool(prefix))
        try:
            job = Job(place, "--rounds", ROUNDS, *options, prefix=prefix, **popen)
        except OSError as error:
            self.broken.append(f"{what}: not even started: {error}")
            return
        ended, _, err = job.end()
        self.runs += 1
        told = err.strip().splitlines()
        first = told[0] if told else ""
        print(f"  {what:<40} exit {ended}  {first.replace(str(self.folder), '...')[:150]}", flush=True)
        if fails is not None and fails != (ended != 0):
            self.broken.append(f"{what}: exit {ended} {told[:2]}")
        if ended == 0:
            if hashes(place) != self.expected[which] or leftovers(place):
                self.broken.append(f"{what}: other bytes, or left over {leftovers(place)}")
            return
        self.errors += 1
        if ended != code or len(told) > 2 or not first.startswith("error: ") or words not in first:
            self.broken.append(f"{what}: exit {ended}, {told[:1]} ... {told[-2:]}")
        if _tables(place) not in (before, *self._states(which)):
            self.broken.append(f"{what}: readers find other tables")
        if (place / "work" / "tmp").is_dir() and (left := list((place / "work" / "tmp").iterdir())):
            self.broken.append(f"{what}: left over {left}")

    def _states(self, which):
        """The tables that a job shows which fails after they were built: as built, and with the scores."""
        if which is None:
            return [{}]
        tables = {name: digest for name, digest in self.expected[which].items() if "tables" in name}
        built = {name: digest for name, digest in tables.items() if "scores" not in name}
        return [built, tables]


def _give(raw, place, *, copy):
    """Raw files in ``place``; what is read is not on the small disk."""
    if place.is_symlink():
        place.unlink()
    shutil.rmtree(place, ignore_errors=True)
    if copy:
        shutil.copytree(raw, place)
    else:
        place.symlink_to(raw)


def _tables(place):
    return {name: digest for name, digest in hashes(place).items() if "tables" in name}


@contextmanager
def mounted(place, size):
    """A file system of ``size`` bytes."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run([MOUNT, "-t", "tmpfs", "-o", f"size={size}", "faults", place], check=True)
    try:
        yield Path(place)
    finally:
        subprocess.run([UMOUNT, "--lazy", place], check=True)
