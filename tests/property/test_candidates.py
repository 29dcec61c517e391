"""What holds of candidates whatever the catalogue, the users and their history are."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from kraft.models.als.factors import Factors
from kraft.models.candidates.blocks import Tables, all_items, candidates
from kraft.models.candidates.catalogue import Catalogue
from kraft.models.candidates.sources import Als, Categories, Similar, new, popular
from kraft.models.candidates.top import best
from kraft.models.candidates.user_rows import UserRows

laws = settings(max_examples=examples(40), deadline=None)


class World:
    """A catalogue, users and what they met, all drawn from a seed; few levels, so that ties abound."""

    def __init__(self, seed, n_users, n_videos):
        self.random = random = np.random.default_rng(seed)
        self.n_users, self.n_videos = n_users, n_videos
        warm = random.random(n_videos) < random.random()
        rates = random.integers(1, 4, n_videos) / 4
        self.catalogue = Catalogue(
            item_id=np.sort(random.permutation(3 * n_videos)[:n_videos]).astype(np.int32),
            video_index=np.arange(n_videos, dtype=np.int32),
            item_index=np.where(warm, np.cumsum(warm) - 1, -1).astype(np.int32),
            rate=np.where(warm, rates, np.nan),
            expected_rate=random.integers(1, 4, n_videos) / 4,
            interactions=random.integers(0, 3, n_videos).astype(np.int32),
            upload_days=np.where(random.random(n_videos) < 0.5, 1.0, np.nan),
            log_duration=random.random(n_videos),
            categories=random.integers(-1, 4, (n_videos, 4)),
        )
        self.n_items = int(warm.sum())
        level = random.integers(-2, 3, (n_users + self.n_items, 3)).astype(np.float32)
        factors = Factors(level[:n_users], level[n_users:], "dense", 1.0, 0.0, 0.0)
        self.sources = {
            "als": Als(factors, self.catalogue),
            "popular": popular(self.catalogue),
            "categories": Categories(self.catalogue),
            "similar": Similar(factors, self.catalogue),
            "new": new(self.catalogue),
        }
        met = [np.flatnonzero(random.random(self.n_items) < random.random()) for _ in range(n_users)]
        self.seen = {(user, item) for user, items in enumerate(met) for item in items.tolist()}
        self.index = np.arange(n_users, dtype=np.int32)
        self.ids = self.index * 2

    def lists(self, n, *, seen=True, users=None, threads=1):
        """The rows of each user by rank, as (item_id, sources)."""
        users = self.index if users is None else np.array(users, dtype=np.int32)
        ids = np.where(users >= 0, users * 2, np.arange(len(users)) * 2 + 1).astype(np.int32)
        order = np.argsort(ids)
        asked = (ids[order], users[order])
        with TemporaryDirectory() as folder:
            tables = self._tables(Path(folder), seen=seen)
            if n is None:
                made = list(all_items(self.catalogue, tables, asked, threads=threads))
            else:
                made = list(candidates(self.catalogue, self.sources, tables, asked, n, ranks=False, threads=threads))
            for table in tables:
                if table:
                    table.__exit__()
        table = pa.concat_tables([block.table for block in made])
        assert table["user_id"].to_pylist() == sorted(table["user_id"].to_pylist())
        lists = {user: [] for user in asked[0].tolist()}
        for row in sorted(table.to_pylist(), key=lambda row: (row["user_id"], row["rank"])):
            lists[row["user_id"]].append((row["item_id"], row["sources"]))
            assert row["rank"] == len(lists[row["user_id"]])
        return lists

    def _tables(self, folder, *, seen):
        pairs = np.array(sorted(self.seen), dtype=np.int32).reshape(-1, 2)
        users, items = pairs[:, 0].copy(), pairs[:, 1].copy()
        rank = np.arange(len(users), dtype=np.int32) % 3 + 1
        category, weight = items % 5, rank / 3
        columns = {"user_index": users, "item_index": items, "rank": rank, "category": category, "weight": weight}
        pq.write_table(pa.table(columns), folder / "users.parquet", row_group_size=7)
        # One row a user and category, as `user_categories` promises.
        first = np.unique(np.stack([users, category]), axis=1, return_index=True)[1]
        pq.write_table(pa.table(columns).take(pa.array(first)), folder / "tastes.parquet", row_group_size=7)
        return Tables(
            UserRows(folder / "users.parquet", ("item_index",)) if seen else None,
            UserRows(folder / "users.parquet", ("rank", "item_index")),
            UserRows(folder / "tastes.parquet", ("category", "weight")),
        )

    def allowed(self, user, *, seen=True):
        """item_ids that a user may get."""
        of_item = dict(enumerate(self.catalogue.item_id[self.catalogue.item_index >= 0].tolist()))
        excluded = {of_item[item] for own, item in self.seen if own == user} if seen else set()
        return set(self.catalogue.item_id.tolist()) - excluded


worlds = st.builds(World, st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 40))
numbers = st.integers(1, 50)


@laws
@given(worlds, numbers, st.booleans())
def test_everybody_gets_as_many_different_videos_as_are_left_and_none_that_was_seen(world, n, seen):
    for user_id, rows in world.lists(n, seen=seen).items():
        items = [item for item, _ in rows]
        allowed = world.allowed(user_id // 2, seen=seen)
        # Popular and new together hold the whole catalogue.
        assert len(items) == len(set(items)) == min(n, len(allowed))
        assert set(items) <= allowed
        assert all(sources > 0 for _, sources in rows)


@laws
@given(worlds, numbers)
def test_one_candidate_more_is_added_at_the_end(world, n):
    fewer, more = world.lists(n), world.lists(n + 1)
    for user in fewer:
        longer = [item for item, _ in more[user]]
        assert [item for item, _ in fewer[user]] == longer[:n]
        # More candidates, more sources that would have brought one.
        assert all(few & many == few for (_, few), (_, many) in zip(fewer[user], more[user], strict=False))


@laws
@given(worlds, numbers, st.randoms(use_true_random=False))
def test_a_user_gets_the_same_whoever_else_is_asked_for(world, n, random):
    whole = world.lists(n)
    some = sorted(random.sample(range(world.n_users), random.randint(1, world.n_users)))
    found = world.lists(n, users=[*some, -1, -1], threads=2)
    assert {user: found[user] for user in found if user % 2 == 0} == {2 * user: whole[2 * user] for user in some}
    strangers = [rows for user, rows in found.items() if user % 2]
    assert strangers[0] == strangers[1]
    assert {sources for _, sources in strangers[0]} <= {4, 32}


@laws
@given(worlds, st.booleans())
def test_everything_is_what_candidates_without_an_end_are(world, seen):
    every, most = world.lists(None, seen=seen), world.lists(world.n_videos, seen=seen)
    for user, rows in every.items():
        assert [item for item, _ in rows] == sorted(item for item, _ in most[user])
        assert set(rows) <= {(item, 0) for item, _ in rows}


@laws
@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 5_000), st.integers(1, 6_000), st.integers(1, 9))
def test_the_best_are_those_of_a_plain_sort(seed, rows, columns, n, levels):
    random = np.random.default_rng(seed)
    scores = random.integers(-levels, levels, (rows, columns)).astype(np.float32) / 3
    if levels > 5:
        scores *= random.random(scores.shape, dtype=np.float32)
    scores[random.random(scores.shape) < random.random()] = -np.inf
    order = np.lexsort((np.broadcast_to(np.arange(columns), scores.shape), -scores))
    expected = np.where(np.take_along_axis(scores, order, axis=1) > -np.inf, order, -1)[:, :n]
    found = best(scores, n)
    assert (found[:, : expected.shape[1]] == expected).all()
    assert (found[:, expected.shape[1] :] == -1).all()
