"""How a value becomes the type that a contract asks for, and what a value that cannot is called."""

from duckdb.sqltypes import DuckDBPyType

from kraft.engine.paths import quoted
from kraft.engine.sql.column_types import NUMBERS, text_of

INTEGERS = {"INTEGER": 2**31, "BIGINT": 2**53}
"""DuckDB's integer types and the first number beyond each: text is read as a double first, exact up to here."""
TEXT = DuckDBPyType("VARCHAR")
TYPE_WORDS = {
    "INTEGER": "an integer (from -2,147,483,648 to 2,147,483,647)",
    "BIGINT": "an integer (from -9,007,199,254,740,991 to 9,007,199,254,740,991)",
    "DOUBLE": "a number",
}


def cast(column: str, read_as: DuckDBPyType | None, kind: str) -> str:
    """SQL for ``column`` as ``kind``. DuckDB rounds 1.7 to the integer 2; here that is an error, 2.0 is 2."""
    if read_as is None:
        return f"cast(null as {kind})"
    if kind == "VARCHAR":
        return text_of(column, read_as, kind)
    name = quoted(column)
    if kind not in INTEGERS or str(read_as) in INTEGERS:
        return f"cast({name} as {kind})"
    number = f"cast({name} as double)"
    # Beyond these, the cast itself fails for the narrower type; of the wider one, a double holds no more than this.
    exact = f" and abs({number}) < {INTEGERS[kind]}" if kind == "BIGINT" else ""
    return (
        f"case when {number} = floor({number}){exact} then cast({number} as {kind}) "
        f"when {number} is not null then cast(error('not a whole number') as {kind}) end"
    )


def fits(value: str, kind: str) -> bool:
    """Whether DuckDB would read ``value`` as ``kind``."""
    if kind not in NUMBERS:
        return True
    try:
        number = float(value)
    except ValueError:
        return False
    if not value.isascii():
        # Python reads the digits of every script.
        return False
    beyond = INTEGERS.get(kind)
    return beyond is None or (number.is_integer() and -beyond <= number < beyond)


def one_line(text: str) -> str:
    """A value as a message shows it: line ends and other characters that cannot be seen as their codes."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
