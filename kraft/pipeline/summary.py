"""The lines that a job ends with: what its stages made, what was kept, and why it was made again."""

from collections.abc import Mapping

from kraft.engine.stage import Measured
from kraft.formatting import counted
from kraft.pipeline.results import Results
from kraft.settings import Settings
from kraft.stages.build_tables import TableBuilt, TablesBuilt, build_tables
from kraft.stages.fit_als import fit_als
from kraft.stages.fit_watch_times import fit_watch_times
from kraft.stages.rank_lists import rank_lists
from kraft.stages.retrieve_candidates import CandidatesRetrieved, retrieve_candidates
from kraft.stages.score import score_test_pairs
from kraft.stages.train_ranker import RankerTrained, train_ranker


def details(results: Results, reused: list[str], settings: Settings) -> list[str]:
    """What was made and what was kept, a line each.

    Args:
        results: what the stages that ran returned.
        reused: tables and models that were up to date.
        settings: of the job.
    """
    lines = []
    if build := results.get(build_tables):
        lines += [*_build_lines(build, settings), *_aside_lines(build.result.rejected)]
    if als := results.get(fit_als):
        found = als.result
        lines.append(
            f"als     {found.users:,} users x {found.items:,} items, {found.factors} factors, "
            f"{found.solver} solver   {als.seconds:.1f} s"
        )
    if times := results.get(fit_watch_times):
        lines.append(
            f"times   watch times of {times.result.pairs:,} pairs, rank {times.result.rank}, "
            f"noise {times.result.noise**0.5:.3f} log s   {times.seconds:.1f} s"
        )
    if ranker := results.get(train_ranker):
        lines += _ranker_lines(ranker)
    if scores := results.get(score_test_pairs):
        lines.append(f"scores  {scores.result.rows:,} test pairs   {scores.seconds:.1f} s")
    if candidates := results.get(retrieve_candidates):
        lines += _candidate_lines(candidates)
    if lists := results.get(rank_lists):
        lines.append(f"ranked  {lists.result.pairs:,} candidates   {lists.seconds:.1f} s")
        if lists.result.short_lists:
            lines.append(f"short   {counted(lists.result.short_lists, 'user')} with fewer videos left than asked for")
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
    untimed = f"{split['untimed']:,} rows without a time {'come last' if last else 'are left out'}"
    lines = [
        f"tables  {len(build.built)} built from {build.interactions:,} interactions   {measured.seconds:.1f} s",
        f"split   {split['cut_index']:,} train / {split['n'] - split['cut_index']:,} test, {cut}; {untimed}"
        if settings.protocol == "chronological"
        else f"split   {split['n']:,} interactions of big_matrix to learn from, the pairs of small_matrix to test on",
    ]
    lines += [f"rebuilt {', '.join(names)}: {reason}" for reason, names in _root_reasons(build.built).items()]
    lines += [f"absent  {name.removeprefix('raw_')}: its features are missing" for name in build.absent]
    if build.duplicates:
        lines.append(f"dropped {build.duplicates:,} exact duplicate rows of the log")
    return lines


def _aside_lines(rejected: Mapping[str, int]) -> list[str]:
    listed = ", ".join(f"{counted(rows, 'row')} of {file}" for file, rows in rejected.items())
    return [f"aside   {listed}: see the table rejected_rows"] if listed else []


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
    pairs, videos = counted(found.pairs, "candidate"), counted(found.videos, "video")
    lines = [f"chosen  {pairs} for {counted(found.users, 'user')} out of {videos}   {measured.seconds:.1f} s"]
    if found.cold_users:
        lines.append(f"cold    {counted(found.cold_users, 'user')} not in the train period: popular and new videos")
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
