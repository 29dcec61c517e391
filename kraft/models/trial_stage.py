"""The stages that try the preset kraft's models another way: nothing is published."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from kraft.engine.budget import Budget
from kraft.engine.builder import Builder
from kraft.engine.progress import QUIET, Progress
from kraft.engine.session import open_session
from kraft.engine.sources import Parquet, Source
from kraft.engine.store import Store
from kraft.models import als, ranker, scoring
from kraft.models.preset_rows import open_rows
from kraft.models.ranker_stage import draw_rows, label_rows, sample_of
from kraft.models.recipes import fit_store
from kraft.settings import PRESETS, RankerSettings, Settings

PAIRS_AT_A_TIME = 131_072


def run_trial(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Train the ranker with some settings changed, and score the test pairs with it.

    Args:
        arguments: `settings`, of the preset kraft and with everything built; `changed`, settings of the ranker by name;
            `without`, groups of features to leave out; `out`, Parquet file for the scores.

    Returns:
        `best_iteration`, `rounds_run`, `validation_auc`, `train_rows`, `train_seconds`, `dataset_seconds`.
    """
    settings = Settings.model_validate(arguments["settings"]).model_copy(update={"without": arguments["without"]})
    chosen = RankerSettings.model_validate(PRESETS[settings.preset].ranker.model_dump() | arguments["changed"])
    store, quiet = Store(settings.work), Progress(QUIET)
    rows = label_rows(store, settings)
    trained = ranker.train(
        rows,
        lambda labels: draw_rows(rows, labels, chosen),
        chosen,
        threads=settings.threads,
        progress=quiet,
        category_codes={},
        **sample_of(store, settings, rows),
    )
    with open_rows(store.table("pair_features"), store, settings) as pairs:
        scoring.score(pairs, trained, Path(arguments["out"]), threads=settings.threads, progress=quiet)
    told = {"best_iteration", "rounds_run", "validation_auc", "train_rows", "train_seconds", "dataset_seconds"}
    return trained.record.model_dump(mode="json", include=told)


def try_als(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Fit ALS factors of the history with each of some settings, and see how well they order the pairs that followed.

    Args:
        arguments: `settings`, of the preset kraft and with everything built; `trials`, name -> `AlsSettings` to change.

    Returns:
        `trials`: name -> `auc`, over the label pairs of watched videos, and `seconds` of the fit.
    """
    settings = Settings.model_validate(arguments["settings"])
    fit = fit_store(Store(settings.work))
    known: dict[str, Source] = {name: Parquet(fit.table(name)) for name in ("interactions_train", "user_index")}
    found: dict[str, dict[str, float]] = {}
    with fit.scratch() as folder:
        with open_session(Budget(settings.memory_limit), settings.threads, fit.tmp) as connection:
            own = Store(folder / "counts")
            builder = Builder(connection, own, known, {}, Progress(QUIET), threads=settings.threads)
            by_user, by_item = builder.ensure("user_item_counts"), builder.ensure("item_user_counts")
            items = pl.read_parquet(builder.ensure("item_index"))
        users = pl.read_parquet(fit.table("user_index"))
        labels = pl.read_parquet(fit.table("interactions_test"), columns=["user_id", "item_id", "positive_interaction"])
        pairs = labels.join(users, on="user_id").join(items, on="item_id")
        for number, (name, changed) in enumerate(arguments["trials"].items()):
            started = time.monotonic()
            scratch = folder / f"pages-{number}"
            scratch.mkdir()
            factors = als.fit(
                lambda: by_user,
                lambda: by_item,
                len(users),
                len(items),
                settings.als.model_copy(update=changed),
                scratch=scratch,
                threads=settings.threads,
                progress=Progress(QUIET),
                solver=settings.als_solver,
            )
            seconds = time.monotonic() - started
            scores = np.empty(len(pairs), dtype=np.float32)
            for first in range(0, len(pairs), PAIRS_AT_A_TIME):
                part = pairs[first : first + PAIRS_AT_A_TIME]
                left, right = factors.user[part["user_index"]], factors.item[part["item_index"]]
                scores[first : first + len(part)] = np.einsum("ij,ij->i", left, right)
            auc = float(roc_auc_score(pairs["positive_interaction"].to_numpy(), scores))
            found[name] = {"auc": auc, "seconds": round(seconds, 2)}
            shutil.rmtree(scratch)
    return {"pairs": len(pairs), "trials": found}
