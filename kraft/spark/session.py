"""The SparkSession of a job: one a process, opened once, stopped at its end; and what can be wrong before it starts.

Spark is set up where Spark users set it up (`SPARK_CONF_DIR/spark-defaults.conf`, `PYSPARK_SUBMIT_ARGS`): here only
what the results depend on is fixed, and defaults are given where that file says nothing.
"""

import atexit
import os
import re
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pyspark.sql import SparkSession

from kraft.engine.process.worker import ENVIRONMENT
from kraft.errors import InputError, MachineError
from kraft.spark.errors import OF_SPARK, told_by
from kraft.spark.needs import ANSWER_SECONDS, need_spark

WORKER_SECONDS: Final = 90.0
"""Time for the first executor to start, or for another one where all are lost; a JVM takes some 5 s."""
WATCH_SECONDS: Final = 1.0
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
SHARED_PACKAGES: Final = ("kraft", "lightgbm", "numpy", "pyarrow")
"""What the workers run: of the same version as here, or models and numbers could differ."""

FIXED: Final = {
    "spark.sql.session.timeZone": "UTC",
    # Overflow and division by zero are errors, not NULL.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "true",
    # Else a row with too few fields passes where the last ones are not asked for.
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    # A stage of Python workers sees a batch as large as a row group.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
}
DEFAULTS: Final = {
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    # A hundred, its default, are fewer than the files of sql/ make; they run twice, for all days and for the history.
    "spark.sql.codegen.cache.maxEntries": "2000",
    # Ranks that find no room are told so after seconds, not minutes: the ranker then starts with those that are there.
    "spark.scheduler.barrier.maxConcurrentTasksCheck.interval": "2s",
    "spark.scheduler.barrier.maxConcurrentTasksCheck.maxFailures": "3",
    # If an executor is lost its tasks run again elsewhere, without waiting for a timeout of minutes.
    "spark.network.timeout": "60s",
    "spark.executor.heartbeatInterval": "5s",
}
LOCAL_DEFAULTS: Final = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1"}
LOGGING: Final = Path(__file__).with_name("log4j2.properties")
_THREADS: Final = ("OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS")
"""Of the environment of a stage, what holds for Python workers too."""

_open: dict[str, SparkSession] = {}
"""By the master's URL: one at most."""
_watches: list[tuple[threading.Event, threading.Thread]] = []
"""Who watches over it, and what ends that."""


def spark_session(master: str) -> SparkSession:
    """The session of this process, opened by the first call and stopped when the process ends, or asks for another
    master.

    Args:
        master: Spark's master URL.

    Raises:
        InputError: a package or Java is missing or too old, or the master's URL is none.
        MachineError: the master does not answer, no worker has room, or the workers have other versions than the
            driver.
    """
    if master not in _open:
        need_spark(master)
        stop()
        session = _open[master] = _start(master)
        atexit.register(stop)
        if not is_local(master):
            _wait_for_worker(session, master)
            check_versions(session)
        if master.startswith("spark://"):
            ended = threading.Event()
            watch = threading.Thread(target=_watch, args=(session, ended), daemon=True)
            watch.start()
            _watches.append((ended, watch))
    return _open[master]


def stop() -> None:
    """Stop the session of this process, if there is one."""
    while _watches:
        ended, watch = _watches.pop()
        ended.set()
        watch.join(ANSWER_SECONDS)
    while _open:
        _, session = _open.popitem()
        try:
            session.stop()
        except OF_SPARK:
            # The JVM has gone before: what was to be stopped is.
            continue


def is_local(master: str) -> bool:
    return master == "local" or master.startswith("local[")


def executors(session: SparkSession) -> tuple[int, int]:
    """How many executors there are now, and how many cores each has; of this machine, one with all of them."""
    context: Any = session.sparkContext
    if is_local(context.master):
        return 1, int(context.defaultParallelism)
    found = max(_count(context), 1)
    asked = context.getConf().get("spark.executor.cores")
    return found, int(asked) if asked else max(int(context.defaultParallelism) // found, 1)


def _start(master: str) -> SparkSession:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    for name in _THREADS:
        os.environ.setdefault(name, ENVIRONMENT[name])
    chosen = DEFAULTS | {f"spark.executorEnv.{name}": os.environ[name] for name in _THREADS}
    if is_local(master) or any(f"//{host}:" in master for host in LOOPBACK):
        chosen |= LOCAL_DEFAULTS
    if not Path(os.environ.get("SPARK_CONF_DIR", ""), "log4j2.properties").is_file():
        chosen["spark.driver.extraJavaOptions"] = f"-Dlog4j2.configurationFile={LOGGING.as_uri()}"
    own = _configured()
    builder = SparkSession.builder.appName("kraft").master(master)
    for name, value in {**{name: value for name, value in chosen.items() if name not in own}, **FIXED}.items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except OF_SPARK as error:
        raise _not_started(master, error) from error
    # Twice the cores: Spark's 200 would split a log of a few million rows into tasks of milliseconds.
    if "spark.sql.shuffle.partitions" not in own:
        partitions = max(2 * session.sparkContext.defaultParallelism, 4)
        session.conf.set("spark.sql.shuffle.partitions", str(partitions))
    return session


def _not_started(master: str, error: Exception) -> Exception:
    text = str(error)
    if "Could not parse Master URL" in text or "Invalid master URL" in text:
        return InputError(
            f"--master {master}: not a master of Spark's", "Give for example local[*] or spark://HOST:7077."
        )
    if "stopped SparkContext" in text or "unresponsive" in text or "shutdown" in text:
        return MachineError(
            f"--master {master}: no master of Spark {version('pyspark')} answers there",
            "Start one of that version, or install its version of pyspark.",
        )
    return told_by(error, f"--master {master}: Spark did not start")


def _configured() -> set[str]:
    """Names that the user's own spark-defaults.conf or PYSPARK_SUBMIT_ARGS set."""
    submitted = os.environ.get("PYSPARK_SUBMIT_ARGS", "")
    given = set(re.findall(r"(spark\.[\w.]+)=", submitted))
    if "--driver-java-options" in submitted:
        given.add("spark.driver.extraJavaOptions")
    home = os.environ.get("SPARK_HOME")
    folder = os.environ.get("SPARK_CONF_DIR") or (f"{home}/conf" if home else "")
    path = Path(folder, "spark-defaults.conf")
    if folder and path.is_file():
        given |= set(re.findall(r"^\s*(spark\.[\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    return given


# --- what can be wrong ------------------------------------------------------------------------


def _wait_for_worker(session: SparkSession, master: str) -> None:
    context: Any = session.sparkContext
    deadline = time.monotonic() + WORKER_SECONDS
    while not _count(context):
        if time.monotonic() > deadline:
            memory = context.getConf().get("spark.executor.memory", "1g")
            stop()
            raise MachineError(
                f"--master {master}: no worker gave an executor of {memory} in {WORKER_SECONDS:.0f} s",
                "Start workers with that much free, or ask for less in spark-defaults.conf.",
            )
        time.sleep(0.2)


def _count(context: Any) -> int:  # noqa: ANN401 - Spark's
    # The driver itself is one of those counted.
    return int(context._jsc.sc().getExecutorMemoryStatus().size()) - 1  # noqa: SLF001 - PySpark has no word for it


def _watch(session: SparkSession, ended: threading.Event) -> None:
    """Cancel the jobs of a standalone cluster that has had no executor for `WORKER_SECONDS`: they would wait for ever.

    `kraft.spark.errors` says so of jobs that are cancelled all at once.
    """
    context: Any = session.sparkContext
    last = time.monotonic()
    while not ended.wait(WATCH_SECONDS):
        try:
            if _count(context) or not context.statusTracker().getActiveJobsIds():
                last = time.monotonic()
            elif time.monotonic() - last > WORKER_SECONDS:
                context.cancelAllJobs()
        except OF_SPARK:
            # The JVM has gone.
            return


def versions() -> dict[str, str]:
    """Of Python and of what the workers run."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"Python": python} | {package: version(package) for package in SHARED_PACKAGES}


def check_versions(session: SparkSession) -> None:
    """Ask the workers what they run.

    Raises:
        MachineError: they cannot run Python or KRAFT, or have other versions than the driver.
    """
    here = versions()
    context = session.sparkContext
    asked = context.parallelize(range(context.defaultParallelism), context.defaultParallelism)
    try:
        found = asked.mapPartitions(lambda _: [versions()]).collect()
    except OF_SPARK as error:
        stop()
        raise MachineError(
            f"the workers cannot run what the driver runs ({told_by(error, '').problem.strip()})",
            f"Install KRAFT for Python {here['Python']} on every worker, where PYSPARK_PYTHON names it.",
        ) from error
    for there in found:
        for name, value in here.items():
            if there[name] != value:
                stop()
                raise MachineError(
                    f"a worker has {name} {there[name]}, the driver {value}", "Install the same versions everywhere."
                )
