"""Three users as examples: what they liked, what is recommended to them, why, and what became of it."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from kraft.engine.own_ids import own_ids
from kraft.engine.process.memory import Budget
from kraft.engine.process.progress import Progress
from kraft.engine.sql.builder import Builder
from kraft.engine.sql.session import open_session, read_parquet
from kraft.engine.sql.sources import Parquet
from kraft.engine.workspace.store import Store
from kraft.formatting import figure, listed, minute, percent, plain_names, pluralize
from kraft.report.page import Figure, Section, Table, Text
from kraft.settings import KUAIREC, Settings

TITLE = "Three users"
ABSENT = Text("No recommendations were made for this page, so no examples are shown.")
REASONS = 3
"""Features that a recommendation is explained with."""
PAIRS: Final = pa.schema([("user_id", pa.int32()), ("item_id", pa.int32())])
UNKNOWN = "unknown"

Row = dict[str, Any]


def draw(settings: Settings, recommended: Path, top: int) -> list[Row]:
    """A light, a median and a heavy user, the same at every call.

    Args:
        settings: of the job.
        recommended: Parquet file of recommendations that `jobs.recommend` made for all users.
        top: places of a list that are shown.

    Returns:
        For each the columns of `sample_users`, `history`: the rows of `user_histories`, and `recommended`: the
        first rows of the user's list.
    """
    store = Store(settings.work)
    sources = {name: Parquet(store.table(name)) for name in ("user_counts", "test_positives", "interactions_train")}
    users, histories = _run(settings, store, sources, "sample_users", "user_histories")
    drawn = [("user_id", "in", [user["user_id"] for user in users]), ("rank", "<=", top)]
    lists = pq.read_table(recommended, filters=drawn).sort_by("rank").to_pylist() if users else []
    for user in users:
        user["history"] = [row for row in histories if row["user_id"] == user["user_id"]]
        user["recommended"] = [row for row in lists if row["user_id"] == user["user_id"]]
    return users


def section(users: list[Row], settings: Settings) -> Section:
    """The examples; a sentence where there are none.

    Args:
        users: of `draw`, each with `reasons`: `kraft.models.ranker.explain.Explanation.as_json` of each
            recommendation.
        settings: preset, work folder and raw files.
    """
    if not users:
        return Section(TITLE, "", [ABSENT])
    videos, outcomes = known_texts(users, settings)
    names = own_ids({"user_id": [user["user_id"] for user in users], "item_id": list(videos)}, Store(settings.work))
    for user in users:
        user["name"] = names["user_id", user["user_id"]]
    for item, video in videos.items():
        video["name"] = names["item_id", item]
    liked = "what the description of the log calls positive"
    if settings.log == KUAIREC:
        liked = f"what was watched for at least {settings.positive_threshold:g} of its length"
    lead = (
        "Drawn by how much they met in the train period: one of few, one of middling and one of many interactions (a "
        f"twentieth, half and nineteen twentieths up the order). Liked is {liked}. Reasons are the {REASONS} features "
        "that move the score of the pair most, and by how much: above 0 they raise it, below 0 they lower it."
    )
    parts: list[Figure | Table | Text] = []
    for user in users:
        parts += [
            Text(_about(user)),
            _history_table(user, videos),
            _recommended_table(user, videos, outcomes),
            _reasons_table(user, videos),
        ]
    return Section(TITLE, lead, parts)


def known_texts(users: list[Row], settings: Settings) -> tuple[dict[int, Row], dict[tuple[int, int], bool]]:
    """The rows of `shown_videos` by item_id, and of `shown_outcomes` by user_id and item_id."""
    store = Store(settings.work)
    pairs = [
        {"user_id": user["user_id"], "item_id": row["item_id"]}
        for user in users
        for row in (*user["history"], *user["recommended"])
    ]
    with store.scratch() as folder:
        asked = folder / "shown_pairs.parquet"
        pq.write_table(pa.Table.from_pylist(pairs, PAIRS), asked)
        sources = {name: Parquet(store.table(name)) for name in ("video_details", "video_texts", "interactions_test")}
        sources["shown_pairs"] = Parquet(asked)
        videos, outcomes = _run(settings, store, sources, "shown_videos", "shown_outcomes")
    return (
        {row["item_id"]: row for row in videos},
        {(row["user_id"], row["item_id"]): row["positive_interaction"] for row in outcomes},
    )


def _run(settings: Settings, store: Store, sources: Mapping[str, Parquet], *tables: str) -> list[list[Row]]:
    """The rows of small tables of `sql/reporting`."""
    with (
        store.scratch() as folder,
        open_session(Budget(settings.memory_limit), settings.threads, store.tmp) as connection,
    ):
        builder = Builder(connection, Store(folder / "page"), sources, {}, Progress(-1), threads=settings.threads)
        found = []
        for table in tables:
            relation = read_parquet(connection, builder.ensure(table))
            found.append([dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()])
        return found


def _about(user: Row) -> str:
    met, liked = user["interaction_count"], user["positive_count"]
    return (
        f"User {user['name']}, {user['activity']}: {pluralize(met, 'interaction')} in the train period, of which "
        f"{liked:,} are likes ({percent(liked / met)}); {pluralize(user['test_positives'], 'video')} liked in the test "
        "period."
    )


def _history_table(user: Row, videos: Mapping[int, Row]) -> Table:
    has_ratios = any(row["watch_ratio"] is not None for row in user["history"])
    rows = [
        [
            _when(row["timestamp"]),
            *_named(videos[row["item_id"]]),
            *([figure(row["watch_ratio"], digits=2)] if has_ratios else []),
        ]
        for row in user["history"]
    ]
    kinds = list(dict.fromkeys(videos[row["item_id"]]["category_name_1"] for row in user["history"]))
    known = [kind for kind in kinds if kind]
    sentence = f"The last {pluralize(len(rows), 'video')} that user {user['name']} liked"
    sentence += f", of {listed(known)}." if known else "."
    columns = ["when (UTC+8)", *NAMED, *(["watched [lengths]"] if has_ratios else [])]
    return Table(f"history_{user['user_id']}", f"What user {user['name']} liked last", sentence, columns, rows)


def _recommended_table(user: Row, videos: Mapping[int, Row], outcomes: Mapping[tuple[int, int], bool]) -> Table:
    name = user["user_id"]
    rows = []
    met = [outcomes.get((name, row["item_id"])) for row in user["recommended"]]
    for rank, (row, liked) in enumerate(zip(user["recommended"], met, strict=True), start=1):
        became = "not met" if liked is None else "liked" if liked else "not liked"
        rows.append(
            [
                str(rank),
                *_named(videos[row["item_id"]]),
                figure(row["score"], digits=3),
                plain_names(row["sources"]),
                became,
            ]
        )
    shown = sum(liked is not None for liked in met)
    sentence = f"Of {pluralize(len(rows), 'recommendation')} user {user['name']} met {shown} in the test period"
    sentence += f", and liked {sum(map(bool, met))}." if shown else "."
    columns = ["rank", *NAMED, "score", "retrieved by", "later"]
    return Table(f"recommended_{name}", f"What is recommended to user {user['name']}", sentence, columns, rows)


def _reasons_table(user: Row, videos: Mapping[int, Row]) -> Table:
    """The largest parts of each score, as `raises` or `lowers` of `jobs.explain`."""
    name = user["user_id"]
    rows: list[list[Any]] = []
    for rank, (row, why) in enumerate(zip(user["recommended"], user["reasons"], strict=True), start=1):
        for part in why["contributions"][:REASONS]:
            effect = figure(part["contribution"], "+", 2)
            rows.append([str(rank), str(videos[row["item_id"]]["name"]), effect, part["text"], part["value"] or None])
    first = Counter(why["contributions"][0]["text"] for why in user["reasons"]).most_common(1)
    sentence = "".join(f"For {count} of {len(user['reasons'])} the first reason is {text}." for text, count in first)
    return Table(f"reasons_{name}", f"Why user {user['name']} is to see them", sentence, REASON_COLUMNS, rows)


NAMED = ["video", "caption", "category", "length"]
"""Columns of `_named`."""
REASON_COLUMNS = ["rank", "video", "effect", "reason", "value"]


def _named(video: Row) -> list[str | None]:
    names = [video[f"category_name_{level}"] for level in (1, 2, 3)]
    category = " / ".join(name for name in names if name) or (
        f"ids {video['categories']}" if video["categories"] else UNKNOWN
    )
    length = UNKNOWN if video["seconds"] is None else f"{video['seconds']:.1f} s"
    return [str(video["name"]), video["caption"], category, length]


def _when(timestamp: float | None) -> str:
    return UNKNOWN if timestamp is None else minute(timestamp)
