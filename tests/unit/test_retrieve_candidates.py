import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kraft.engine.workspace.store import Fingerprint, Store
from kraft.errors import InputError
from kraft.models.als.factors import Factors
from kraft.models.candidates import BITS, SHARES, retrieval
from kraft.models.watch_time.model import WatchTimeModel
from kraft.settings import Settings
from kraft.stages.preset import PRESETS
from kraft.stages.retrieve_candidates import RetrieveCandidates, retrieve_candidates

N_USERS, N_ITEMS, N_VIDEOS = 40, 90, 120
USER_IDS = np.arange(N_USERS) * 3 + 1
ITEM_IDS = np.arange(N_VIDEOS) * 10 + 5
"""Of the videos, the first 90 are in train."""


def write(path, **columns):
    arrays = {name: pa.array(values, kind) for name, (values, kind) in columns.items()}
    pq.write_table(pa.table(arrays), path, row_group_size=50)


def seen_items(random):
    """What each user met; user 0 all but five videos of train, user 1 nothing."""
    seen = [np.sort(random.permutation(N_ITEMS)[: random.integers(1, 40)]) for _ in range(N_USERS)]
    seen[0], seen[1] = np.arange(N_ITEMS - 5), np.arange(0)
    return seen


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A work folder with the tables and models that candidates are made of."""
    folder = tmp_path_factory.mktemp("candidates") / "work"
    (folder / "draft").mkdir(parents=True)
    random = np.random.default_rng(11)
    warm = np.arange(N_VIDEOS) < N_ITEMS
    seen = seen_items(random)
    users = np.repeat(np.arange(N_USERS), [len(items) for items in seen])
    recent = [random.permutation(items)[:5] for items in seen]
    recent_users = np.repeat(np.arange(N_USERS), [len(items) for items in recent])
    categories = random.integers(0, 8, (N_VIDEOS, 4))

    def optional(values, known):
        return [value if there else None for value, there in zip(values.tolist(), known.tolist(), strict=True)]

    tables = {
        "catalogue": {
            "item_id": (ITEM_IDS, pa.int32()),
            "video_index": (np.arange(N_VIDEOS), pa.int32()),
            "item_index": (optional(np.arange(N_VIDEOS), warm), pa.int32()),
            "rate": (optional(random.random(N_VIDEOS), warm), pa.float64()),
            "expected_rate": (random.random(N_VIDEOS), pa.float64()),
            "interactions": (np.where(warm, random.integers(1, 50, N_VIDEOS), 0), pa.int32()),
            "upload_days": (optional(random.random(N_VIDEOS), random.random(N_VIDEOS) < 0.8), pa.float32()),
            "log_duration": (optional(random.random(N_VIDEOS), random.random(N_VIDEOS) < 0.9), pa.float32()),
            "author_id": (random.integers(0, 9, N_VIDEOS), pa.int64()),
        }
        | {
            f"category_{place + 1}": (optional(categories[:, place], random.random(N_VIDEOS) < 0.5), pa.int32())
            for place in range(4)
        },
        "user_index": {"user_id": (USER_IDS, pa.int32()), "user_index": (np.arange(N_USERS), pa.int32())},
        "user_item_counts": {
            "user_index": (users, pa.int32()),
            "item_index": (np.concatenate(seen), pa.int32()),
            "positive_count": (np.ones(len(users)), pa.int32()),
        },
        "recent_positives": {
            "user_index": (recent_users, pa.int32()),
            "rank": (np.concatenate([np.arange(len(items)) + 1 for items in recent]), pa.int32()),
            "item_index": (np.concatenate(recent), pa.int32()),
        },
        "user_categories": {
            "user_index": (np.repeat(np.arange(N_USERS), 2), pa.int32()),
            "category": (np.tile([2, 5], N_USERS), pa.int32()),
            "weight": (np.full(2 * N_USERS, 0.5), pa.float64()),
        },
    }
    for name, columns in tables.items():
        write(folder / "draft" / f"{name}.parquet", **columns)

    def some(*shape):
        return random.standard_normal(shape).astype(np.float32)

    store = Store(folder)
    model = WatchTimeModel(
        some(N_USERS, 4), some(N_USERS, 4) ** 2, some(N_VIDEOS, 4), some(N_VIDEOS, 4) ** 2, mean=1.0, noise=0.3
    )
    with store.scratch() as drafts:
        for preset in PRESETS:
            als = PRESETS[preset].als
            made = Factors(some(N_USERS, als.factors), some(N_ITEMS, als.factors), "dense", 1.0, 0.0, 0.0)
            made.save(drafts / f"als_{preset}", USER_IDS, ITEM_IDS[:N_ITEMS], als)
        (drafts / "watch_time").mkdir()
        model.save(drafts / "watch_time")
        for made_folder in sorted(drafts.iterdir()):
            store.publish(made_folder.name, made_folder, Fingerprint({}, {}, code="1"), {})
    return folder


def asked_for(settings, out, **changed):
    usual = {
        "users": None,
        "items": None,
        "cold_users": "error",
        "exclude_seen": True,
        "candidates": 20,
        "ranks": False,
    }
    return RetrieveCandidates(settings=settings, out=out, **usual | changed)


@pytest.fixture
def choose(work, tmp_path):
    """Runs the stage in this process: the facts, and the file as rows."""

    def run(**changed):
        settings = {"work": work, "quiet": True, "threads": changed.pop("threads", 2)}
        settings |= {"preset": changed.pop("preset", "kraft")}
        asked = asked_for(Settings(**settings), tmp_path / "candidates.parquet", **changed)
        return retrieve_candidates(asked).model_dump(), pq.read_table(asked.out)

    return run


def given(tmp_path, column, values):
    path = tmp_path / f"{column}s.csv"
    path.write_text("\n".join([column, *map(str, values)]) + "\n", encoding="utf-8")
    return path


def lists_of(table):
    """item_ids of each user, by place."""
    lists = {}
    for row in sorted(table.to_pylist(), key=lambda row: (row["user_id"], row["rank"])):
        lists.setdefault(row["user_id"], []).append(row["item_id"])
        assert len(lists[row["user_id"]]) == row["rank"]
    return lists


def seen_of(work):
    table = pq.read_table(work / "draft" / "user_item_counts.parquet").to_pylist()
    return {(USER_IDS[row["user_index"]], ITEM_IDS[row["item_index"]]) for row in table}


def test_every_user_gets_candidates_sorted_by_the_ids(choose, work):
    facts, table = choose()
    assert facts == {
        "users": 40,
        "cold_users": 0,
        "repeated_users": 0,
        "videos": 120,
        "pairs": 800,
        "short_users": 0,
    }
    assert table.schema == pa.schema([pa.field(name, pa.int32(), nullable=False) for name in table.column_names])
    assert table.column_names == ["user_id", "item_id", "rank", "sources"]
    pairs = list(zip(table["user_id"].to_pylist(), table["item_id"].to_pylist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert not set(pairs) & seen_of(work)
    assert {user: len(items) for user, items in lists_of(table).items()} == dict.fromkeys(USER_IDS.tolist(), 20)
    masks = table["sources"].to_numpy()
    assert ((masks > 0) & (masks < 64)).all()
    assert set(BITS.values()) == {bit for bit in BITS.values() if (masks & bit).any()}


def test_seen_videos_may_be_kept(choose, work):
    _, table = choose(exclude_seen=False)
    pairs = set(zip(table["user_id"].to_pylist(), table["item_id"].to_pylist(), strict=True))
    assert len(pairs & seen_of(work)) > 100


def test_all_is_every_video_that_is_left(choose, work):
    facts, table = choose(candidates=None, ranks=True)
    seen = seen_of(work)
    expected = {user: [item for item in ITEM_IDS.tolist() if (user, item) not in seen] for user in USER_IDS.tolist()}
    assert lists_of(table) == expected
    assert facts["pairs"] == 40 * 120 - len(seen) == len(table)
    assert facts["short_users"] == 0
    assert table["sources"].to_numpy().max() == 0
    assert table.column_names == ["user_id", "item_id", "rank", "sources"]
    assert choose(candidates=None, exclude_seen=False)[0]["pairs"] == 40 * 120


def test_who_has_seen_most_has_fewer(choose):
    facts, table = choose(candidates=60)
    # User 0 has five videos of train and 30 new ones left; 40 others at least 80.
    assert facts["short_users"] == 1
    assert len(lists_of(table)[1]) == 35
    assert facts["pairs"] == 39 * 60 + 35
    assert choose(candidates=1_000)[0]["short_users"] == 40


def test_ranks_say_where_each_source_has_a_video(choose):
    _, table = choose(ranks=True)
    assert table.column_names[4:] == [f"rank_{name}" for name in SHARES]
    for user in USER_IDS[:5]:
        own = [row for row in table.to_pylist() if row["user_id"] == user]
        priorities = []
        for row in own:
            steps = {name: 60 / share * row[f"rank_{name}"] for name, share in SHARES.items() if row[f"rank_{name}"]}
            priorities.append((min(steps.values()), row["item_id"], row["rank"], steps, row["sources"]))
        priorities.sort()
        assert [place for _, _, place, _, _ in priorities] == list(range(1, len(own) + 1))
        last = priorities[-1][0]
        for _, _, _, steps, mask in priorities:
            assert mask == sum(BITS[name] for name, step in steps.items() if step <= last)
        # The whole list of each source, as long as the candidates that were asked for.
        for name in SHARES:
            ranks = sorted(row[f"rank_{name}"] for row in own if row[f"rank_{name}"])
            assert ranks == list(range(1, len(ranks) + 1))
            assert len(ranks) <= 20
    places = ["user_id", "item_id", "rank"]
    first = [row for row in table.select(places).to_pylist() if row["rank"] <= 20]
    assert first == choose()[1].select(places).to_pylist()


def test_the_preset_documented_knows_no_watch_times(choose):
    _, table = choose(preset="documented", ranks=True)
    assert table["rank_watch_time"].null_count == len(table)
    assert not (table["sources"].to_numpy() & BITS["watch_time"]).any()


def test_threads_blocks_and_row_groups_change_nothing(choose, tmp_path, monkeypatch):
    out = tmp_path / "candidates.parquet"
    choose(threads=1)
    bytes_of_one = out.read_bytes()
    choose(threads=3)
    assert out.read_bytes() == bytes_of_one
    monkeypatch.setattr(retrieval, "ROW_GROUP", 300)
    _, table = choose()
    metadata = pq.read_metadata(out)
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [300, 300, 200]
    monkeypatch.undo()
    assert choose()[1] == table


def test_a_user_gets_the_same_whoever_else_is_asked_for(choose, tmp_path):
    whole = lists_of(choose()[1])
    for asked in ([4], [1, 70, 118], USER_IDS[::-2].tolist()):
        facts, table = choose(users=given(tmp_path, "user_id", asked))
        assert lists_of(table) == {user: whole[user] for user in asked}
        assert facts["users"] == len(asked)


def test_users_may_come_in_any_order_and_twice(choose, tmp_path):
    facts, table = choose(users=given(tmp_path, "user_id", [70, 4, 70, 1, 4, 70]))
    assert (facts["users"], facts["repeated_users"]) == (3, 3)
    assert list(lists_of(table)) == [1, 4, 70]
    write(tmp_path / "users.parquet", user_id=([1, 4, 70], pa.int64()), name=(["a", "b", "c"], pa.string()))
    assert choose(users=tmp_path / "users.parquet")[1] == table


def test_cold_users_get_popular_and_new_videos(choose, tmp_path):
    users = given(tmp_path, "user_id", [4, 0, 999, 2])
    facts, table = choose(users=users, cold_users="popular")
    assert (facts["users"], facts["cold_users"], facts["short_users"]) == (4, 3, 0)
    lists = lists_of(table)
    assert lists[0] == lists[2] == lists[999] != lists[4]
    assert lists[4] == lists_of(choose()[1])[4]
    _, ranked = choose(users=users, cold_users="popular", ranks=True)
    cold = [row for row in ranked.to_pylist() if row["user_id"] == 0]
    assert {row["sources"] for row in cold} == {BITS["popular"], BITS["new"]}
    for name in ("watch_time", "als", "categories", "similar"):
        assert {row[f"rank_{name}"] for row in cold} == {None}
    assert choose(users=users, cold_users="popular", candidates=None)[0]["pairs"] > 3 * 120


def test_unknown_users_are_an_error(choose, tmp_path):
    path = given(tmp_path, "user_id", [4, 999, 2, 998])
    with pytest.raises(InputError) as caught:
        choose(users=path)
    assert str(caught.value) == (
        f"{path}: 3 of 4 users (the first: user_id 2) are not in the train period\n"
        "       Leave such users out, or give them popular and new videos with --cold-users popular."
    )
    with pytest.raises(InputError, match=r"1 of 1 users \(the first: user_id 999\) is not in the train period"):
        choose(users=given(tmp_path, "user_id", [999]))


@pytest.mark.parametrize("column", ["item_id", "video_id"])
def test_items_are_all_that_is_chosen_from(choose, work, tmp_path, column):
    asked = [1195, *ITEM_IDS[10:40].tolist(), 15, 15]
    facts, table = choose(items=given(tmp_path, column, asked), candidates=25)
    assert facts["videos"] == 32
    assert set(table["item_id"].to_pylist()) <= set(asked)
    assert not set(zip(table["user_id"].to_pylist(), table["item_id"].to_pylist(), strict=True)) & seen_of(work)
    every = choose(items=given(tmp_path, column, asked), candidates=None)[1]
    # What was seen of other videos bars none of these.
    seen = seen_of(work)
    expected = {user: [item for item in sorted(set(asked)) if (user, item) not in seen] for user in USER_IDS.tolist()}
    assert lists_of(every) == {user: items for user, items in expected.items() if items}
    left = {user: len(items) for user, items in lists_of(every).items()}
    assert {user: len(items) for user, items in lists_of(table).items()} == {
        user: min(25, count) for user, count in left.items()
    }


def test_unknown_items_are_an_error(choose, tmp_path):
    path = given(tmp_path, "item_id", [5, 7, 15, 6])
    with pytest.raises(InputError) as caught:
        choose(items=path)
    assert str(caught.value) == (
        f"{path}: 2 of 4 videos (the first: item_id 6) are neither in the log nor in item_categories\n"
        "       Give ids of videos that are."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user_id\n", r"users\.csv: it has no rows\n +Give at least one row with the column user_id\."),
        ("user_id,name\n1,a\n,b\n", r"line 3, column user_id: the value is missing: it must be an integer from 0 to"),
        ("user_id\n-4\n", r"line 2, column user_id: '-4' is not an integer from 0 to 2,147,483,647, as ids are"),
        ("user_id\n1\nabc\n", r"line 3, column user_id: 'abc' is not an integer"),
        ("user_id\n1.5\n", r"line 2, column user_id: '1\.5' is not an integer"),
        ("user\n1\n", r"users\.csv: column user_id is missing \(found: user\)"),
        ("", r"users\.csv: the file is empty"),
    ],
)
def test_a_file_that_holds_no_ids_is_refused(choose, tmp_path, text, message):
    path = tmp_path / "users.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        choose(users=path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_not_there_is_refused(choose, tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        choose(users=tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        choose(items=tmp_path / "none.csv")
    path = given(tmp_path, "id", [1])
    with pytest.raises(InputError, match=r"ids\.csv: column item_id is missing \(found: id\)"):
        choose(items=path)


def test_the_stage_needs_no_more_libraries_than_it_says(work, tmp_path):
    asked = asked_for(Settings(work=work, quiet=True, threads=2), tmp_path / "out.parquet")
    # In a process of its own: here all of them are loaded.
    text = (
        "import sys\n"
        "from kraft.stages.retrieve_candidates import retrieve_candidates\n"
        "retrieve_candidates.answer(sys.stdin.read())\n"
        "print(*({'lightgbm', 'implicit', 'scipy', 'sklearn', 'polars', 'pyarrow.dataset'} & set(sys.modules)))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", text], input=asked.model_dump_json(), capture_output=True, text=True, check=True
    )
    assert told.stdout == "\n"
