"""The whole pipeline as one job, with the commands' own code: tables, models, scores, metrics, lists.

Run with `python -m faults.whole`, the folder `tests` on PYTHONPATH.
"""

import json

from jobs._command import run
from kraft.engine.workspace.store import write_whole
from kraft.pipeline.pipeline import Pipeline
from kraft.pipeline.recommend import Request, recommend
from kraft.settings import OutputFolder, Settings
from kraft.stages.table_lists import CANDIDATE_TABLES


class Options(Settings):
    """Everything, once."""

    out: OutputFolder
    """Folder for submission.parquet, recommendations.parquet and evaluation.json."""


def main(options: Options) -> None:
    with Pipeline(options, more_tables=CANDIDATE_TABLES) as pipeline:
        result = pipeline.evaluate()
        text = json.dumps(result.report, indent=2)
        write_whole(options.out / "evaluation.json", lambda draft: draft.write_text(text, encoding="utf-8"))
        pipeline.export(options.out / "submission.parquet")
        recommend(pipeline, Request(), options.out / "recommendations.parquet")
        print(pipeline.summary("whole", "everything", "nothing"))


if __name__ == "__main__":
    run(Options, main)
