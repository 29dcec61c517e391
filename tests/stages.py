"""Stages for the tests of `kraft.engine.isolation`: each runs in a process of its own."""

import os
import sys
import time
from pathlib import Path

from kraft import errors
from kraft.engine.isolation import tell
from kraft.engine.store import Recipe, Store


def echo(arguments):
    print("a line that is not the result")
    print("told on stderr", file=sys.stderr)
    variables = {name: os.environ.get(name) for name in arguments.get("variables", ())}
    return {**arguments, "pid": os.getpid(), "environment": variables}


def to_numpy(arguments):
    """Takes numbers to Arrow and back; `loaded`, which of some packages that brought along."""
    # Imported here: the others tell what a process takes.
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    numbers = pa.array(np.array(arguments["numbers"])).to_numpy().tolist()
    return {"numbers": numbers, "loaded": [name for name in arguments["packages"] if sys.modules.get(name)]}


def grow(arguments):
    block = b"x" * arguments["bytes"]
    return {"size": len(block)}


def fail(arguments):
    raise getattr(errors, arguments["kind"])("it's broken", "Mend it.")


def fill(arguments):
    raise OSError(arguments["told"])


def crash(arguments):
    return {"ratio": 1 / arguments["zero"]}


def leave(arguments):
    sys.exit(arguments["code"])


def die(arguments):
    os.kill(os.getpid(), arguments["signal"])


def wait(arguments):
    Path(arguments["started"]).write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(60)
    return {}


def two_steps(arguments):
    """Tells of its first step, and ends once the file `go` is there."""
    tell("first step")
    while not Path(arguments["go"]).exists():
        time.sleep(0.01)
    tell("second step")
    return {"pid": os.getpid()} if arguments["answers"] else sys.exit(0)


def publish(arguments):
    """Publishes tables one after the other, as fast as it can."""
    store = Store(Path(arguments["work"]))
    for number in range(arguments["tables"]):
        with store.scratch() as folder:
            written = folder / "table.parquet"
            written.write_bytes(b"x" * 10)
            store.publish(f"{arguments['prefix']}{number}", written, Recipe({}, {}, code="1"), {})
    return {}
