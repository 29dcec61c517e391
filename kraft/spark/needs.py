"""What `--engine spark` needs, checked before a job begins its work: packages, Java, a master that answers.

Nothing here imports pyspark, so that its absence can be told in one line.
"""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Final

from kraft.engine.extras import need_extra
from kraft.errors import InputError, MachineError

LEAST_JAVA: Final = 17
ANSWER_SECONDS: Final = 5.0
"""A master that is there answers at once."""


def need_spark(master: str) -> None:
    """Make sure that Spark can start.

    Args:
        master: Spark's master URL.

    Raises:
        InputError: a package of the extra [spark] or Java is missing or too old, or the URL has no host and port.
        MachineError: a standalone master does not answer.
    """
    need_extra("spark", "--engine spark")
    check_java()
    check_master(master)


def check_java() -> None:
    """Make sure that there is a Java that Spark runs on.

    Raises:
        InputError: there is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home, "bin", "java")) if home else "java")
    advice = f"Install Java {LEAST_JAVA} or later (Debian: apt-get install openjdk-17-jre-headless), or set JAVA_HOME."
    if java is None:
        where = f"JAVA_HOME is {home}, without a bin/java" if home else "there is no java on the PATH"
        raise InputError(f"--engine spark needs Java, and {where}", advice)
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    if found is None or int(found[1]) < LEAST_JAVA:
        what = f"Java {found[1]}" if found else f"no Java ({told.strip()[:80]})"
        raise InputError(f"--engine spark needs Java {LEAST_JAVA} or later; {java} is {what}", advice)


def check_master(master: str) -> None:
    """Make sure that something listens where a standalone master should be; other masters are Spark's business.

    Raises:
        InputError: the URL has no host and port.
        MachineError: nothing answers.
    """
    if not master.startswith("spark://"):
        return
    reasons = []
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise InputError(f"--master {master}: not a host and a port", "Give for example spark://HOST:7077.")
        try:
            socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
        except OSError as error:
            reasons.append(str(error.strerror or error))
        else:
            return
    raise MachineError(
        f"--master {master}: no answer ({reasons[0]})", "Start the master, or give the URL that its log tells."
    )
