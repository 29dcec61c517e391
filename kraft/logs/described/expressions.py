"""The expressions of a description: checked against a file's columns, and made one SELECT with KRAFT's own columns."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

import duckdb

from kraft.engine.paths import quoted
from kraft.engine.sql.casts import TYPE_WORDS
from kraft.engine.sql.session import Connection
from kraft.errors import InputError
from kraft.logs.described.description import Interactions, Items, Users
from kraft.logs.described.sources import ROW

WATCH_RATIO: Final = "watch_ratio"
_INTEGERS: Final = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
_TIMES: Final = ("TIMESTAMP", "DATE")
_LATEST: Final = 4_102_444_800
"""1 January 2100, in unix seconds."""
_COLUMN: Final = re.compile(r'Referenced column "(?P<name>[^"]+)" not found')


@dataclass(frozen=True)
class Expressions:
    """Compiles expressions over the rows of one file.

    Args:
        connection: may read the file.
        rows: SQL for its rows.
        columns: name -> type of its columns.
        where: the file, the description and the section, for messages.
    """

    connection: Connection
    rows: str
    columns: Mapping[str, str]
    where: str
    numbered: bool = False
    """Whether the SELECTs have the column `described_row` too: the row's number in the file, from 1."""

    @property
    def source(self) -> str:
        """SQL for the rows, numbered if they are to be."""
        return f"select *, row_number() over () as {ROW} from ({self.rows})" if self.numbered else self.rows  # noqa: S608

    def typed(self, name: str, text: str) -> tuple[str, str]:
        """The type of an expression, and the expression as SQL: a column may have the name of a keyword.

        Args:
            name: of the field that holds it, for messages.
            text: the expression.

        Raises:
            InputError: it is no SQL expression over the columns, one value a row.
        """
        sql = quoted(text) if text in self.columns else f"(\n{text}\n)"
        # A row of the same types: the file is not opened again for every expression.
        row = ", ".join(f"cast(null as {kind}) as {quoted(column)}" for column, kind in self.columns.items())
        try:
            if text not in self.columns:
                duckdb.SQLExpression(text)
            # Beside all columns: an aggregate, which has no value a row, does not compile.
            described = self.connection.execute(
                f"describe select *, {sql} as {quoted('described value')} from (select {row})"  # noqa: S608
            ).fetchall()
        except duckdb.Error as error:
            raise self._refused(name, text, error) from None
        return str(described[-1][1]), sql

    def _refused(self, name: str, text: str, error: duckdb.Error) -> InputError:
        detail = str(error).splitlines()[0].split(": ", 1)[-1].rstrip(" !")
        told = f"{self.where} {name} = {text!r}: "
        if found := _COLUMN.search(str(error)):
            near = get_close_matches(found["name"], self.columns, 1)
            known = f"did you mean {near[0]}?" if near else f"it has {', '.join(self.columns)}"
            return InputError(f"{told}the file has no column {found['name']}; {known}", "Correct the expression.")
        if "GROUP BY clause" in detail:
            detail = "an aggregate has no value for each row"
        if "only a single expression" in detail:
            detail = "more than one expression"
        return InputError(f"{told}{detail[0].lower()}{detail[1:]}", "Give a SQL expression over the file's columns.")

    def refused_type(self, name: str, text: str, kind: str, wanted: str) -> InputError:
        """The error for an expression of the wrong type."""
        return InputError(f"{self.where} {name} = {text!r} is {kind}, and must be {wanted}", "Correct the expression.")

    # --- what the fields hold -------------------------------------------------------------------

    def id(self, name: str, text: str) -> str:
        """SQL for an id as text."""
        kind, sql = self.typed(name, text)
        if kind in {"DOUBLE", "FLOAT", "BOOLEAN"} or kind.startswith(("DECIMAL", *_TIMES)) or kind.endswith(("]", ")")):
            raise self.refused_type(name, text, kind, "integers or text: for example cast(... as bigint)")
        return f"nullif(cast({sql} as varchar), '')"

    def time(self, name: str, text: str) -> str:
        """SQL for a time in unix seconds; NULL where the value is no time."""
        kind, sql = self.typed(name, text)
        if kind == "VARCHAR":
            return f"epoch(try_cast({sql} as timestamptz))"
        if kind.startswith(_TIMES):
            return f"epoch({sql})"
        if _is_number(kind):
            return f"cast({sql} as double)"
        raise self.refused_type(name, text, kind, "unix seconds, a TIMESTAMP, a DATE or ISO text")

    def day(self, name: str, text: str) -> str:
        """SQL for a DATE; NULL where the value is no day."""
        kind, sql = self.typed(name, text)
        if kind != "VARCHAR" and not kind.startswith(_TIMES):
            raise self.refused_type(name, text, kind, "a DATE, a TIMESTAMP or ISO text")
        return f"try_cast({sql} as date)"

    def label(self, name: str, text: str) -> str:
        """SQL for a BOOLEAN; NULL where an integer is neither 0 nor 1."""
        kind, sql = self.typed(name, text)
        if kind == "BOOLEAN":
            return sql
        if kind in _INTEGERS:
            return f"case {sql} when 1 then true when 0 then false end"
        raise self.refused_type(name, text, kind, "a condition, for example rating >= 4, or 0 and 1")

    def milliseconds(self, name: str, text: str) -> str:
        """SQL for a DOUBLE."""
        return self.number(name, text, "milliseconds")

    def number(self, name: str, text: str, wanted: str = "a number") -> str:
        """SQL for a DOUBLE."""
        kind, sql = self.typed(name, text)
        if _is_number(kind):
            return f"cast({sql} as double)"
        raise self.refused_type(name, text, kind, wanted)

    def text(self, name: str, text: str) -> str:
        """SQL for a text; NULL where it is empty."""
        _, sql = self.typed(name, text)
        return f"nullif(trim(cast({sql} as varchar)), '')"

    def texts(self, name: str, text: str) -> str:
        """SQL for a list of texts, from a list, or from a text with brackets, commas or bars."""
        kind, sql = self.typed(name, text)
        if kind.endswith("]"):
            return f"cast({sql} as varchar[])"
        parts = f"string_split_regex(trim(cast({sql} as varchar), '[] '), '[|,]')"
        trimmed = f"list_transform({parts}, lambda part: trim(part, ' \"'''))"
        return f"list_filter({trimmed}, lambda part: part <> '')"


def _is_number(kind: str) -> bool:
    return kind in _INTEGERS or kind in {"DOUBLE", "FLOAT"} or kind.startswith("DECIMAL")


def select_interactions(on: Expressions, log: Interactions) -> str:
    """The SELECT of a log's rows; `rule` says what is wrong with a row, NULL if nothing is."""
    plays = on.milliseconds("watch_time", log.watch_time) if log.watch_time else None
    length = on.milliseconds("length", log.length) if log.length else None
    ratio = "cast(null as double)"
    if WATCH_RATIO in on.columns and plays and length:
        ratio = on.number("watch_ratio", WATCH_RATIO)
    elif plays and length:
        ratio = f"{plays} / nullif(greatest({length}, 0e0), 0e0)"
        added = f"select *, {ratio} as {WATCH_RATIO} from ({on.rows})"  # noqa: S608 - checked expressions
        on = replace(on, rows=added, columns={**on.columns, WATCH_RATIO: "DOUBLE"})
        ratio = WATCH_RATIO
    label = on.label("label", log.label)
    time = on.time("time", log.time) if log.time else None
    where = _condition(on, log.where)
    listed = {
        "user_key": on.id("user", log.user),
        "item_key": on.id("item", log.item),
        "timestamp": time or "cast(null as double)",
        "label": label,
        "play_duration": f"try_cast(round({plays}) as integer)" if plays else "cast(null as integer)",
        "video_duration": f"try_cast(round({length}) as integer)" if length else "cast(null as integer)",
        "watch_ratio": ratio,
        "has_time": f"{on.typed('time', log.time)[1]} is not null" if log.time else "false",
    }
    return f"""
        with read as ({_selected(on, listed, where)})
        select
            user_key, item_key, timestamp, label, play_duration,
            case when video_duration > 0 then video_duration end as video_duration,
            watch_ratio,
            case when timestamp >= 0 and timestamp < {_LATEST}
                then cast(strftime(to_timestamp(timestamp), '%Y%m%d') as integer) end as date,
            {_rule(log)} as rule{f", {ROW}" if on.numbered else ""}
        from read
    """  # noqa: S608 - checked expressions


def _rule(log: Interactions) -> str:
    """SQL: the first rule that a row breaks, beginning with the field that it is about."""
    rules = {
        "user_key is null": "user must not be missing",
        "item_key is null": "item must not be missing",
        "has_time and timestamp is null": "time must be a time",
        f"timestamp >= 1e11 and timestamp < {_LATEST}e3": (
            "time must be unix seconds from 1970 to 2100, and looks like milliseconds: divide it by 1000"
        ),
        f"not (timestamp >= 0 and timestamp < {_LATEST})": "time must be unix seconds from 1970 to 2100",
        "label is null": "label must be true or false: for a missing one, write coalesce(..., false)",
    }
    if log.watch_time:
        rules["not coalesce(play_duration >= 0, false)"] = "watch_time must be from 0 to 2,147,483,647 ms"
    return _first(rules)


def select_users(on: Expressions, users: Users, known: Mapping[str, str]) -> str:
    """The SELECT of the users: `user_key`, and the columns of ``known`` (name -> type), NULL where not described.

    Raises:
        InputError: an expression is wrong, or an attribute is not one of ``known``.
    """
    for name in users.attributes:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(
                f"{on.where} attributes: KRAFT has no feature {name}", f"{hint}Known are {', '.join(known)}."
            )
        on.typed("attributes", name)
    listed = {"user_key": on.id("key", users.key)}
    listed |= {
        name: f"try_cast({quoted(name) if name in users.attributes else 'null'} as {kind})"
        for name, kind in known.items()
    }
    rules = {f"{listed['user_key']} is null": "key must not be missing"} | {
        f"{quoted(name)} is not null and {listed[name]} is null": f"{name} must be {TYPE_WORDS[known[name]]}"
        for name in users.attributes
        if known[name] in TYPE_WORDS
    }
    return _selected(on, listed | {"rule": _first(rules)}, _condition(on, users.where))


def select_items(on: Expressions, items: Items) -> str:
    """The SELECT of the items: item_key, categories (VARCHAR[]), author, uploaded (DATE), kind, title."""
    listed = {
        "item_key": on.id("key", items.key),
        "categories": on.texts("categories", items.categories) if items.categories else "cast(null as varchar[])",
        "author": on.text("author", items.author) if items.author else "cast(null as varchar)",
        "uploaded": on.day("uploaded", items.uploaded) if items.uploaded else "cast(null as date)",
        "kind": on.text("kind", items.kind) if items.kind else "cast(null as varchar)",
        "title": on.text("title", items.title) if items.title else "cast(null as varchar)",
    }
    rules = {f"{listed['item_key']} is null": "key must not be missing"}
    if items.uploaded:
        rules[f"{on.text('uploaded', items.uploaded)} is not null and {listed['uploaded']} is null"] = (
            "uploaded must be a day"
        )
    return _selected(on, listed | {"rule": _first(rules)}, _condition(on, items.where))


def _selected(on: Expressions, listed: Mapping[str, str], where: str) -> str:
    selected = ", ".join(f"{sql} as {quoted(name)}" for name, sql in listed.items())
    return f"select {selected}{f', {ROW}' if on.numbered else ''} from ({on.source}) {where}"  # noqa: S608 - checked expressions


def _first(rules: Mapping[str, str]) -> str:
    """SQL: the first rule (condition of a bad row -> words) that a row breaks; NULL if it breaks none."""
    cases = " ".join(f"when {broken} then '{rule}'" for broken, rule in rules.items())
    return f"case {cases} end"


def _condition(on: Expressions, text: str | None) -> str:
    if text is None:
        return ""
    kind, sql = on.typed("where", text)
    if kind != "BOOLEAN":
        raise on.refused_type("where", text, kind, "a condition")
    return f"where {sql}"
