"""Small CSV files that DuckDB's reader refuses, parsed in memory: fields may hold bare carriage returns."""

import csv
import io
from collections.abc import Collection, Sequence
from pathlib import Path

from kraft.errors import InputError

PRIVATE = range(0xE000, 0xF900)
"""Characters without a meaning of their own (Unicode's private use area)."""


def read_texts(path: Path, header: Sequence[str], wanted: Collection[str]) -> dict[str, list[str | None]]:
    """Some columns of a CSV file as texts; an empty field is None. Only a line feed, alone or after a carriage return,
    ends a line.

    Args:
        path: the file.
        header: names of its columns, in its order.
        wanted: of these, the ones to return.

    Raises:
        InputError: it is not UTF-8, or a line has more or fewer fields than the header.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text", "Save the file as UTF-8.") from None
    # Python's csv takes every carriage return for the end of a line: another character stands in for it.
    stand_in = next(char for char in map(chr, PRIVATE) if char not in text)
    records = csv.reader(io.StringIO(text.replace("\r", stand_in), newline=""), strict=True)
    rows: list[list[str]] = []
    try:
        next(records)
        for record in filter(None, records):
            if len(record) != len(header):
                raise InputError(
                    f"{path}, line {records.line_num:,}: {len(record)} fields where the header has {len(header)}",
                    "Correct the row. Nothing was written.",
                )
            rows.append(record)
    except csv.Error as error:
        raise InputError(
            f"{path}, line {records.line_num:,}: not a valid CSV row ({error})", "Correct the row. Nothing was written."
        ) from None
    positions = [(name, position) for position, name in enumerate(header) if name in wanted]
    return {name: [row[position].replace(stand_in, "\r") or None for row in rows] for name, position in positions}
