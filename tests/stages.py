"""Stages for the tests of `kraft.engine.isolation`: each runs in a process of its own."""

import os
import signal
import sys
import time
from pathlib import Path

from kraft import errors


def echo(arguments):
    print("a line that is not the result")
    print("told on stderr", file=sys.stderr)
    variables = {name: os.environ.get(name) for name in arguments.get("variables", ())}
    return {**arguments, "pid": os.getpid(), "environment": variables}


def grow(arguments):
    block = b"x" * arguments["bytes"]
    return {"size": len(block)}


def fail(arguments):
    raise getattr(errors, arguments["kind"])("it's broken", "Mend it.")


def crash(arguments):
    return {"ratio": 1 / arguments["zero"]}


def leave(arguments):
    sys.exit(arguments["code"])


def die(arguments):
    os.kill(os.getpid(), arguments["signal"])


def interrupted(_):
    raise KeyboardInterrupt


def wait(arguments):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Path(arguments["started"]).write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(60)
    return {}
