"""A page of plots and tables: what stands on it, and its ways out as HTML, JSON and Markdown.

The HTML is one file that needs no script and no network: plots are inlined SVGs, data and SQL stand beside them.
"""

import csv
import io
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from kraft.engine.workspace.store import write_whole
from kraft.report.figures import HAN, HEIGHT, NARROW, WIDE, png, svg
from kraft.report.output_path import Format

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ASSETS = Path(__file__).parent / "assets"

HALF_A_PAGE = 50
"""Letters in a line of a table."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_DATE = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?")
_NUMBER = re.compile(r"[-+\u2212]?\d[-\d,.: ]*( ?%| ?[a-zA-Z]{1,3})?|\[.*\]|undefined|")
"""A number, with its unit, an interval, or a time."""


@dataclass(frozen=True)
class Figure:
    """A plot, with one sentence on what it shows and the rows behind it."""

    name: str
    """Unique on the page: the anchor, and the name of the PNG and CSV files. Small letters, digits, _ and -."""
    title: str
    sentence: str
    """What these data show, computed from them."""
    alt: str
    """The same picture in words, for those who do not see it."""
    draw: Callable[["Axes"], None]
    """Draws on the axes it is given; called more than once. No title: the page has it."""
    data: list[dict[str, Any]]
    """The rows behind it, all with the same keys."""
    sql: str = ""
    """The query that gave them."""
    wide: bool = False
    """As wide as the page, on a screen that has room."""
    height: float = HEIGHT
    """Inches, at a width of `figures.NARROW` (or `WIDE`); bars with many names take what they need."""


@dataclass(frozen=True)
class Table:
    """Rows to read. Texts stand as they are; numbers get their commas; None is a dash."""

    name: str
    title: str
    sentence: str
    columns: list[str]
    rows: list[list[Any]]
    sql: str = ""

    @property
    def numeric(self) -> list[bool]:
        """Of each column, whether it holds numbers, which stand to the right."""
        return [all(_is_number(row[index]) for row in self.rows) for index in range(len(self.columns))]

    @property
    def wide(self) -> bool:
        """Whether half of the page has no room for it."""
        # A header may be broken between its words.
        headers = [max(name.split(), key=len, default="") for name in self.columns]
        columns = zip(headers, *(map(cell, row) for row in self.rows), strict=True)
        return sum(max(map(len, column)) for column in columns) > HALF_A_PAGE


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Section:
    """A part of a page with an entry in its contents."""

    title: str
    lead: str
    parts: Sequence[Figure | Table | Text]

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Page:
    """All that stands on a page.

    Raises:
        ValueError: two figures or tables share a name, or one has a name that cannot be a file's.
    """

    title: str
    lead: str
    sections: list[Section]
    facts: dict[str, str] = field(default_factory=dict)
    """Settings, versions, machine: what the page was made with."""

    def __post_init__(self) -> None:
        names = [part.name for section in self.sections for part in section.parts if not isinstance(part, Text)]
        names += [section.anchor for section in self.sections]
        for name in names:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name for a figure, table or section")
            if names.count(name) > 1:
                raise ValueError(f"two figures, tables or sections are called {name}")

    @property
    def figures(self) -> Iterator[Figure]:
        return (part for section in self.sections for part in section.parts if isinstance(part, Figure))


def write(page: Page, out: Path, *, format: Format, figures: Path | None) -> None:  # noqa: A002 - as the option is called
    """Write ``page`` to ``out``, and PNG copies of its figures to the folder ``figures``.

    All is made before anything is written, and the page takes its name last: it is there whole or not at all.

    Raises:
        InputError: the folder of ``out`` is missing or is a file.
        MachineError: a file cannot be written.
    """
    copies = {figure.name: _png(figure) for figure in page.figures} if figures else {}
    folder = _relative(figures, out.parent) if figures else ""
    match format:
        case "html":
            text = to_html(page)
        case "json":
            text = to_json(page, folder)
        case "markdown":
            text = to_markdown(page, folder)
    for name, copy in copies.items():
        write_whole(figures / f"{name}.png", lambda draft, copy=copy: draft.write_bytes(copy))  # type: ignore[operator,misc]
    write_whole(out, lambda draft: draft.write_text(text, encoding="utf-8"))


def to_html(page: Page) -> str:
    """The page as one HTML document."""
    return _environment().get_template("page.html").render(page=page, css=Markup((ASSETS / "page.css").read_text()))  # noqa: S704 - our own file


def to_markdown(page: Page, figures: str = "") -> str:
    """The page as Markdown, its plots as images in the folder ``figures``, or as tables of their data without one."""
    return _environment().get_template("page.md").render(page=page, figures=figures)


def to_json(page: Page, figures: str = "") -> str:
    """The page as JSON: all words and all data, and where the plots are."""
    sections = [
        {"title": section.title, "lead": section.lead, "parts": [_part(part, figures) for part in section.parts]}
        for section in page.sections
    ]
    whole = {"title": page.title, "lead": page.lead, "sections": sections, "facts": page.facts}
    return json.dumps(_plain(whole), indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def to_csv(part: Figure | Table) -> str:
    """The rows behind a figure, or of a table."""
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerow(columns_of(part))
    lines.writerows(rows_of(part))
    return written.getvalue()


def columns_of(part: Figure | Table) -> list[str]:
    if isinstance(part, Table):
        return part.columns
    return list(part.data[0]) if part.data else []


def rows_of(part: Figure | Table) -> list[list[Any]]:
    return part.rows if isinstance(part, Table) else [list(row.values()) for row in part.data]


def cell(value: object) -> str:
    """A value as a table shows it.

    >>> cell(3741256), cell(0.123456), cell(12.5), cell(None), cell("0.10")
    ('3,741,256', '0.1235', '12.5', '\u2013', '0.10')
    """
    match value:
        case None:
            return "\u2013"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"  # noqa: PLR2004 - from there on without decimals
    return str(value)


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, int | float) or bool(_NUMBER.fullmatch(str(value)))


def _svg(figure: Figure) -> Markup:
    """The plot as one element, or as two of which the page shows the one that there is room for."""

    def at(width: float, name: str) -> str:
        return svg(figure.draw, name=name, alt=figure.alt, width=width, height=figure.height)

    narrow = at(NARROW, figure.name)
    if not figure.wide:
        return Markup(narrow)  # noqa: S704 - matplotlib escapes what stands in a plot
    wide = at(WIDE, f"{figure.name}-wide")
    return Markup(f'<div class="narrow">{narrow}</div><div class="wide">{wide}</div>')  # noqa: S704


def _png(figure: Figure) -> bytes:
    return png(figure.draw, title=figure.title, width=WIDE if figure.wide else NARROW, height=figure.height)


def _download(part: Figure | Table) -> str:
    """A link that holds the data itself."""
    return f"data:text/csv;charset=utf-8,{quote(to_csv(part), safe=',.:/-+()!*')}"


def _han(text: object) -> Markup:
    """Text for HTML in which Chinese says so: a reader's fonts and voice follow it."""
    return Markup(HAN.sub(lambda found: f'<span lang="zh-Hans">{found[0]}</span>', str(escape(text))))  # noqa: S704


def _words(text: object) -> Markup:
    """`_han`, with dates that are not broken at the end of a line."""
    return Markup(_DATE.sub(lambda found: f"<time>{found[0]}</time>", _han(text)))  # noqa: S704 - escaped by _han


def _in_pipes(value: object) -> str:
    """A cell of a Markdown table."""
    return re.sub(r"\s+", " ", cell(value)).replace("\\", "\\\\").replace("|", "\\|")


def _part(part: Figure | Table | Text, figures: str) -> dict[str, Any]:
    if not isinstance(part, Figure):
        return {"kind": type(part).__name__.lower(), **asdict(part)}
    found = {name: getattr(part, name) for name in ("name", "title", "sentence", "alt", "data", "sql")}
    return {"kind": "figure", **found, "image": f"{figures}/{part.name}.png" if figures else None}


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON values
    """The value as JSON has it: what is no number is null."""
    match value:
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case float():
            return value if math.isfinite(value) else None
        case date():
            return str(value)
    return value


def _relative(folder: Path, start: Path) -> str:
    """As a link from a file in ``start`` reaches ``folder``."""
    return Path(os.path.relpath(folder.resolve(), start.resolve())).as_posix()


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "cell": cell, "columns": columns_of, "csv_link": _download, "han": _han, "pipes": _in_pipes, "rows": rows_of,
        "svg": _svg, "words": _words,
    }  # fmt: skip
    made.tests |= {"figure": lambda part: isinstance(part, Figure), "table": lambda part: isinstance(part, Table)}
    return made
