"""Fit the factors and train the ranker: `python -m jobs.train`."""

from jobs._command import run
from kraft.settings import Settings


class Options(Settings):
    """Fit the ALS factors and train the LightGBM ranker, building first what they need.

    Writes the models to --work as .npy, LightGBM's text and JSON. What is up to date is kept.
    """

    only_als: bool = False
    """Fit the factors and stop before the ranker."""


def main(options: Options) -> None:
    from kraft.artifacts import ALS
    from kraft.pipeline.pipeline import Pipeline

    with Pipeline(options) as pipeline:
        if options.only_als:
            pipeline.fit_als()
            factors = options.work / "models" / pipeline.preset.artifact(ALS)
            print(pipeline.summary("train", f"factors in {factors}", "python -m jobs.train"))
            return
        pipeline.train()
        outcome = f"factors and ranker in {options.work / 'models'}"
        print(pipeline.summary("train", outcome, "python -m jobs.score --out submission.parquet"))


if __name__ == "__main__":
    run(Options, main)
