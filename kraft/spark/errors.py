"""Spark's errors as one line: the reason that lies under a Java stack trace."""

import re
from collections.abc import Callable
from typing import Final, TypeVar

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from kraft.errors import KraftError, MachineError

Result = TypeVar("Result")
OF_SPARK: Final = (PySparkException, Py4JError, ConnectionError)
"""What a call of Spark's raises; the last where its JVM is gone."""
_PYTHON = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exception|Interrupt))(?:: (.*))?$", re.MULTILINE)
_CLASS = re.compile(r"^(?:Caused by: )?(?:[\w$]+\.)+([\w$]+): ")
_SIGNS: Final = {
    # By `kraft.spark.session`, and by nobody else.
    "cancelled as part of cancellation of all jobs": "no worker of the cluster is left",
    "BarrierJobSlotsNumberCheckFailed": "the cluster has no room for a rank",
}
"""What Spark says of a cluster that has gone -> the same for people."""
_OF_PY4J: Final = "An error occurred while calling "
MOST_CHARACTERS = 300


def asked(what: str, ask: Callable[[], Result]) -> Result:
    """What Spark answers.

    Raises:
        MachineError: it does not; ``what`` failed, and why.
    """
    try:
        return ask()
    except OF_SPARK as error:
        raise told_by(error, what) from error


def told_by(error: BaseException, what: str) -> KraftError:
    """An error of Spark's as the machine's fault: ``what`` failed, and the reason at its root."""
    reason = root_reason(str(error))
    return MachineError(f"{what}: {reason}" if what else reason, "Nothing was written.")


def root_reason(text: str) -> str:
    r"""The last cause that a Java or Python trace names, in one line.

    >>> root_reason(": org.apache.spark.SparkException: Job aborted\nCaused by: java.io.IOException: full")
    'full'
    >>> root_reason("An error occurred while calling o4.collect.\n: org.apache.spark.SparkException: no more")
    'no more'
    >>> root_reason("Job 7 cancelled as part of cancellation of all jobs")
    'no worker of the cluster is left'
    """
    for sign, words in _SIGNS.items():
        if sign in text:
            return words
    causes = [line for line in text.splitlines() if line.startswith("Caused by: ")]
    # A Python worker's own error stands inside the Java one.
    python = [match[0] for match in _PYTHON.finditer(text) if not match[0].startswith(("Caused", "org.", "java."))]
    lines = [line.strip(": ") for line in text.splitlines() if line.strip() and not line.startswith(_OF_PY4J)]
    first = lines[0] if lines else "no reason given"
    chosen = python[-1] if python else causes[-1] if causes else first
    return _CLASS.sub("", chosen).strip()[:MOST_CHARACTERS]
