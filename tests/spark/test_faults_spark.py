"""What `python -m tests.faults spark` goes by: Spark's event log, and what executors say of their tasks."""

import json
import re
from pathlib import Path

from faults.spark import STAGES, Events
from spark_cluster import Cluster

import kraft.spark


def event(kind, **more):
    return (
        json.dumps({"Event": f"SparkListener{kind}"} | {key.replace("_", " "): one for key, one in more.items()}) + "\n"
    )


def test_jobs_and_lost_tasks_are_read_as_they_are_written(tmp_path):
    log = tmp_path / "app-1.inprogress"
    begun = event("JobStart", Job_ID=3, Submission_Time=1000)
    ended = event("JobEnd", Job_ID=3, Completion_Time=5000)
    tasks = [
        event("TaskEnd", Task_End_Reason={"Reason": reason}, Task_Info={"Finish Time": at})
        for reason, at in (("Success", 3000), ("TaskKilled", 2000), ("ExecutorLostFailure", 4000))
    ]
    # A line that is half there is read once it is whole.
    log.write_text("".join([event("StageSubmitted"), begun, *tasks, ended[:20]]))
    events = Events(tmp_path).read()
    assert events.jobs == {3: (1.0, float("inf"))}
    assert (events.running(0.5), events.running(9.0)) == (False, True)
    assert (events.lost(2.5), events.lost(1.0)) == (1, 2)
    with log.open("a") as file:
        file.write(ended[20:])
    log.rename(tmp_path / "app-1")
    assert events.read().jobs == {3: (1.0, 5.0)}
    assert not events.running(9.0)
    assert "spark.eventLog.dir=file:///" in events.submit()


def test_a_worker_is_busy_while_a_task_of_its_newest_executor_runs(tmp_path):
    cluster = Cluster(tmp_path)
    running, ended = "INFO Executor: Running task 0.0 in stage 1.0\n", "INFO Executor: Finished task 0.0 in stage 1.0\n"
    for name, app, text in (
        ("worker-0", "app-1", running),
        ("worker-0", "app-2", running + ended),
        ("worker-1", "app-2", running + ended + running),
    ):
        place = tmp_path / name / app / "0"
        place.mkdir(parents=True)
        (place / "stderr").write_text(text)
    assert cluster.busy() == ["worker-1"]


def test_every_stage_tells_that_it_starts_by_the_sign_that_is_waited_for():
    sources = [file.read_text() for file in Path(kraft.spark.__file__).parent.glob("*.py")]
    signs = {name: stage.sign for name, stage in STAGES.items() if name != "tables"}
    # A text, or one with values in it.
    told = {name: any(re.search(rf'detail\(f?"{sign}', text) for text in sources) for name, sign in signs.items()}
    assert told == dict.fromkeys(signs, True)
