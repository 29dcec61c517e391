"""Lists for every user, in two stages: candidates from the whole catalogue, then the ranker.

    train (models) -> choose (candidates) -> rank (lists) -> judge

Each stage runs in a process of its own, like those of `kraft.pipeline`.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from kraft.data.tables import CANDIDATE_TABLES
from kraft.errors import InputError
from kraft.models.candidates import SHARES
from kraft.models.recipes import WATCH_TIME
from kraft.pipeline import Pipeline
from kraft.settings import MIB, PRESETS

CANDIDATES = 500
"""Candidates a user unless another number is asked for."""
DEEPEST = 1000
"""Candidates a user up to which recall is told; a page stops at `CANDIDATES`, which takes half of the time."""
ENOUGH_MEMORY = 512 * MIB
"""More makes no stage of `show` faster on the full-size twin."""
EVERY = "of every video"
"""Name of the lists without a first stage."""


class Request(NamedTuple):
    """What lists of recommendations are asked for; `jobs.recommend` documents each option."""

    top: int = 10
    candidates: int | None = CANDIDATES
    """None for every video of the catalogue."""
    users: Path | None = None
    items: Path | None = None
    cold_users: Literal["error", "popular"] = "error"
    exclude_seen: bool = True
    diversity: float = 0.0


def recommend(pipeline: Pipeline, request: Request, out: Path | str) -> None:
    """Lists of the best videos for each user, in a file of the user's, or on Spark at a URL."""
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
    # Those with ranks are for judging only.
    name = "judged_candidates" if ranks else "candidates"
    pipeline.run(name, "kraft.models.candidates_stage:make_candidates", **asked, out=str(out))


def rank(pipeline: Pipeline, request: Request, candidates: Path, out: Path | str) -> None:
    """The second stage alone."""
    asked = {"top": request.top, "diversity": request.diversity}
    stage = "kraft.models.recommend_stage:recommend"
    pipeline.run("recommend", stage, candidates=str(candidates), out=str(out), **asked)


def judge(pipeline: Pipeline, request: Request, lists: Path) -> dict[str, Any]:
    """Metrics of ``lists``, which `recommend` made, beside lists from every video; and of the candidates."""
    told = dict(pipeline.results)
    with pipeline.store.scratch() as folder:
        every, best = folder / "every.parquet", folder / "best.parquet"
        choose(pipeline, request._replace(candidates=None), every)
        rank(pipeline, request, every, best)
        judged = judge_lists(pipeline, request, {name_of(request): lists, EVERY: best})
    # The summary tells of the lists that the user asked for.
    pipeline.results = told | {"judge": judged}
    return judged


def name_of(request: Request) -> str:
    """What the lists of a request are called in reports."""
    return f"of {request.candidates or 'all'} candidates"


def judge_lists(
    pipeline: Pipeline, request: Request, lists: Mapping[str, Path], deepest: int = DEEPEST
) -> dict[str, Any]:
    """Metrics of some lists by name, and of the candidates that the request's are made from, up to ``deepest``."""
    has_times = PRESETS[pipeline.settings.preset].watch_time is not None
    with pipeline.store.scratch() as folder:
        deep = folder / "deep.parquet"
        choose(pipeline, request._replace(candidates=deepest), deep, ranks=True)
        pipeline.run(
            "judge",
            "kraft.evaluation.recommendations:judge_recommendations",
            candidates=str(deep),
            lists={name: str(path) for name, path in lists.items()},
            deepest=deepest,
            top=request.top,
            exclude_seen=request.exclude_seen,
            items=_text(request.items),
            shares={name: share for name, share in SHARES.items() if name != WATCH_TIME or has_times},
        )
    return pipeline.results["judge"]


def listed(pipeline: Pipeline, user: int, top: int) -> list[tuple[int, int, str]]:
    """(user_id, item_id, sources) of the ``top`` videos of one user, as `recommend` lists them."""
    with pipeline.store.scratch() as folder:
        users, out = folder / "users.csv", folder / "lists.csv"
        users.write_text(f"user_id\n{user}\n", encoding="utf-8")
        recommend(pipeline, Request(top=top, candidates=max(top, CANDIDATES), users=users, cold_users="popular"), out)
        with out.open(encoding="utf-8", newline="") as lines:
            return [(user, int(row["item_id"]), row["sources"]) for row in csv.DictReader(lines)]


def show(pipeline: Pipeline, examples: int = 5) -> dict[str, Any]:
    """What a page shows of the lists that `jobs.recommend` makes unless asked otherwise, on models that are up to date.

    Returns:
        `recommendations`: the report on candidates and lists, None where no test pair could be in a list. `users`: a
        light, a median and a heavy user, with their history, their ``examples`` best recommendations, and the reasons
        for each.

    `CANDIDATE_TABLES` and `PAGE_TABLES` are up to date.
    """
    request, asked = Request(), pipeline.settings
    narrow = min(asked.memory_limit, ENOUGH_MEMORY)
    pipeline.settings = asked.model_copy(update={"memory_limit": narrow})
    with pipeline.store.scratch() as folder:
        candidates, lists = folder / "candidates.parquet", folder / "lists.parquet"
        choose(pipeline, request, candidates)
        rank(pipeline, request, candidates, lists)
        pipeline.run("users", "kraft.report.evaluation.users:draw_users", lists=str(lists), top=examples)
        try:
            report = judge_lists(pipeline, request, {name_of(request): lists}, CANDIDATES)["report"]
        except InputError:
            # Of lists that were made just now only the truth can be wrong: there is none.
            report = None
    users: list[dict[str, Any]] = pipeline.results["users"]["users"]
    pairs = [(user["user_id"], row["item_id"]) for user in users for row in user["recommended"]]
    reasons = iter(pipeline.explain(pairs)["explanations"] if pairs else [])
    for user in users:
        user["reasons"] = [next(reasons) for _ in user["recommended"]]
    pipeline.settings = asked
    return {"recommendations": report, "users": users}


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
