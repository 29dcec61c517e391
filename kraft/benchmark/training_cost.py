"""What does streaming cost while trees are grown? Seconds a round, against LightGBM on a matrix in memory.

The sides are those of `kraft.benchmark.training_sides`.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from kraft.benchmark.report import Report, Table, at_most, check, medians, ratio_of
from kraft.benchmark.setup import Setup

STREAMED, MATRIX, LIBRARY = SIDES = ("streamed", "matrix", "library")
MOST_RATIO = 1.1
"""A streamed round may take a tenth longer than one on the matrix with the same parameters."""
FIGURES = {
    "round_seconds": ("seconds a round", 4),
    "dataset_seconds": ("seconds of binning", 2),
    "peak_mib": ("peak MiB", 0),
    "auc": ("validation AUC", 4),
}


class Plan(NamedTuple):
    repeats: int = 3
    rounds: int = 20


def run(setup: Setup, plan: Plan) -> Report:
    """Train ``plan.rounds`` rounds ``plan.repeats`` times on each side, by turns, on the same tables and factors."""
    from kraft.benchmark.training_sides import train  # noqa: PLC0415 - loads LightGBM

    work = setup.folder / "rounds"
    setup.progress.say("  building tables and factors, unless they are up to date")
    setup.job("jobs.train", "--only-als", work=work)
    models = setup.fresh("rounds-models")
    given = {"work": work, "rounds": plan.rounds, "threads": setup.threads}
    sides = {side: partial(setup.call, train, side=side, model=models / f"{side}.txt", **given) for side in SIDES}
    runs = setup.turns(plan.repeats, sides)
    same = trees(models / f"{STREAMED}.txt") == trees(models / f"{MATRIX}.txt")
    ratios = {side: ratio_of(runs[STREAMED], runs[side], "round_seconds") for side in (MATRIX, LIBRARY)}
    verdict = "the same trees" if same else "THE TREES DIFFER"
    headline = (
        f"rounds  a streamed round takes {ratios[MATRIX]:.3f} of one on the matrix, "
        f"{ratios[LIBRARY]:.3f} of one as LightGBM chooses; {verdict}"
    )
    how = f"medians of {plan.repeats} runs of {plan.rounds} rounds by turns, {setup.threads} threads"
    checks = [
        check("trees, streamed and matrix", verdict, "the same trees", holds=same),
        at_most("seconds a round, streamed / matrix", ratios[MATRIX], MOST_RATIO, ".2f"),
    ]
    data = {"ratios": ratios, "same_trees": same, "runs": runs}
    return Report("rounds", headline, [Table(how, ("", *SIDES), medians(runs, FIGURES))], data, checks)


def trees(model: Path) -> str:
    """The model's text up to its parameters."""
    return model.read_text(encoding="utf-8").split("\nparameters:\n")[0]
