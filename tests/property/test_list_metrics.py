"""The metrics of `sql/recommendations`: against trec_eval, and against the definitions in plain Python."""

from dataclasses import dataclass
from itertools import combinations
from math import log2
from random import Random

import duckdb
import pytest
import pytrec_eval
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from sql_schemas import SOURCES, create_empty, schema_of

from kraft.engine.sql.queries import all_queries

pytestmark = pytest.mark.slow

ITEMS = 14
"""Videos of the catalogue; those beyond the first `WARM` are in no train pair."""
WARM = 10
CUTOFFS = [1, 3, 8]
SHARES = {"watch_time": 0.3, "als": 0.2, "popular": 0.15, "categories": 0.1, "similar": 0.1, "new": 0.15}

laws = settings(deadline=None, max_examples=examples(15))


@dataclass
class World:
    """Lists and the truth that they are held against."""

    lists: dict[int, list[int]]
    """User -> videos, best first; a user without any is in no row."""
    positives: list[tuple[int, int]]
    train: list[tuple[int, int]]
    categories: list[list[int]]
    """Of each video of the catalogue."""
    top: int
    exclude_seen: bool

    @property
    def truth(self):
        """User -> videos that count."""
        wanted = {}
        for user, item in self.positives:
            if not (self.exclude_seen and (user, item) in set(self.train)):
                wanted.setdefault(user, set()).add(item)
        return wanted

    @property
    def cut(self):
        """The lists that count, of the users who have one."""
        return {user: items[: self.top] for user, items in self.lists.items() if items}


users, items, warm_items = st.integers(0, 3), st.integers(0, ITEMS - 1), st.integers(0, WARM - 1)


@st.composite
def liked(draw):
    """Pairs of users and videos; most users like more than a list holds."""
    found = draw(st.dictionaries(users, st.sets(items, min_size=1), min_size=1))
    return [(user, item) for user, own in found.items() for item in own]


@st.composite
def worlds(draw):
    return World(
        lists=draw(st.dictionaries(users, st.lists(items, max_size=9, unique=True), min_size=2)),
        positives=draw(liked()),
        train=draw(st.lists(st.tuples(users, warm_items), max_size=30)),
        categories=[sorted(draw(st.sets(st.integers(0, 6), max_size=4))) for _ in range(ITEMS)],
        top=draw(st.integers(1, 6)),
        exclude_seen=draw(st.booleans()),
    )


def run(tables, names, threads=2, **parameters):
    """The files ``names`` one after the other over ``tables`` (name -> columns, rows); the rows of each as records."""
    found = {}
    with duckdb.connect(config={"threads": threads, "preserve_insertion_order": False}) as connection:
        for table, (columns, rows) in tables.items():
            create_empty(connection, table)
            spread = ", ".join(f"unnest(${column}::{schema_of(table)[column]}[])" for column in columns)
            given = {column: [row[place] for row in rows] for place, column in enumerate(columns)}
            connection.execute(f"insert into {table} ({', '.join(columns)}) select {spread}", given)
        for name in names:
            query = all_queries()[name]
            given = {key: parameters[key] for key in query.parameters}
            connection.execute(f"create table {name} as {query.text}", given)
            result = connection.execute(f"from {name}")
            columns = [column[0] for column in result.description]
            found[name] = [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
    return found


LIST_FILES = (
    "ground_truth",
    "list_violations",
    "list_metrics",
    "user_lists",
    "list_summary",
    "video_exposure",
    "exposure_metrics",
)


def measure(world, threads=2, shuffle=None):
    rows = {
        "recommendations": [
            (user, rank, item) for user, items in world.lists.items() for rank, item in enumerate(items, 1)
        ],
        "test_positives": list(world.positives),
        "interactions_train": list(world.train),
        "catalogue": [(item, *own, *[None] * (4 - len(own))) for item, own in enumerate(world.categories)],
    }
    if shuffle is not None:
        for listed in rows.values():
            Random(shuffle).shuffle(listed)
    pair = ("user_id", "item_id")
    columns = {
        "recommendations": ("user_id", "rank", "item_id"),
        "test_positives": pair,
        "interactions_train": pair,
        "catalogue": ("item_id", "category_1", "category_2", "category_3", "category_4"),
    }
    tables = {name: (columns[name], listed) for name, listed in rows.items()}
    return run(tables, LIST_FILES, threads, top=world.top, exclude_seen=world.exclude_seen)


# --- lists ------------------------------------------------------------------------------------


@laws
@given(worlds())
def test_metrics_of_lists_are_those_of_trec_eval(world):
    truth = {f"u{user}": {f"i{item}": 1 for item in items} for user, items in world.truth.items()}
    lists = {
        f"u{user}": {f"i{item}": -float(rank) for rank, item in enumerate(items)} for user, items in world.cut.items()
    }
    measures = {
        "precision": "P",
        "recall": "recall",
        "ndcg": "ndcg_cut",
        "average_precision": "map_cut",
        "hit_rate": "success",
    }
    asked = {f"{measure}.{world.top}" for measure in measures.values()} | {"recip_rank"}
    names = {metric: f"{measure}_{world.top}" for metric, measure in measures.items()}
    names["reciprocal_rank"] = "recip_rank"
    evaluator = pytrec_eval.RelevanceEvaluator(truth, asked)
    expected = evaluator.evaluate(lists)
    found = {row["user_id"]: row for row in measure(world)["list_metrics"]}
    assert found.keys() == world.truth.keys()
    for user, row in found.items():
        # trec_eval passes over a user without a list.
        theirs = expected.get(f"u{user}", dict.fromkeys(names.values(), 0.0))
        assert {metric: row[metric] for metric in names} == pytest.approx(
            {metric: theirs[name] for metric, name in names.items()}, abs=1e-9
        )


@laws
@given(worlds())
def test_coverage_novelty_and_gini_are_those_of_their_definitions(world):
    found = measure(world)["exposure_metrics"][0]
    shown = [sum(item in items for items in world.cut.values()) for item in range(ITEMS)]
    assert (found["videos"], found["shown"]) == (ITEMS, sum(count > 0 for count in shown))
    assert found["coverage"] == pytest.approx(found["shown"] / ITEMS, abs=1e-9)
    if not any(shown):
        assert (found["novelty"], found["gini"]) == (None, None)
        return
    # Half the mean difference of two videos' exposure, by the mean exposure.
    differences = sum(abs(one - other) for one in shown for other in shown) / (ITEMS * (ITEMS - 1))
    assert found["gini"] == pytest.approx(differences / 2 / (sum(shown) / ITEMS), abs=1e-9)
    people = max(len({user for user, _ in world.train}), 1)
    surprise = [
        -log2(max(len({user for user, met in world.train if met == item}), 1) / people)
        for items in world.cut.values()
        for item in items
    ]
    assert found["novelty"] == pytest.approx(sum(surprise) / len(surprise), abs=1e-9)


@laws
@given(worlds())
def test_diversity_and_the_counts_of_lists_are_those_of_their_definitions(world):
    measured = measure(world)
    assert set(measured["list_violations"][0].values()) == {0}
    diversities = {}
    for user, items in world.cut.items():
        sets = [set(world.categories[item]) for item in items]
        likenesses = [len(a & b) / len(a | b) if a | b else 0.0 for a, b in combinations(sets, 2)]
        diversities[user] = 1 - sum(likenesses) / len(likenesses) if likenesses else None
    found = {row["user_id"]: row["diversity"] for row in measured["user_lists"]}
    assert found == pytest.approx(diversities, abs=1e-9)
    known = [diversity for diversity in diversities.values() if diversity is not None]
    assert measured["list_summary"] == [
        {
            "users": len(world.cut),
            "rows": sum(map(len, world.cut.values())),
            "short_lists": sum(len(items) < world.top for items in world.cut.values()),
            "without_list": len(world.truth.keys() - world.cut.keys()),
            "diversity": pytest.approx(sum(known) / len(known), abs=1e-9) if known else None,
        }
    ]


@laws
@given(worlds(), st.integers(0, 99))
def test_the_order_of_rows_leaves_every_bit_alone(world, seed):
    assert measure(world, threads=1, shuffle=seed) == measure(world)


def test_threads_and_the_order_of_many_rows_leave_every_bit_alone():
    # Past 122,880 rows (one row group) DuckDB really shares the work out.
    random = Random(4)
    lists = {user: random.sample(range(ITEMS), 12) for user in range(11_000)}
    world = World(
        lists=lists,
        positives=[(user, item) for user in lists for item in random.sample(range(ITEMS), 3)],
        train=[(user, item) for user in range(0, 11_000, 7) for item in random.sample(range(WARM), 4)],
        categories=[sorted(random.sample(range(6), item % 5)) for item in range(ITEMS)],
        top=10,
        exclude_seen=True,
    )
    assert measure(world, threads=1, shuffle=5) == measure(world)


def test_sums_over_many_videos_and_users_depend_neither_on_threads_nor_on_their_order():
    random = Random(5)
    # Past 122,880 rows (one row group) DuckDB really shares the work out.
    videos = [(item, random.randint(1, 9), random.randint(1, 500)) for item in range(300_000)]
    lists = [(user, 10, random.random()) for user in range(300_000)]
    found = []
    for threads, step in ((1, 1), (2, -1)):
        tables = {
            "interactions_train": (("user_id", "item_id"), [(user, 0) for user in range(500)]),
            "video_exposure": (("item_id", "shown", "met_by"), videos[::step]),
            "ground_truth": (("user_id", "item_id"), []),
            "user_lists": (("user_id", "videos", "diversity"), lists[::step]),
        }
        found.append(run(tables, ("exposure_metrics", "list_summary"), threads, top=10))
    assert found[0] == found[1]


# --- candidates -------------------------------------------------------------------------------


@st.composite
def retrieves(draw):
    """User -> source -> videos, best first; and the positives."""
    lists = st.lists(items, max_size=10, unique=True)
    retrieved = draw(st.dictionaries(users, st.fixed_dictionaries(dict.fromkeys(SOURCES, lists)), min_size=1))
    return retrieved, draw(liked())


def union(lists, shares):
    """The videos of the lists by the least rank / share, ties to the lower id."""
    priorities = {}
    for source, share in shares.items():
        for rank, item in enumerate(lists[source], 1):
            priorities[item] = min(priorities.get(item, float("inf")), rank / share)
    return sorted(priorities, key=lambda item: (priorities[item], item))


def candidate_rows(retrieved, shares):
    for user, lists in retrieved.items():
        for place, item in enumerate(union(lists, shares), 1):
            ranks = [
                lists[source].index(item) + 1 if source in shares and item in lists[source] else None
                for source in SOURCES
            ]
            yield (user, item, place, *ranks)


def recalls(retrieved, positives, shares, order=None, threads=2):
    rows = list(candidate_rows(retrieved, shares))
    if order is not None:
        Random(order).shuffle(rows)
    tables = {
        "candidates": (("user_id", "item_id", "rank", *(f"rank_{source}" for source in SOURCES)), rows),
        "source_shares": (("source", "share"), list(shares.items())),
        "ground_truth": (("user_id", "item_id"), positives),
    }
    found = run(tables, ("candidate_violations", "candidate_ranks", "candidate_recalls"), threads, cutoffs=CUTOFFS)
    assert found["candidate_violations"] == [{"partial": 0}]
    return found["candidate_recalls"]


@laws
@given(retrieves(), st.sets(st.sampled_from(SOURCES), min_size=1))
def test_recall_of_candidates_is_that_of_unions_made_in_plain_python(made, sources):
    retrieved, positives = made
    shares = {source: SHARES[source] for source in SOURCES if source in sources}
    wanted = {}
    for user, item in positives:
        wanted.setdefault(user, set()).add(item)
    nothing = dict.fromkeys(SOURCES, ())

    def recall(choose, cutoff):
        shares = [
            len(own & set(choose(retrieved.get(user, nothing))[:cutoff])) / len(own) for user, own in wanted.items()
        ]
        return sum(shares) / len(shares)

    expected = {}
    for cutoff in CUTOFFS:
        whole = recall(lambda lists: union(lists, shares), cutoff)
        expected[cutoff, "union"] = (whole, None)
        for source in shares:
            others = {name: share for name, share in shares.items() if name != source}
            without = recall(lambda lists, others=others: union(lists, others), cutoff)
            alone = recall(lambda lists, source=source: lists[source], cutoff)
            expected[cutoff, source] = (alone, pytest.approx(whole - without, abs=1e-9))
    found = {
        (row["cutoff"], row["source"]): (row["recall"], row["added"]) for row in recalls(retrieved, positives, shares)
    }
    assert found.keys() == expected.keys()
    for cell, (recall_of_it, added) in found.items():
        assert recall_of_it == pytest.approx(expected[cell][0], abs=1e-9)
        assert added == expected[cell][1]


@laws
@given(retrieves(), st.integers(0, 99))
def test_the_order_of_candidates_leaves_every_bit_alone(made, seed):
    assert recalls(*made, SHARES, order=seed, threads=1) == recalls(*made, SHARES)
