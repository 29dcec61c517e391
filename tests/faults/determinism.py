"""The same bytes of all tables, models, scores and lists, whatever they must not depend on.

The whole pipeline runs from the same data as it is, with shuffled rows, as Parquet, on one thread, at other memory
limits, and a second time. The documented pipeline at KuaiRec's full size:
`--preset documented --users 1411 --items 3327`.
"""

import shutil
from typing import NamedTuple

from faults import variants
from faults.job import Job, fresh, hashes, make_synthetic

ALL_ROWS = 10**9
"""To learn from: how many have room would depend on the limit."""


class Variant(NamedTuple):
    name: str
    options: tuple = ()
    data: object = None


VARIANTS = (
    Variant("2 threads, 1 GiB"),
    Variant("the same again"),
    Variant("rows shuffled", data=variants.shuffled),
    Variant("Parquet for CSV", data=variants.other_format),
    Variant("1 thread", ("--threads", 1)),
    Variant("4 threads", ("--threads", 4)),
    Variant("512 MiB", ("--memory-limit", "512MiB")),
    Variant("4 GiB", ("--memory-limit", "4GiB")),
)


def options(parser):
    parser.add_argument("--users", type=int, default=200, help="of the synthetic data (%(default)s)")
    parser.add_argument("--items", type=int, default=500, help="of the synthetic data (%(default)s)")
    parser.add_argument(
        "--preset", choices=("kraft", "documented"), default="kraft", help="of the models (%(default)s)"
    )


def run(arguments):
    folder = arguments.folder
    raw = folder / f"raw-{arguments.users}-{arguments.items}-{arguments.seed}"
    make_synthetic(raw, arguments.users, arguments.items, arguments.seed)
    first, broken = {}, []
    for variant in VARIANTS:
        place = fresh(folder / "run")
        shutil.copytree(raw, place / "raw")
        if variant.data:
            (place / "other").mkdir()
            variant.data(raw, place / "other", "small")
            for made in (place / "other").iterdir():
                (place / "raw" / f"{made.stem}.csv").unlink()
                made.rename(place / "raw" / made.name)
        code, _, err = Job(place, "--preset", arguments.preset, "--train-rows", ALL_ROWS, *variant.options).end()
        found = hashes(place)
        first = first or found
        other = sorted(name for name in first.keys() | found.keys() if first.get(name) != found.get(name))
        verdict = f"exit {code} {err.strip()}" if code else f"other: {', '.join(other)}" if other else "the same bytes"
        print(f"  {variant.name:<20} {len(found)} files  {verdict}", flush=True)
        broken += [variant.name] if code or other else []
    verdict = f"BROKEN: {', '.join(broken)}" if broken else "the same bytes of all tables, models, scores and lists"
    print(f"determinism  {len(VARIANTS)} runs of {len(first)} files: {verdict}")
    return 1 if broken else 0
