"""Reports rows that do not count (quarantined, left out of the test, without an order in time), and limits them.

Summaries, pages and errors use the same words, whether the tables were made or reused.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final, NamedTuple

from typing_extensions import TypedDict

from kraft.engine.quarantine.quarantined import Quarantined
from kraft.errors import InputError

if TYPE_CHECKING:
    from kraft.engine.sql.sources import Source

TEST_ROWS: Final = "test_rows"
"""The table of the counts."""
NOTABLE_TIE: Final = 0.01
"""If the cut falls among rows of one time, they are reported from this share of the log on."""


class PeriodRows(TypedDict):
    """Rows after a cut, and what becomes of them: the row of `TEST_ROWS`, and of the cut."""

    test_rows: int
    left_out: int
    merged: int
    pairs: int
    tied: int
    tied_test: int
    n: int
    """Rows of the log that take part."""
    null_timestamps: int
    """Of these, without a timestamp."""
    cut_time: str
    """In UTC+8; empty if the last row before the cut has none."""


def hold_left_out(log: "Source", rows: PeriodRows, most: float) -> None:
    """Hold the test rows that are left out to the share ``most`` of all test rows.

    Args:
        log: the file that the rows come from.
        rows: the counts.
        most: from 0 to 1.

    Raises:
        InputError: there are more.
    """
    left_out, test_rows = rows["left_out"], rows["test_rows"]
    if left_out <= most * test_rows:
        return
    where, share = getattr(log, "path", "the log"), left_out / test_rows
    problem = (
        f"{where}: {left_out:,} of {test_rows:,} test rows ({share:.1%}) would be left out, more than --max-left-out "
        f"{most:g} allows: their users are not in the train period"
    )
    tied = tie(rows)
    go_on = "or go on with what is left: --max-left-out 1. Nothing was published."
    raise InputError(f"{problem}; {tied}" if tied else problem, f"{_remedy(rows, tied=bool(tied))}, {go_on}")


def _remedy(rows: PeriodRows, *, tied: bool) -> str:
    if tied and rows["cut_time"]:
        return "Give each row its timestamp in full precision (spreadsheets and float32 round them)"
    if tied and rows["null_timestamps"] < rows["n"]:
        return "Give the rows timestamps, leave those without one out with --null-timestamps drop"
    if tied:
        return "Give the rows timestamps"
    return "Give a longer log of these users, another --train-fraction"


def tie(rows: PeriodRows) -> str:
    """What is to be known of a cut that falls among many rows of one time; empty if it does not."""
    share = rows["tied"] / rows["n"] if rows["n"] else 0.0
    if not rows["tied_test"] or share <= NOTABLE_TIE:
        return ""
    time = f"of one time, {rows['cut_time']} (UTC+8)" if rows["cut_time"] else "without a timestamp"
    among = f"the cut falls among {rows['tied']:,} rows ({share:.1%} of the log) {time}"
    return f"{among}: rows within are ordered by user id and item id"


class Losses(NamedTuple):
    """What a build tells of rows that do not count."""

    rejected: Mapping[str, Quarantined]
    """By raw file."""
    test_rows: PeriodRows | None
    """Of the test period; None if its table was not asked for."""
    label_rows: PeriodRows | None
    """Of the rows that the ranker learns from."""


def sentences(losses: Losses) -> list[str]:
    """What rows of the log and of the test do not count, and why; a clause each."""
    told = [
        f"quarantined {_rows(found['quarantined'])} of {file} "
        f"(most often: {found['reason']}; see the table rejected_rows)"
        for file, found in losses.rejected.items()
    ]
    test = losses.test_rows
    if test and test["left_out"]:
        told.append(
            f"{test['left_out']:,} of {test['test_rows']:,} test rows left out: their users are not in the train period"
        )
    if test and test["merged"]:
        told.append(f"{test['merged']:,} of {test['test_rows']:,} test rows merged with another of the same pair")
    labels = losses.label_rows
    if labels and labels["left_out"]:
        told.append(
            f"{labels['left_out']:,} of {labels['test_rows']:,} rows with labels for the ranker left out: their users "
            "are not in the history before them"
        )
    return told


def warnings(losses: Losses) -> list[str]:
    """Cuts that go by chance rather than by time; a clause each."""
    test = losses.test_rows
    labels = losses.label_rows
    told = [tie(test)] if test else []
    if labels and (found := tie(labels)):
        told.append(found.replace("the cut", "the cut between history and labels", 1).replace("log", "train period", 1))
    return [clause for clause in told if clause]


def paragraph(losses: Losses) -> str:
    """All of it for a page; empty if there is nothing to tell."""
    clauses = [*warnings(losses), *sentences(losses)]
    return " ".join(f"{clause[0].upper()}{clause[1:]}." for clause in clauses)


def notes(rejected: Mapping[str, Quarantined], *, published: bool) -> list[str]:
    """Notes for an error: the rows quarantined before it. The table exists only if ``published``."""
    end = "see the table rejected_rows" if published else "the first is {example}"
    return [
        f"{found['quarantined']:,} of {_rows(found['read'])} of {file} were quarantined, "
        f"most often: {found['reason']}; " + end.format(example=found["example"])
        for file, found in rejected.items()
    ]


def local_time(timestamp: float | None) -> str:
    """``timestamp`` in KuaiRec's own zone, UTC+8, to the second; empty for None."""
    if timestamp is None:
        return ""
    return datetime.fromtimestamp(timestamp, timezone(timedelta(hours=8))).strftime("%Y-%m-%d %H:%M:%S")


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
