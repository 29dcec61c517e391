"""Lists for every user, in two stages: candidates from the whole catalogue, then the ranker.

    train (models) -> choose (candidates) -> rank (lists) -> judge

Each stage runs in a process of its own, like those of `kraft.pipeline`.
"""

import csv
from pathlib import Path
from typing import Any, Literal, NamedTuple

from kraft.data.tables import CANDIDATE_TABLES
from kraft.models.candidates import SHARES
from kraft.models.recipes import WATCH_TIME
from kraft.pipeline import Pipeline
from kraft.settings import PRESETS

DEEPEST = 1000
"""Candidates a user up to which recall is told."""
EVERY = "of every video"
"""Name of the lists without a first stage."""


class Request(NamedTuple):
    """What lists of recommendations are asked for; `jobs.recommend` documents each option."""

    top: int = 10
    candidates: int | None = 500
    """None for every video of the catalogue."""
    users: Path | None = None
    items: Path | None = None
    cold_users: Literal["error", "popular"] = "error"
    exclude_seen: bool = True
    diversity: float = 0.0


def recommend(pipeline: Pipeline, request: Request, out: Path) -> None:
    """Lists of the best videos for each user, in a file of the user's."""
    pipeline.more_tables = CANDIDATE_TABLES
    pipeline.train()
    with pipeline.store.scratch() as folder:
        choose(pipeline, request, folder / "candidates.parquet")
        rank(pipeline, request, folder / "candidates.parquet", out)


def choose(pipeline: Pipeline, request: Request, out: Path, *, ranks: bool = False) -> None:
    """The first stage alone, on models that are up to date; with ``ranks``, those of every source beside them."""
    asked = {
        "users": _text(request.users),
        "items": _text(request.items),
        "cold_users": request.cold_users,
        "exclude_seen": request.exclude_seen,
        "candidates": request.candidates,
        "ranks": ranks,
    }
    pipeline.run("candidates", "kraft.models.candidates_stage:make_candidates", **asked, out=str(out))


def rank(pipeline: Pipeline, request: Request, candidates: Path, out: Path) -> None:
    """The second stage alone."""
    asked = {"top": request.top, "diversity": request.diversity}
    stage = "kraft.models.recommend_stage:recommend"
    pipeline.run("recommend", stage, candidates=str(candidates), out=str(out), **asked)


def judge(pipeline: Pipeline, request: Request, lists: Path) -> dict[str, Any]:
    """Metrics of ``lists``, which `recommend` made, beside lists from every video; and of the candidates."""
    told = dict(pipeline.results)
    has_times = PRESETS[pipeline.settings.preset].watch_time is not None
    with pipeline.store.scratch() as folder:
        deep, every, best = (folder / f"{name}.parquet" for name in ("deep", "every", "best"))
        choose(pipeline, request._replace(candidates=DEEPEST), deep, ranks=True)
        choose(pipeline, request._replace(candidates=None), every)
        rank(pipeline, request, every, best)
        named_lists = {f"of {request.candidates or 'all'} candidates": str(lists), EVERY: str(best)}
        pipeline.run(
            "judge",
            "kraft.evaluation.recommendations:judge_recommendations",
            candidates=str(deep),
            lists=named_lists,
            top=request.top,
            exclude_seen=request.exclude_seen,
            items=_text(request.items),
            shares={name: share for name, share in SHARES.items() if name != WATCH_TIME or has_times},
        )
    judged = pipeline.results["judge"]
    # The summary tells of the lists that the user asked for.
    pipeline.results = told | {"judge": judged}
    return judged


def listed(pipeline: Pipeline, user: int, top: int) -> list[tuple[int, int, str]]:
    """(user_id, item_id, sources) of the ``top`` videos of one user, as `recommend` lists them."""
    with pipeline.store.scratch() as folder:
        users, out = folder / "users.csv", folder / "lists.csv"
        users.write_text(f"user_id\n{user}\n", encoding="utf-8")
        recommend(pipeline, Request(top=top, candidates=max(top, 500), users=users, cold_users="popular"), out)
        with out.open(encoding="utf-8", newline="") as lines:
            return [(user, int(row["item_id"]), row["sources"]) for row in csv.DictReader(lines)]


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
