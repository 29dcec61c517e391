"""The stages that make pages; like those of `kraft.stages`, each imports its computation where it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kraft.engine.process.stage import Record, stage
from kraft.report.output_path import FIGURES, Format
from kraft.settings import Settings

if TYPE_CHECKING:
    from kraft.report.page import Page


class MakeDataPage(Record):
    """What `make_data_page` is asked."""

    settings: Settings
    out: Path
    format: Format
    losses: str = ""
    """What is to be said of rows that do not count (`kraft.logs.losses`)."""


class MakeScoresPage(Record):
    """What `make_scores_page` is asked."""

    settings: Settings
    out: Path
    format: Format
    report: dict[str, Any]
    """Of `kraft.stages.evaluate.evaluate_scores`."""
    recommendations: dict[str, Any] | None
    """The report of `kraft.stages.evaluate_lists.evaluate_lists`, where there is one."""
    users: list[dict[str, Any]]
    """Of `draw_users`, with `reasons`."""
    losses: str = ""
    """What is to be said of rows that do not count (`kraft.logs.losses`)."""


class PageMade(Record):
    """A page that was written."""

    sections: int
    figures: int
    bytes: int


class DrawUsers(Record):
    """What `draw_users` is asked."""

    settings: Settings
    lists: Path
    """Parquet file of recommendations for all users."""
    top: int
    """Places of a list that are shown."""


class UsersDrawn(Record):
    """What `draw_users` found."""

    users: list[dict[str, Any]]
    """For each the columns of `sample_users`, `history`: the rows of `user_histories`, and `recommended`: the first
    rows of the user's list."""


@stage(MakeDataPage, PageMade)
def make_data_page(arguments: MakeDataPage) -> PageMade:
    """Write the page of the data; the tables that it reads are up to date.

    Memory: DuckDB's share of the limit, then the drawing library and one figure at a time.
    """
    from kraft.report.exploration import tables
    from kraft.report.exploration.data_page import page

    return _write(page(tables.run(arguments.settings), arguments.losses), arguments.out, arguments.format)


@stage(MakeScoresPage, PageMade)
def make_scores_page(arguments: MakeScoresPage) -> PageMade:
    """Write the page of the evaluation; tables, models and scores are up to date.

    Memory: the libraries, a row group of features, and a few figures at a time.
    """
    from kraft.report.evaluation.scores_page import page

    made = page(arguments.settings, arguments.report, arguments.recommendations, arguments.users, arguments.losses)
    return _write(made, arguments.out, arguments.format)


@stage(DrawUsers, UsersDrawn)
def draw_users(arguments: DrawUsers) -> UsersDrawn:
    """A light, a median and a heavy user, the same at every call."""
    from kraft.report.evaluation.users import draw

    users = draw(arguments.settings, arguments.lists, arguments.top)
    return UsersDrawn(users=users)


def _write(page: "Page", out: Path, form: Format) -> PageMade:
    from kraft.report.page import write

    write(page, out, format=form, figures=out.parent / FIGURES)
    return PageMade(
        sections=len(page.sections),
        figures=len(list(page.figures)),
        bytes=out.stat().st_size,
    )
