"""Judge the scores: `python -m jobs.evaluate`."""

import json
from pathlib import Path

from jobs._command import run
from kraft.engine.store import write_whole
from kraft.pipeline import Pipeline
from kraft.settings import Settings


class Options(Settings):
    """Precision, recall, NDCG at 10, 20, 50, 100, 500, 1000, and AUC, of the scored test pairs.

    Averages over the users with a positive test pair. Brings up to date whatever it needs.
    """

    json_out: Path | None = None
    """Also write the metrics to this JSON file. Default: evaluation.json in the work folder."""


def main(options: Options) -> None:
    pipeline = Pipeline(options)
    result = pipeline.evaluate()
    out = options.json_out or options.work / "evaluation.json"
    text = json.dumps(result["report"], indent=2) + "\n"
    write_whole(out, lambda draft: draft.write_text(text, encoding="utf-8"))
    print(result["table"])
    print()
    outcome = f"{result['report']['pairs']:,} test pairs -> {out}"
    print(pipeline.summary("evaluate", outcome, f"duckdb {options.work / 'kraft.duckdb'}"))


if __name__ == "__main__":
    run(Options, main)
