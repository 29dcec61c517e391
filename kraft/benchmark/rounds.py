"""What streaming costs while trees are grown: seconds a round, against LightGBM on a matrix in memory."""

from pathlib import Path
from typing import Any

from kraft.benchmark.outside import module
from kraft.benchmark.report import Report, Table, median_of, ratio_of
from kraft.benchmark.setup import Setup

STREAMED, MATRIX, LIBRARY = SIDES = ("streamed", "matrix", "library")
"""The sides, as `kraft.benchmark.contestant` explains them."""
ALLOWED_RATIO = 1.1
"""A streamed round may take a tenth longer than one on the matrix with the same parameters."""
FIGURES = {
    "round_seconds": "seconds a round",
    "dataset_seconds": "seconds of binning",
    "peak_mib": "peak MiB",
    "auc": "validation AUC",
}


def run(setup: Setup, repeats: int, rounds: int) -> Report:
    """Train ``rounds`` rounds ``repeats`` times on each side, by turns, on the same tables and factors."""
    work = setup.folder / "rounds"
    setup.progress.say("  building tables and factors, unless they are up to date")
    command = module("jobs.train", "--only-als", *setup.options(work))
    setup.measure(command)
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    models: dict[str, str] = {}
    drafts = setup.fresh("rounds-models")
    for number in range(repeats):
        # Each side takes each place in turn.
        turn = number % len(SIDES)
        for side in (*SIDES[turn:], *SIDES[:turn]):
            model = drafts / f"{side}.txt"
            options = ("--work", work, "--model", model, "--rounds", rounds, "--threads", setup.threads)
            measured = setup.measure(module("kraft.benchmark.contestant", side, *options))
            figures = measured.figures() | measured.answer()
            runs[side].append(figures)
            models[side] = trees(model)
            setup.progress.say(f"  {number + 1}/{repeats} {side:<9} {figures['round_seconds']:.4f} s a round")
    return _report(setup, runs, equal=models[STREAMED] == models[MATRIX])


def trees(model: Path) -> str:
    """The model's text up to its parameters."""
    return model.read_text(encoding="utf-8").split("\nparameters:\n")[0]


def _report(setup: Setup, runs: dict[str, list[dict[str, Any]]], *, equal: bool) -> Report:
    ours = runs[STREAMED]
    ratios = {side: ratio_of(ours, runs[side], "round_seconds") for side in (MATRIX, LIBRARY)}
    headline = (
        f"rounds  a streamed round takes {ratios[MATRIX]:.3f} of one on the matrix, "
        f"{ratios[LIBRARY]:.3f} of one as LightGBM chooses; {'the same trees' if equal else 'THE TREES DIFFER'}"
    )
    table = Table(
        f"medians of {len(ours)} runs of {ours[0]['rounds']} rounds by turns, {setup.threads} threads",
        ("", *SIDES),
        [(text, *(_shown(runs[side], name) for side in SIDES)) for name, text in FIGURES.items()],
    )
    data = {"ratios": ratios, "same_trees": equal, "raw": str(setup.raw), "threads": setup.threads, "runs": runs}
    return Report("rounds", headline, [table], data, passed=equal and ratios[MATRIX] <= ALLOWED_RATIO)


def _shown(runs: list[dict[str, Any]], name: str) -> str:
    digits = {"round_seconds": 4, "auc": 4, "dataset_seconds": 2, "peak_mib": 0}[name]
    return f"{median_of(runs, name):,.{digits}f}"
