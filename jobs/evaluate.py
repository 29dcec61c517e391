"""Evaluate the scores: `python -m jobs.evaluate`."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs._command import run
from kraft.errors import InputError
from kraft.formatting import pluralize
from kraft.report.output_path import Format, beside
from kraft.settings import MIB, InputName, OutputFile, Settings

if TYPE_CHECKING:
    from kraft.pipeline.pipeline import Pipeline
    from kraft.report.stages import PageMade


class Options(Settings):
    """Precision, recall, NDCG at 10, 20, 50, 100, 500, 1000, and AUC, of the scored test pairs, with intervals.

    Beside them the simplest recommenders, and other presets that were scored. Averages over the users with a positive
    test pair. Brings up to date what it needs.
    """

    compare: tuple[InputName, InputName] | None = None
    """Two presets, or files of scores (user_id, item_id, score): print the paired differences, first less second."""
    baselines: bool = True
    """Also evaluate the simplest recommenders: random, popularity, shortest video, ALS alone, ..."""
    json_out: OutputFile | None = None
    """Also write the metrics to this JSON file. Default: evaluation.json (or comparison.json) in the work folder."""
    html: OutputFile | None = None
    """Also make a page of it, with plots, what the ranker goes by, and three users as examples: one file that opens
    offline. The plots are copied to the folder figures beside it."""
    format: Format = "html"
    """Of the page: json and markdown have the same words and numbers."""

    def written(self) -> dict[str, Path]:
        """The metrics where nothing else is said, and what lies beside the page."""
        metrics = {} if self.json_out else {"the metrics": self.metrics_file}
        return metrics | (beside(self.html) if self.html else {})

    @property
    def metrics_file(self) -> Path:
        return self.json_out or self.work / ("comparison.json" if self.compare else "evaluation.json")


def main(options: Options) -> None:
    from kraft.engine.workspace.store import write_whole
    from kraft.pipeline.pipeline import Pipeline
    from kraft.stages.preset import PRESETS
    from kraft.stages.table_lists import CANDIDATE_TABLES, PAGE_TABLES

    for name in options.compare or ():
        if name not in PRESETS and not Path(name).is_file():
            raise InputError(f"--compare {name}: no such file", f"Give a file, or one of {', '.join(PRESETS)}.")
    if options.compare and options.html:
        raise InputError("--html shows one preset, --compare two score sets", "Leave out one of them.")
    out = options.metrics_file
    with Pipeline(options) as pipeline:
        if options.html:
            pipeline.more_tables = (*CANDIDATE_TABLES, *PAGE_TABLES)
        if options.compare:
            result = pipeline.compare(*options.compare)
        else:
            result = pipeline.evaluate(baselines=options.baselines)
        text = json.dumps(result.report, indent=2) + "\n"
        write_whole(out, lambda draft: draft.write_text(text, encoding="utf-8"))
        outcome, next_step = (
            f"{result.report['pairs']:,} test pairs -> {out}",
            f"duckdb {shlex.quote(str(options.work / 'kraft.duckdb'))}",
        )
        if options.html:
            page = _make_page(pipeline, result.report, options.html, options.format)
            outcome += f"; {pluralize(page.figures, 'figure')}, {page.bytes / MIB:.1f} MiB -> {options.html}"
            next_step = f"open {shlex.quote(str(options.html))}"
        print(result.table)
        print()
        print(pipeline.summary("evaluate", outcome, next_step))


def _make_page(pipeline: "Pipeline", report: dict[str, Any], out: Path, form: Format) -> "PageMade":
    """The page, with recommendations and examples that are made for it."""
    from kraft.report.examples import draw_examples
    from kraft.report.stages import MakeScoresPage, make_scores_page

    examples = draw_examples(pipeline)
    asked = MakeScoresPage(
        settings=pipeline.settings,
        out=out,
        format=form,
        report=report,
        losses=pipeline.losses,
        recommendations=examples.recommendations,
        users=examples.users,
    )
    return pipeline.run(make_scores_page, asked)


if __name__ == "__main__":
    run(Options, main)
