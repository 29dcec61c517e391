"""The least that the stages of a preset have to do, each at the rate that this machine reaches at nothing else."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from kraft.benchmark.setup import CHUNK
from kraft.benchmark.walk import BUILD, FACTORS, SCORING, TRAINING
from kraft.data.contracts import resolve
from kraft.engine.budget import Budget
from kraft.engine.session import open_session
from kraft.engine.store import Store
from kraft.models import dense_als, ranker
from kraft.models.recipes import ALS, RANKER, named
from kraft.models.trees import lightgbm
from kraft.settings import Settings

SAMPLE_ROWS, SAMPLE_FEATURES, SAMPLE_ROUNDS = 1_000_000, 32, 20
"""Of the matrix that LightGBM's rates are measured on: larger than any cache, and small enough for a minute."""
PRODUCTS_A_SWEEP = 2 * (1 + dense_als.CG_STEPS) * 2
"""Matrix products of users, videos and factors: two a pass, a pass for the residual and for each step, either side."""


class Floor(NamedTuple):
    """The least that a stage has to do."""

    stage: str
    what: str
    amount: float
    rate: float
    """Of the same unit, a second."""

    @property
    def seconds(self) -> float:
        return self.amount / self.rate


def measured(settings: Settings) -> list[Floor]:
    """The floors of the stages that `settings` have been through, of tables and models as they lie there."""
    return [*_build_floors(settings), _als_floor(settings), *_tree_floors(settings)]


def _build_floors(settings: Settings) -> list[Floor]:
    assert settings.raw is not None  # noqa: S101 - given by `run`
    log = resolve(settings.raw, settings.matrix)[0]["raw_interactions"]
    size = log.path.stat().st_size
    with open_session(Budget(settings.memory_limit), settings.threads, settings.work / "tmp", [log.path]) as connection:
        log.register(connection, "raw_interactions")
        # Adding up each column forces each cast, and keeps nothing.
        added = ", ".join(f"sum({column})" for column in log.columns)
        parse = _best(lambda: connection.execute(f"select {added} from raw_interactions").fetchall())  # noqa: S608 - the contract's names
    return [
        Floor(BUILD, "bytes of the log, parsed", size, size / parse),
        Floor(BUILD, "bytes of the log, from the disk", size, size / _seconds_from_disk(log.path)),
    ]


def _seconds_from_disk(path: Path) -> float:
    """Of one pass over a file that the system does not hold in memory, where it can be asked to let go of it."""
    with path.open("rb", buffering=0) as file:
        if hasattr(os, "posix_fadvise"):
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        started = time.monotonic()
        while file.read(CHUNK):
            pass
        return time.monotonic() - started


def _als_floor(settings: Settings) -> Floor:
    model = Store(settings.work).trusted(named(ALS, settings))
    users, items = (np.load(model / f"{side}_factors.npy", mmap_mode="r").shape for side in ("user", "item"))
    factors = users[1]
    work = settings.als.iterations * PRODUCTS_A_SWEEP * 2 * users[0] * items[0] * factors
    block = np.ones((dense_als.BLOCK_ROWS, factors), dtype=np.float32)
    tile = np.ones((factors, dense_als.TILE_COLUMNS), dtype=np.float32)
    times = 500

    def multiply(_: int) -> None:
        product = np.empty((len(block), tile.shape[1]), dtype=np.float32)
        for _ in range(times):
            np.matmul(block, tile, out=product)

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(settings.threads) as pool:
        seconds = _best(lambda: list(pool.map(multiply, range(settings.threads))))
    done = settings.threads * times * 2 * len(block) * factors * tile.shape[1]
    return Floor(FACTORS, "operations of the dense steps' products", work, done / seconds)


def _tree_floors(settings: Settings) -> list[Floor]:
    store = Store(settings.work)
    trained = ranker.load(store.trusted(named(RANKER, settings)))
    trees = [tree["tree_structure"] for tree in trained.booster.dump_model()["tree_info"]]
    entered, passed, learned = (sum(counts) for counts in zip(*map(_counts, trees), strict=True))
    features = len(trained.record.feature_names) * settings.ranker.feature_fraction
    # The model ends at its best round; those after it cost as much.
    rounds = trained.record.rounds_run / len(trees)
    pairs = store.manifest()["sample_submission"]["rows"]
    updates, nodes = _tree_rates(settings)
    return [
        Floor(TRAINING, "rows that enter a histogram x features", entered * features * rounds, updates),
        Floor(SCORING, "nodes that the test pairs pass", pairs * passed / (learned / len(trees)), nodes),
    ]


def _counts(node: dict[str, Any]) -> tuple[int, int, int]:
    """Of one tree: rows that enter a histogram, nodes that rows pass, and rows.

    The root's rows enter one, and of each split those of its smaller side: the larger one's is the difference.

    >>> leaf = {"leaf_count": 3}
    >>> _counts({"internal_count": 4, "left_child": leaf, "right_child": {"leaf_count": 1}})
    (5, 4, 4)
    """

    def below(node: dict[str, Any]) -> tuple[int, int]:
        if "internal_count" not in node:
            return 0, 0
        sides = (node["left_child"], node["right_child"])
        entered, passed = (sum(parts) for parts in zip(*map(below, sides), strict=True))
        return entered + min(map(_rows, sides)), passed + _rows(node)

    entered, passed = below(node)
    return _rows(node) + entered, passed, _rows(node)


def _rows(node: dict[str, Any]) -> int:
    count = node.get("internal_count", node.get("leaf_count", 0))
    return int(count)


def _tree_rates(settings: Settings) -> tuple[float, float]:
    """Histogram updates and nodes passed a second, on random numbers in memory."""
    random = np.random.default_rng(0)
    matrix = random.random((SAMPLE_ROWS, SAMPLE_FEATURES), dtype=np.float32)
    labels = (matrix[:, 0] + random.random(SAMPLE_ROWS) > 1).astype(np.float32)
    asked = ranker.lightgbm_parameters(settings.ranker, settings.threads) | {"feature_fraction": 1.0}
    data = lightgbm.Dataset(matrix, labels, params=asked).construct()
    # Trees of one split: the root's histogram is all that they need.
    stump = asked | {"num_leaves": 2}
    seconds = _best(lambda: lightgbm.train(stump, data, num_boost_round=SAMPLE_ROUNDS))
    updates = SAMPLE_ROWS * SAMPLE_FEATURES * SAMPLE_ROUNDS / seconds
    booster = lightgbm.train(asked, data, num_boost_round=SAMPLE_ROUNDS)
    passed = sum(_counts(tree["tree_structure"])[1] for tree in booster.dump_model()["tree_info"])
    seconds = _best(lambda: booster.predict(matrix, num_threads=settings.threads))
    return updates, passed / seconds


def _best(work: Callable[[], object], times: int = 3) -> float:
    """Seconds of the fastest of some runs: a floor is not the machine's fault."""
    seconds = []
    for _ in range(times):
        started = time.monotonic()
        work()
        seconds.append(time.monotonic() - started)
    return min(seconds)
