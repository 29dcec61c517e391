"""The stage that trains the ranker: JSON in, JSON out, in a process of its own.

Its memory is the tightest of all, so it imports neither Polars nor DuckDB (35 MiB).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from kraft import columns
from kraft.engine.budget import peak_bytes
from kraft.engine.progress import Progress
from kraft.engine.store import Store
from kraft.models import ranker
from kraft.models.factors import Factors
from kraft.models.recipes import ALS, RANKER, ranker_recipe
from kraft.settings import MIB, Settings


def train_ranker(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Train the ranker and publish it as the model `ranker`."""
    settings = Settings.model_validate(arguments["settings"])
    store, progress = Store(settings.work), Progress(settings.verbosity)
    factors = Factors.load(store.model(ALS))
    trained = ranker.train(
        store.table("ranker_train"),
        factors.user,
        factors.item,
        settings.ranker,
        threads=settings.threads,
        progress=progress,
        category_codes=category_codes(store.table("user_features")),
    )
    record = trained.record
    with store.scratch() as folder:
        made = folder / RANKER
        made.mkdir()
        trained.save(made)
        facts = {"validation_auc": record.validation_auc, "peak_mib": round(peak_bytes() / MIB)}
        store.publish(RANKER, made, ranker_recipe(store, settings), facts)
    return record.model_dump(mode="json", exclude={"feature_names", "category_codes"}) | facts


def category_codes(user_features: Path) -> dict[str, list[str]]:
    """The values of each categorical feature in the order of their codes; code 0 is what is missing, ''."""
    codes: dict[str, list[str]] = {}
    for name in columns.CATEGORICAL_FEATURES:
        users = pq.read_table(user_features, columns=[name, f"{name}_code"])
        known = dict(zip(users[f"{name}_code"].to_pylist(), pc.cast(users[name], "string").to_pylist(), strict=True))
        codes[name] = ["", *(value for code, value in sorted(known.items()) if code)]
    return codes
