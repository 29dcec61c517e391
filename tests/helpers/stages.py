"""Stages for the tests of `kraft.engine.process.worker`: each runs in a process of its own."""

import os
import sys
import time
from pathlib import Path

from pydantic import Field

from kraft import errors
from kraft.engine.process.stage import LOW_MEMORY, PARALLEL, STREAMING, Record, stage
from kraft.engine.workspace.store import Fingerprint, Store


class Asked(Record):
    """Arguments of all of them."""

    text: str = ""
    number: float = 0
    variables: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    path: Path = Path()


class Told(Record):
    """Results of all of them."""

    text: str = ""
    number: float = 0
    pid: int = 0
    environment: dict[str, str | None] = Field(default_factory=dict)
    loaded: tuple[str, ...] = ()


@stage(Asked, Told, PARALLEL)
def echo(asked):
    print("a line that is not the result")
    print("told on stderr", file=sys.stderr)
    return _told(asked)


@stage(Asked, Told, STREAMING)
def streaming_echo(asked):
    return _told(asked)


@stage(Asked, Told, LOW_MEMORY)
def low_memory_echo(asked):
    return _told(asked)


def _told(asked):
    variables = {name: os.environ.get(name) for name in asked.variables}
    return Told(text=asked.text, number=asked.number, pid=os.getpid(), environment=variables)


@stage(Asked, Told)
def to_numpy(asked):
    """Takes a number to Arrow and back; `loaded`, which of some packages that brought along."""
    # Imported here: the others tell what a process takes.
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    (number,) = pa.array(np.array([asked.number])).to_numpy().tolist()
    return Told(number=number, loaded=[name for name in asked.packages if sys.modules.get(name)])


@stage(Asked, Told)
def grow(asked):
    return Told(number=len(b"x" * int(asked.number)))


@stage(Asked, Told)
def fail(asked):
    raise getattr(errors, asked.text)("it's broken", "Mend it.")


@stage(Asked, Told)
def fill(asked):
    raise OSError(asked.text)


@stage(Asked, Told)
def crash(asked):
    return Told(number=1 / asked.number)


@stage(Asked, Told)
def leave(asked):
    sys.exit(int(asked.number))


@stage(Asked, Told)
def die(asked):
    os.kill(os.getpid(), int(asked.number))


@stage(Asked, Told)
def wait(asked):
    asked.path.write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(60)
    return Told()


@stage(Asked, Told)
def publish(asked):
    """Publishes a hundred tables one after the other, as fast as it can."""
    store = Store(asked.path)
    for number in range(100):
        with store.scratch() as folder:
            written = folder / "table.parquet"
            written.write_bytes(b"x" * 10)
            store.publish(f"{asked.text}{number}", written, Fingerprint({}, {}, code="1"), {})
    return Told()
