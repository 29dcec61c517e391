"""Section on what the data lack, and what was rejected and why."""

from kraft.engine.sql.queries import all_queries
from kraft.formatting import listed, percent, pluralize, share
from kraft.report.exploration.tables import Exploration, Row
from kraft.report.page import Figure, Section, Table, Text
from kraft.report.plots import named_bars
from kraft.settings import KUAIREC

LACKING = {"log": "missing_in_log", "users": "missing_in_users", "videos": "missing_in_videos"}
"""Where values may be missing -> the table that counts them."""


def section(found: Exploration) -> Section:
    """Missing values a column, and what was rejected and why."""
    unused = set() if found.settings.protocol == "big-to-small" else {"observed_pairs"}
    checks = sorted(
        query.name for query in all_queries().values() if query.stage == "checks" and query.guards not in unused
    )
    lead = (
        f"Rows that break a rule stop the build with their line, or are quarantined in the table rejected_rows: what "
        f"stands here passed all {len(checks)} checks ({', '.join(checks)}). What the rules leave out or merge is "
        "counted below."
    )
    return Section("Missing and rejected", lead, [_missing(found), _rejected(found)])


def _missing(found: Exploration) -> Figure | Text:
    rows: list[Row] = []
    for source, table in LACKING.items():
        counts = found.one(table)
        total = counts["total"]
        rows += [
            {"where": source, "column": name, "missing": count, "of": total, "share": share(count, total) or 0.0}
            for name, count in counts.items()
            # What a described log never has was not described.
            if name != "total" and (found.settings.log == KUAIREC or count < total)
        ]
    lacking = sorted((row for row in rows if row["missing"]), key=lambda row: (-row["share"], row["column"]))
    if not lacking:
        return Text(f"None of the {len(rows)} columns of the log, the users and the videos lacks a value.")
    first = lacking[0]
    sentence = (
        f"{len(lacking)} of {len(rows)} columns lack values, most of all {first['column']} of the {first['where']}: "
        f"{first['missing']:,} of {first['of']:,} ({percent(first['share'])})"
    )
    log = [f"{row['column']} {percent(row['share'])}" for row in lacking if row["where"] == "log"]
    sentence += f"; of the log, {listed(log)}." if log else "; the log lacks none."
    told = [f"{row['column']} {percent(row['share'])}" for row in lacking]
    notes = [_part(row["missing"], row["of"]) for row in lacking]
    return Figure(
        name="missing",
        title="Missing values a column",
        sentence=sentence,
        alt=f"Bars of the columns that lack values, the most first: {listed(told)}.",
        draw=named_bars(
            {f"{row['where']}: {row['column']}": 100 * row["share"] for row in lacking},
            notes=notes,
            x="rows without a value [%]",
        ),
        data=rows,
        sql=found.sql(*LACKING.values()),
        wide=True,
    )


def _part(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}"


def _rejected(found: Exploration) -> Table:
    rows = found.rows("rejected_rows")
    some = [f"{row['rejected']:,} ({row['what']})" for row in rows if row["rejected"]]
    untimed = found.one("log_summary")["null_timestamps"]
    sentence = f"{listed(some)}." if some else "Nothing was."
    if untimed and found.settings.null_timestamps == "last":
        sentence += f" {pluralize(untimed, 'row')} of the log without a timestamp are kept, after all others."
    return Table(
        name="rejected",
        title="What was rejected, and why",
        sentence=f"Left out or merged: {sentence[:1].lower()}{sentence[1:]}",
        columns=["rows", "rejected", "of", "share", "what becomes of them"],
        rows=[
            [row["what"], row["rejected"], row["of"], percent(share(row["rejected"], row["of"])), row["why"]]
            for row in rows
        ],
        sql=found.sql("rejected_rows"),
    )
