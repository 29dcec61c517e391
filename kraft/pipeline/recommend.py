"""Lists for every user, in two stages: candidates from the whole catalogue, then the ranker.

train (models) -> retrieve (candidates) -> rank (lists) -> evaluate
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from kraft.artifacts import WATCH_TIME
from kraft.models.candidates import SHARES
from kraft.pipeline.pipeline import Pipeline
from kraft.stages.evaluate import Evaluation
from kraft.stages.evaluate_lists import EvaluateLists, evaluate_lists
from kraft.stages.rank_lists import ListsRanked, RankLists, rank_lists
from kraft.stages.retrieve_candidates import RetrieveCandidates, retrieve_candidates
from kraft.stages.table_lists import CANDIDATE_TABLES

CANDIDATES = 500
"""Candidates a user unless another number is asked for."""
DEEPEST = 1000
"""Candidates a user up to which recall is told; a page stops at `CANDIDATES`, which takes half of the time."""
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

    @property
    def name(self) -> str:
        """What the lists are called in reports."""
        return f"of {self.candidates or 'all'} candidates"


def recommend(
    pipeline: Pipeline, request: Request, out: Path | str, *, evaluated: bool = False
) -> tuple[ListsRanked, Evaluation | None]:
    """Lists of the best videos for each user, in a file of the user's, or on Spark at a URL.

    Args:
        pipeline: runs it.
        request: what lists are asked for.
        out: the file or the URL.
        evaluated: whether to evaluate them too, as `evaluate` does.
    """
    pipeline.more_tables = CANDIDATE_TABLES
    pipeline.train()
    with pipeline.store.scratch() as folder:
        candidates, kept = folder / "candidates.parquet", folder / "lists.parquet"
        retrieve(pipeline, request, candidates)
        made = rank(pipeline, request, candidates, out, keep=kept if evaluated else None)
        return made, evaluate(pipeline, request, kept) if evaluated else None


def retrieve(pipeline: Pipeline, request: Request, out: Path, *, ranks: bool = False, told: bool = True) -> None:
    """The first stage alone, on models that are up to date.

    Args:
        pipeline: runs it.
        request: what lists are asked for.
        out: the file to write.
        ranks: whether to write all that the sources retrieve, with the ranks of each: for evaluation.
        told: whether the summary tells of it.
    """
    asked = RetrieveCandidates(
        settings=pipeline.settings,
        users=request.users,
        items=request.items,
        cold_users=request.cold_users,
        exclude_seen=request.exclude_seen,
        candidates=request.candidates,
        ranks=ranks,
        out=out,
    )
    pipeline.run(retrieve_candidates, asked, told=told)


def rank(
    pipeline: Pipeline,
    request: Request,
    candidates: Path,
    out: Path | str | None,
    *,
    keep: Path | None = None,
    told: bool = True,
) -> ListsRanked:
    """The second stage alone; ``keep`` as in `RankLists`."""
    asked = RankLists(
        settings=pipeline.settings,
        candidates=candidates,
        out=None if out is None else str(out),
        keep=keep,
        top=request.top,
        diversity=request.diversity,
    )
    return pipeline.run(rank_lists, asked, told=told)


def evaluate(pipeline: Pipeline, request: Request, lists: Path) -> Evaluation:
    """Metrics of ``lists``, which `recommend` made, beside lists from every video; and of the candidates.

    The summary tells of the lists that the user asked for, not of those that are made here.
    """
    with pipeline.store.scratch() as folder:
        every, best = folder / "every.parquet", folder / "best.parquet"
        retrieve(pipeline, request._replace(candidates=None), every, told=False)
        rank(pipeline, request, every, None, keep=best, told=False)
        return evaluate_named(pipeline, request, {request.name: lists, EVERY: best})


def evaluate_named(
    pipeline: Pipeline, request: Request, lists: Mapping[str, Path], deepest: int = DEEPEST
) -> Evaluation:
    """Metrics of some lists by name, and of the candidates that the request's are made from, up to ``deepest``."""
    has_times = pipeline.preset.watch_time is not None
    with pipeline.store.scratch() as folder:
        deep = folder / "deep.parquet"
        retrieve(pipeline, request._replace(candidates=deepest), deep, ranks=True, told=False)
        asked = EvaluateLists(
            settings=pipeline.settings,
            candidates=deep,
            lists=dict(lists),
            deepest=deepest,
            top=request.top,
            exclude_seen=request.exclude_seen,
            items=request.items,
            shares={name: share for name, share in SHARES.items() if name != WATCH_TIME or has_times},
        )
        return pipeline.run(evaluate_lists, asked)


def best_of(pipeline: Pipeline, user: str, top: int) -> list[tuple[str, str, str]]:
    """(user_id, item_id, sources) of the ``top`` videos of one user, as `recommend` lists them; ids are the log's."""
    with pipeline.store.scratch() as folder:
        users, out = folder / "users.csv", folder / "lists.csv"
        with users.open("w", encoding="utf-8", newline="") as lines:
            csv.writer(lines).writerows([["user_id"], [user]])
        recommend(pipeline, Request(top=top, candidates=max(top, CANDIDATES), users=users, cold_users="popular"), out)
        with out.open(encoding="utf-8", newline="") as lines:
            return [(user, row["item_id"], row["sources"]) for row in csv.DictReader(lines)]
