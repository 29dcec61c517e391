"""Harms KRAFT on purpose, and sees whether anything is lost: `python -m tests.faults kill --kills 200`.

kill         SIGKILL at every named step and at random moments, then a rerun: the same bytes as undisturbed
stop         SIGINT and SIGTERM in every stage: the end within two seconds, in one line
space        disks of every size that is too small: one clear error, nothing published
fuzz         made-up and mutated files against a plain reading of them: no row is lost
determinism  the same tables, models and scores from shuffled rows, Parquet, other threads and limits
spark        a worker of a Spark cluster killed in every stage: the same result, at once or by a rerun ([spark], Java)

Each prints what it did and ends with 0 where every promise held, with 1 where one was broken.
"""

import argparse
import sys
from pathlib import Path

# The same modules that pytest imports.
TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "helpers")]

from faults import determinism, fuzz, kill, space, spark, stop  # noqa: E402 - found only now


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for module in (kill, stop, space, fuzz, determinism, spark):
        name = module.__name__.rpartition(".")[2]
        command = commands.add_parser(name, description=module.__doc__)
        command.add_argument("--folder", type=Path, default=Path("work/faults") / name, help="to work in (%(default)s)")
        command.add_argument("--seed", type=int, default=1, help="of all that is random (%(default)s)")
        module.options(command)
        command.set_defaults(run=module.run)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    arguments.folder = arguments.folder.resolve()
    return arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
