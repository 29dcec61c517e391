"""Judge the scores: `python -m jobs.evaluate`."""

import json
from pathlib import Path

from jobs._command import run
from kraft.engine.store import write_whole
from kraft.errors import InputError
from kraft.pipeline import Pipeline
from kraft.settings import PRESETS, Settings


class Options(Settings):
    """Precision, recall, NDCG at 10, 20, 50, 100, 500, 1000, and AUC, of the scored test pairs, with intervals.

    Beside them the simplest recommenders, and other presets that were scored. Averages over the users with a positive
    test pair. Brings up to date whatever it needs.
    """

    compare: tuple[str, str] | None = None
    """Two presets, or files of scores (user_id, item_id, score): print the paired differences, first less second."""
    baselines: bool = True
    """Also judge the simplest recommenders: random, popularity, shortest video, ALS alone, ..."""
    json_out: Path | None = None
    """Also write the metrics to this JSON file. Default: evaluation.json (or comparison.json) in the work folder."""


def main(options: Options) -> None:
    for name in options.compare or ():
        if name not in PRESETS and not Path(name).is_file():
            raise InputError(f"--compare {name}: no such file", f"Give a file, or one of {', '.join(PRESETS)}.")
    with Pipeline(options) as pipeline:
        if options.compare:
            result = pipeline.compare(*options.compare)
            out = options.json_out or options.work / "comparison.json"
        else:
            result = pipeline.evaluate(baselines=options.baselines)
            out = options.json_out or options.work / "evaluation.json"
        text = json.dumps(result["report"], indent=2) + "\n"
        write_whole(out, lambda draft: draft.write_text(text, encoding="utf-8"))
        print(result["table"])
        print()
        outcome = f"{result['report']['pairs']:,} test pairs -> {out}"
        print(pipeline.summary("evaluate", outcome, f"duckdb {options.work / 'kraft.duckdb'}"))


if __name__ == "__main__":
    run(Options, main)
