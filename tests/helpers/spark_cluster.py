"""A standalone Spark cluster on this machine: a master and workers, each a JVM of its own, from the pip package."""

import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pyspark

LOOPBACK = "127.0.0.1"
# JVMs that live a minute compile longer than they compute: half of the time with the first compiler alone.
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
ROOMY = f"{QUICK} -Xmn800m -XX:-UseCodeCacheFlushing -XX:ReservedCodeCacheSize=400m"
SUBMIT = (
    f"--driver-java-options '{ROOMY}' --driver-memory 2g --conf 'spark.executor.extraJavaOptions={QUICK}' "
    # Plans over a few thousand rows are interpreted in less time than they are compiled: a third less for the whole
    # pipeline. The fixture `spark`, with which every file of `sql/` is compared, has them compiled as users have.
    "--conf spark.sql.shuffle.partitions=2 --conf spark.sql.codegen.wholeStage=false"
)
SECONDS = 90
BOUND = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
"""Before a command: it does not outlive the tests, even where these are killed."""
TASK_ENDED = r": (?:Finished task |Exception in task |Executor killed |Executor interrupted and killed )"


class Cluster:
    """A context manager: started when it is entered, ended with all its processes at its end.

    Args:
        folder: gets the logs, and the workers' own files.
        workers: how many, of one core each.
        memory: what each has for its executor.
    """

    def __init__(self, folder: Path, workers: int = 2, memory: str = "1g") -> None:
        self.folder, self.count, self.memory = folder, workers, memory
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.master = ""

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._start("master", "master.Master", "--port", "0", "--webui-port", "0")
            self.master = self._told("master", r"Starting Spark master at (spark://\S+)")
            self.restore()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        self._end()

    @property
    def workers(self):
        """Names of all that should be there."""
        return [f"worker-{number}" for number in range(self.count)]

    def restore(self):
        """Start the workers that are not there, and wait for them."""
        for name in self.workers:
            if name in self.processes and self.processes[name].poll() is None:
                continue
            (self.folder / f"{name}.log").unlink(missing_ok=True)
            options = ("--cores", "1", "--memory", self.memory, "--port", "0", "--webui-port", "0")
            self._start(name, "worker.Worker", *options, "--work-dir", str(self.folder / name), self.master)
        for name in self.workers:
            self._told(name, r"Successfully registered with master (\S+)")

    def kill(self, name):
        """End a worker with its executors, without a warning; returns its process id, for `session`.

        What the executors run in Python is of a group of its own, and has to see for itself that they are gone.
        """
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return process.pid

    def busy(self):
        """Names of the workers on which a task runs, by what their newest executors say of themselves."""
        found = []
        for name in self.workers:
            said = sorted((self.folder / name).glob("app-*/*/stderr"))
            text = said[-1].read_text(errors="replace") if said else ""
            if text.count(": Running task ") > len(re.findall(TASK_ENDED, text)):
                found.append(name)
        return found

    def _start(self, name, what, *options):
        home = Path(pyspark.__file__).parent
        environment = os.environ | {
            "SPARK_HOME": str(home),
            "SPARK_NO_DAEMONIZE": "1",
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": QUICK,
            "SPARK_LOCAL_IP": LOOPBACK,
            "SPARK_LOCAL_DIRS": str(self.folder / f"{name}-local"),
        }
        command = [
            *BOUND,
            str(home / "bin" / "spark-class"),
            f"org.apache.spark.deploy.{what}",
            "--host",
            LOOPBACK,
            *options,
        ]
        with (self.folder / f"{name}.log").open("wb") as log:
            # A group of its own: a worker's executors end with it.
            self.processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
            )

    def _told(self, name, pattern):
        """What a process says of itself, once it has said so."""
        log, deadline = self.folder / f"{name}.log", time.monotonic() + SECONDS
        while True:
            found = re.search(pattern, log.read_text(errors="replace"))
            if found:
                return found[1]
            if self.processes[name].poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{name} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    def _end(self):
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes = {}


def session(leader):
    """Living processes of a session: what its first process has started, in whatever group."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            with suppress(OSError):
                state, _, _, own = (place / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(own) == leader and state not in "ZX":
                    found.append(int(place.name))
    return found
