"""ALS factors by Spark's own `pyspark.ml.recommendation.ALS`, saved in the form of the single machine's.

Both solve the model of Hu, Koren and Volinsky (2008, doi 10.1109/ICDM.2008.22), but say it differently:

    confidence       implicit gives a pair with c positives c, and any other pair 1. Spark gives a rating r the
                     confidence 1 + alpha |r|. So r = c - 1, and alpha = 1. A rating of 0 would mean preference 0: pairs
                     with one positive get `LEAST_RATING` more.
    regularization   implicit adds it to each row as it is, Spark multiplies it by the number of the row's ratings. Here
                     it is divided by their mean, so that a row of mean length has the same.
    zeros            a pair that was met and never liked cannot count for less than one that never met: where the
                     preset documented stores zeros, Spark's factors know no such pairs.
    first factors    each has draws of its own: factors differ as those of two seeds do.
"""

import time
from typing import Final

import numpy as np
from pyspark.ml.recommendation import ALS as SparkALS  # noqa: N811 - a name of KRAFT's too
from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from kraft.artifacts import ALS
from kraft.columns import ITEM_INDEX, USER_INDEX
from kraft.engine import frames
from kraft.engine.process.progress import Progress
from kraft.engine.workspace.store import Store
from kraft.errors import InputError
from kraft.models.als.factors import Factors, FloatMatrix
from kraft.models.als.log_batches import POSITIVE_COUNT
from kraft.models.positives import LabelsError, naming_threshold
from kraft.settings import AlsSettings
from kraft.spark.errors import asked
from kraft.spark.frames import url_of
from kraft.spark.session import spark_session
from kraft.spark.tables import COUNTS
from kraft.stages.fit_als import AlsFitted, FitAls, publish
from kraft.stages.preset import als_settings

CHECKPOINT_SWEEPS: Final = 2
"""Sweeps after which Spark writes factors down: else each task carries all sweeps before it, and after some ten of them
its stack overflows; and what a lost worker held would be computed from the first."""
LEAST_RATING: Final = 1e-6
"""What makes a rating of no further confidence a positive one."""


def fit_als(arguments: FitAls) -> AlsFitted:
    """`kraft.stages.fit_als.fit_als` on Spark."""
    settings = arguments.settings
    chosen = als_settings(settings)
    if settings.als_solver != "auto":
        raise InputError(f"--als-solver {settings.als_solver} is one of the single machine's", "Spark has its own.")
    store, progress = Store(settings.work), Progress(settings.verbosity)
    session = spark_session(settings.master)
    user_ids, item_ids = (
        frames.read_parquet(store.table(f"{side}_index"))[f"{side}_id"].to_numpy() for side in ("user", "item")
    )
    counts = session.read.parquet(url_of(store.table(COUNTS)))
    with naming_threshold(store, settings), store.scratch() as folder:
        # Seen by the workers, as the tables are.
        session.sparkContext.setCheckpointDir(f"file://{folder}")
        progress.detail(f"  ALS: {chosen.iterations} sweeps on Spark")
        factors = asked("ALS on Spark failed", lambda: fit(counts, len(user_ids), len(item_ids), chosen))
        made = folder / ALS
        factors.save(made, user_ids, item_ids, chosen)
        return publish(made, factors.solver, factors.density, (len(user_ids), len(item_ids)), settings)


def fit(counts: DataFrame, n_users: int, n_items: int, settings: AlsSettings) -> Factors:
    """Fit the factors of a table of counts on the workers.

    Args:
        counts: one row a (user, item) pair: user_index, item_index, positive_count.
        n_users: users in all.
        n_items: items in all.
        settings: factors, regularization, iterations, seed.

    Raises:
        LabelsError: no pair is positive.
    """
    started = time.monotonic()
    positive = counts.where(sf.col(POSITIVE_COUNT) > 0).select(
        USER_INDEX, ITEM_INDEX, (sf.col(POSITIVE_COUNT) - 1 + sf.lit(LEAST_RATING)).cast("float").alias("rating")
    )
    pairs = positive.count()
    if not pairs:
        found = counts.count()
        raise LabelsError(f"none of {found:,} user-item pairs is positive", found, 0)
    als = SparkALS(
        rank=settings.factors,
        maxIter=settings.iterations,
        regParam=settings.regularization / mean_length(pairs, n_users, n_items),
        implicitPrefs=True,
        alpha=1.0,
        seed=settings.seed,
        userCol=USER_INDEX,
        itemCol=ITEM_INDEX,
        ratingCol="rating",
        checkpointInterval=CHECKPOINT_SWEEPS,
    ).setNumBlocks(counts.sparkSession.sparkContext.defaultParallelism)
    model = als.fit(positive)
    user = matrix_of(model.userFactors, n_users, settings.factors)
    item = matrix_of(model.itemFactors, n_items, settings.factors)
    return Factors(user, item, "spark", pairs / (n_users * n_items), 0.0, time.monotonic() - started)


def mean_length(pairs: int, n_users: int, n_items: int) -> float:
    """Ratings of a row, as the geometric mean of those of the mean user and of the mean item.

    >>> mean_length(800, 20, 80)
    20.0
    """
    return float(pairs / np.sqrt(n_users * n_items))


def matrix_of(factors: DataFrame, n_rows: int, width: int) -> FloatMatrix:
    """Spark's factors (id, features) as a matrix; zeros for rows without a rating."""
    found = factors.toArrow()
    matrix = np.zeros((n_rows, width), dtype=np.float32)
    values = found["features"].combine_chunks().flatten().to_numpy()
    matrix[found["id"].to_numpy()] = values.reshape(-1, width)
    return matrix
