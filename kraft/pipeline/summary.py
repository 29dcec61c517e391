"""The lines that a job ends with: what its stages made, what was kept, and why it was made again."""

from collections.abc import Callable, Mapping
from typing import Any

from kraft.engine.process.stage import Measured, Stage
from kraft.formatting import pluralize
from kraft.logs.losses import Losses, sentences, warnings
from kraft.logs.read_files import ReadFiles
from kraft.pipeline.results import Results
from kraft.settings import Settings
from kraft.stages.build_tables import build_tables
from kraft.stages.fit_als import AlsFitted, fit_als
from kraft.stages.fit_watch_times import WatchTimesFitted, fit_watch_times
from kraft.stages.import_log import import_log
from kraft.stages.rank_lists import ListsRanked, rank_lists
from kraft.stages.retrieve_candidates import CandidatesRetrieved, retrieve_candidates
from kraft.stages.score import ScoredGivenPairs, ScoredTestPairs, score_given_pairs, score_test_pairs
from kraft.stages.table_records import TableBuilt, TablesBuilt
from kraft.stages.train_ranker import RankerTrained, train_ranker


def details(results: Results, reused: list[str], compared: list[str], settings: Settings) -> list[str]:
    """What was made and what was kept, a line each.

    Args:
        results: what the stages that ran returned.
        reused: tables and models that were up to date.
        compared: the user's own files of scores that were compared.
        settings: of the job.
    """
    build = results.get(build_tables)
    lines = _file_lines(build.result.files) if build else []
    if (log := results.get(import_log)) and log.result.without:
        lines.append(f"without {', '.join(log.result.without)}: the log has no columns for these features")
    if compared:
        lines.append(f"read    {', '.join(compared)}")
    if build:
        lines += [*_build_lines(build, settings), *_loss_lines(build.result.losses)]
    told: dict[Stage[Any, ..., Any], Callable[[Measured[Any]], list[str]]] = {
        fit_als: _als_lines,
        fit_watch_times: _watch_time_lines,
        train_ranker: _ranker_lines,
        score_test_pairs: _score_lines,
        score_given_pairs: _cold_lines,
        retrieve_candidates: _candidate_lines,
        rank_lists: _list_lines,
    }
    for stage, lines_of in told.items():
        if measured := results.get(stage):
            lines += lines_of(measured)
    if reused:
        lines.append(f"reused  {_listed(reused)} (unchanged)")
    return lines


def _build_lines(measured: Measured[TablesBuilt], settings: Settings) -> list[str]:
    build = measured.result
    split = build.split
    if not build.built:
        return []
    cut = f"cut at {split['cut_time']} (UTC+8)" if split["cut_time"] else "cut among the rows without a time"
    last = settings.null_timestamps == "last"
    null_timestamps = f"{split['null_timestamps']:,} rows without a time {'come last' if last else 'are left out'}"
    lines = [
        f"tables  {len(build.built)} built from {build.interactions:,} interactions   {measured.seconds:.1f} s",
        f"split   {split['cut_index']:,} train / {split['n'] - split['cut_index']:,} test, {cut}; {null_timestamps}"
        if settings.protocol == "chronological"
        else f"split   {split['n']:,} interactions of big_matrix to learn from, the pairs of small_matrix to test on",
    ]
    lines += [f"rebuilt {', '.join(names)}: {reason}" for reason, names in _root_reasons(build.built).items()]
    lines += [f"absent  {name.removeprefix('raw_')}: its features are missing" for name in build.absent]
    if build.duplicates:
        lines.append(f"dropped {build.duplicates:,} exact duplicate rows of the log")
    return lines


def _als_lines(measured: Measured[AlsFitted]) -> list[str]:
    als = measured.result
    return [
        (
            f"als     {als.users:,} users x {als.items:,} items, {als.factors} factors, {als.solver} solver   "
            f"{measured.seconds:.1f} s"
        )
    ]


def _score_lines(measured: Measured[ScoredTestPairs]) -> list[str]:
    return [f"scores  {measured.result.rows:,} test pairs   {measured.seconds:.1f} s"]


def _watch_time_lines(measured: Measured[WatchTimesFitted]) -> list[str]:
    times = measured.result
    line = (
        f"times   watch times of {times.pairs:,} pairs, rank {times.rank}, "
        f"noise {times.noise**0.5:.3f} log s   {measured.seconds:.1f} s"
    )
    shared = [
        f"shared  the rarest {rare:,} {name} of the videos are one to the watch times"
        for name, rare in times.sharing.items()
    ]
    return [line, *shared]


def _list_lines(measured: Measured[ListsRanked]) -> list[str]:
    lists = measured.result
    lines = [f"ranked  {lists.pairs:,} candidates   {measured.seconds:.1f} s"]
    if lists.short_lists:
        lines.append(f"short   {pluralize(lists.short_lists, 'user')} received fewer videos than asked for")
    return lines


def _file_lines(files: ReadFiles) -> list[str]:
    """The files that the tables are made of, now or by an earlier job, and the files that were not read."""
    more = f" (+ {files['optional']} optional)" if files["optional"] else ""
    listed = ", ".join([*files["logs"], *files["sides"]])
    read = f"read    {listed}{more} in {files['folder'].rstrip('/')}/"
    return [read, *(f"unread  {line}" for line in files["unread"])]


def _loss_lines(rows: Losses) -> list[str]:
    """Rows that do not count. They are counted for reused tables too, because these lack the same rows."""
    return [*sentences(rows), *(f"warning: {clause}" for clause in warnings(rows))]


def _cold_lines(measured: Measured[ScoredGivenPairs]) -> list[str]:
    """Scored pairs whose users or videos are not in the train period."""
    lines = []
    for kind, found in measured.result.cold.items():
        if found["pairs"]:
            who = pluralize(found["ids"], kind.removesuffix("s"))
            lines.append(
                f"cold    {pluralize(found['pairs'], 'pair')} of {who} not in the train period: "
                f"scored like {kind} without a history"
            )
        if found["unknown"]:
            verb = "is" if found["unknown"] == 1 else "are"
            lines.append(f"unknown {found['unknown']:,} of these {kind} {verb} in none of the raw files: check the ids")
    return lines


def _ranker_lines(measured: Measured[RankerTrained]) -> list[str]:
    ranker = measured.result
    trees, rows = f"{ranker.best_iteration:,} trees", f"{ranker.train_rows:,} rows"
    auc = f"validation AUC {ranker.validation_auc:.4f}"
    lines = [f"ranker  {trees} on {rows}, {auc}   {measured.seconds:.1f} s"]
    if ranker.sampled_rows < ranker.label_rows:
        lines.append(f"sample  the newest {ranker.sampled_rows:,} of {ranker.label_rows:,} rows with a label")
    return lines


def _candidate_lines(measured: Measured[CandidatesRetrieved]) -> list[str]:
    found = measured.result
    pairs, videos = pluralize(found.pairs, "candidate"), pluralize(found.videos, "video")
    lines = [f"chosen  {pairs} for {pluralize(found.users, 'user')} out of {videos}   {measured.seconds:.1f} s"]
    if found.cold_users:
        lines.append(f"cold    {pluralize(found.cold_users, 'user')} not in the train period: popular and new videos")
    if found.repeated_users:
        lines.append(f"dropped {found.repeated_users:,} repeated ids of --users")
    return lines


def _root_reasons(built: Mapping[str, TableBuilt]) -> dict[str, list[str]]:
    """Why tables were rebuilt -> which; leaving out new ones, and those that only follow another one."""
    reasons: dict[str, list[str]] = {}
    for name, facts in built.items():
        reason = facts.reason
        causes = reason.removesuffix(" changed").split(", ")
        if reason not in {"new", "--force"} and not all(cause in built for cause in causes):
            reasons.setdefault(reason, []).append(name)
    return reasons


def _listed(names: list[str], most: int = 4) -> str:
    """The names, or how many there are where they would fill the line."""
    return (
        ", ".join(names) if len(names) <= most else f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    )
