"""The lines that a job ends with: what its stages made, what was kept, and why it was made again."""

from collections.abc import Mapping
from typing import Any

from kraft.data import losses
from kraft.models.recipes import ALS, RANKER, SCORES, WATCH_TIME, named
from kraft.report.words import counted
from kraft.settings import Settings


def details(results: Mapping[str, dict[str, Any]], reused: list[str], settings: Settings) -> list[str]:
    """What was made and what was kept, a line each.

    Args:
        results: what each stage that ran returned, by its name.
        reused: tables and models that were up to date.
        settings: of the job.
    """
    lines = _file_lines(results)
    if build := results.get("build"):
        lines += [*_build_lines(build, settings), *_loss_lines(build)]
    if als := results.get(named(ALS, settings)):
        lines.append(
            f"als     {als['users']:,} users x {als['items']:,} items, {als['factors']} factors, "
            f"{als['solver']} solver   {als['seconds']:.1f} s"
        )
    if times := results.get(WATCH_TIME):
        lines.append(
            f"times   watch times of {times['pairs']:,} pairs, rank {times['rank']}, "
            f"noise {times['noise'] ** 0.5:.3f} log s   {times['seconds']:.1f} s"
        )
        lines += [
            f"shared  the rarest {rare:,} {name} of the videos are one to the watch times"
            for name, rare in times["sharing"].items()
        ]
    if ranker := results.get(named(RANKER, settings)):
        lines += _ranker_lines(ranker)
    if scores := results.get(named(SCORES, settings)):
        lines.append(f"scores  {scores['rows']:,} test pairs   {scores['seconds']:.1f} s")
    lines += _cold_lines(results.get("pairs", {}).get("cold", {}))
    if candidates := results.get("candidates"):
        lines += _candidate_lines(candidates)
    if lists := results.get("recommend"):
        lines.append(f"ranked  {lists['pairs']:,} candidates   {lists['seconds']:.1f} s")
        if lists["short_lists"]:
            lines.append(f"short   {counted(lists['short_lists'], 'user')} with fewer videos left than asked for")
    if reused:
        lines.append(f"reused  {_listed(reused)} (unchanged)")
    return lines


def _file_lines(results: Mapping[str, dict[str, Any]]) -> list[str]:
    """Which of the user's files the tables are made of, now or by an earlier job, and which were left alone."""
    lines = []
    if build := results.get("build"):
        files = build["files"]
        more = f" (+ {files['optional']} optional)" if files["optional"] else ""
        listed = ", ".join([*files["logs"], *files["sides"]])
        lines.append(f"read    {listed}{more} in {files['folder'].rstrip('/')}/")
        lines += [f"unread  {line}" for line in files["unread"]]
    if compared := results.get("evaluate", {}).get("compared"):
        lines.append(f"read    {', '.join(compared)}")
    return lines


def _build_lines(build: dict[str, Any], settings: Settings) -> list[str]:
    split = build["split"]
    if not build["built"]:
        return []
    cut = f"cut at {split['cut_time']} (UTC+8)" if split["cut_time"] else "cut among the rows without a time"
    last = settings.null_timestamps == "last"
    untimed = f"{split['untimed']:,} rows without a time {'come last' if last else 'are left out'}"
    made, rows = len(build["built"]), build["interactions"]
    lines = [
        f"tables  {made} built from {rows:,} interactions   {build['seconds']:.1f} s",
        f"split   {split['cut_index']:,} train / {split['n'] - split['cut_index']:,} test, {cut}; {untimed}"
        if settings.protocol == "chronological"
        else f"split   {split['n']:,} interactions of big_matrix to learn from, the pairs of small_matrix to test on",
    ]
    lines += [f"rebuilt {', '.join(names)}: {reason}" for reason, names in _root_reasons(build["built"]).items()]
    lines += [f"absent  {name.removeprefix('raw_')}: its features are missing" for name in build["absent"]]
    if build["duplicates"]:
        lines.append(f"dropped {build['duplicates']:,} exact duplicate rows of the log")
    return lines


def _loss_lines(build: Mapping[str, Any]) -> list[str]:
    """Whether the tables were made or reused: what does not count is not in them."""
    return [*losses.sentences(build), *(f"warning: {clause}" for clause in losses.warnings(build))]


def _ranker_lines(ranker: dict[str, Any]) -> list[str]:
    trees, rows = f"{ranker['best_iteration']:,} trees", f"{ranker['train_rows']:,} rows"
    auc = f"validation AUC {ranker['validation_auc']:.4f}"
    lines = [f"ranker  {trees} on {rows}, {auc}   {ranker['seconds']:.1f} s"]
    if ranker["sampled_rows"] < ranker["label_rows"]:
        lines.append(f"sample  the newest {ranker['sampled_rows']:,} of {ranker['label_rows']:,} rows with a label")
    return lines


def _cold_lines(cold: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Of pairs that were scored, those of users and of videos that the models have not met."""
    lines = []
    for kind, found in cold.items():
        if found["pairs"]:
            who = counted(found["ids"], kind.removesuffix("s"))
            lines.append(
                f"cold    {counted(found['pairs'], 'pair')} of {who} not in the train period: "
                f"scored like {kind} without a history"
            )
        if found["unknown"]:
            verb = "is" if found["unknown"] == 1 else "are"
            lines.append(f"unknown {found['unknown']:,} of these {kind} {verb} in none of the raw files: check the ids")
    return lines


def _candidate_lines(found: dict[str, Any]) -> list[str]:
    users = counted(found["users"], "user")
    pairs, videos = counted(found["pairs"], "candidate"), counted(found["videos"], "video")
    lines = [f"chosen  {pairs} for {users} out of {videos}   {found['seconds']:.1f} s"]
    if found["cold_users"]:
        lines.append(f"cold    {counted(found['cold_users'], 'user')} not in the train period: popular and new videos")
    if found["repeated_users"]:
        lines.append(f"dropped {found['repeated_users']:,} repeated ids of --users")
    return lines


def _root_reasons(built: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Why tables were rebuilt -> which; leaving out new ones, and those that only follow another one."""
    reasons: dict[str, list[str]] = {}
    for name, facts in built.items():
        reason = facts["reason"]
        causes = reason.removesuffix(" changed").split(", ")
        if reason not in {"new", "--force"} and not all(cause in built for cause in causes):
            reasons.setdefault(reason, []).append(name)
    return reasons


def _listed(names: list[str], most: int = 4) -> str:
    """The names, or how many there are where they would fill the line."""
    return (
        ", ".join(names) if len(names) <= most else f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    )
