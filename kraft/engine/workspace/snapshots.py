"""What readers of a work folder see: one whole state of all tables. The next state replaces it in a single step.

    states/000007/tables/NAME.parquet   hard links to the tables as they were when a job ended
    states/000007/fit/NAME.parquet      the same of the folder `fit`
    states/000007/kraft.duckdb          the catalog: a view a table, over these very files
    current -> states/000007            the step: `tables`, `fit/tables` and `kraft.duckdb` lead through it

Jobs work in `draft/`, which nobody else reads. A state leaves out tables whose inputs have changed since, such as
scores of a ranker that was trained again. A program that has opened a catalog keeps reading its state. A later job
removes the state when nobody has that catalog open (DuckDB locks a file that it reads).
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

from kraft import columns
from kraft.engine.paths import file_state, literal, parquet_rows, quoted
from kraft.engine.workspace.manifest import Entry, locked

STATES: Final = "states"
CURRENT: Final = "current"
TABLES: Final = "tables"
CATALOG: Final = "kraft.duckdb"
ID_TABLES: Final = {columns.USER_ID: "user_ids", columns.ITEM_ID: "item_ids"}
"""Column -> the table that says which of the log's own ids each number in it stands for, if there is one."""


class Store(Protocol):
    """What is needed of `kraft.engine.workspace.store.Store`, which documents it."""

    folder: Path

    def scratch(self) -> AbstractContextManager[Path]: ...
    def table(self, name: str) -> Path: ...
    def manifest(self) -> dict[str, Entry]: ...
    def entry(self, name: str) -> Entry | None: ...


def begin(folder: Path) -> None:
    """Give a new work folder an empty state, and the links that lead to it."""
    if os.path.lexists(folder / TABLES):
        return
    (folder / STATES / _name(0) / TABLES).mkdir(parents=True, exist_ok=True)
    for link, target in ((CURRENT, f"{STATES}/{_name(0)}"), (TABLES, f"{CURRENT}/{TABLES}")):
        # Two processes may begin at once.
        with suppress(FileExistsError):
            (folder / link).symlink_to(target)


def begin_inner(folder: Path, name: str) -> None:
    """`begin` for the store in the folder ``name`` of a work folder, which is part of that work folder's states."""
    if os.path.lexists(folder / name / TABLES):
        return
    (folder / name).mkdir(exist_ok=True)
    with suppress(FileExistsError):
        (folder / name / TABLES).symlink_to(f"../{CURRENT}/{name}")
    (folder / CURRENT / name).mkdir(exist_ok=True)


def commit(store: Store, inner: Mapping[str, Store]) -> Path:
    """Show readers the tables as they are now; returns the catalog.

    Args:
        store: the work folder; this job holds its lock.
        inner: the stores in folders of it, by the folder's name: schemas of the catalog.
    """
    folder = store.folder
    with locked(folder / STATES), store.scratch() as draft:
        number = 1 + max((int(one.name) for one in (folder / STATES).iterdir() if one.name.isdigit()), default=0)
        # Nobody reads it before `current` points to it. If this process dies, the next one removes it.
        target = folder / STATES / _name(number)
        try:
            _fill(target, store, inner)
            _point(folder / CURRENT, f"{STATES}/{target.name}", draft)
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
        _point(folder / CATALOG, f"{CURRENT}/{CATALOG}", draft)
    return folder / CATALOG


def _fill(target: Path, store: Store, inner: Mapping[str, Store]) -> None:
    chosen = dict(_consistent(store, inner))
    for part, names in chosen.items():
        (target / (part or TABLES)).mkdir(parents=True)
        of = inner[part] if part else store
        for name in names:
            _link(of.table(name), target / (part or TABLES) / f"{name}.parquet")
    _write_catalog(target, store, inner, chosen)


def forget(folder: Path) -> None:
    """Remove the states that are not the current one and that nobody reads."""
    current = (folder / CURRENT).resolve().name
    with locked(folder / STATES):
        for state in (folder / STATES).iterdir():
            if state.name != current and not _in_use(state / CATALOG):
                shutil.rmtree(state, ignore_errors=True)


def _name(number: int) -> str:
    return f"{number:06}"


def _link(table: Path, target: Path) -> None:
    try:
        target.hardlink_to(table)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        # The file system has no hard links.
        shutil.copy2(table, target)


def _point(link: Path, target: str, draft: Path) -> None:
    """Let ``link`` lead to ``target``, from one moment to the next."""
    new = draft / link.name
    new.symlink_to(target)
    new.replace(link)


def _in_use(catalog: Path) -> bool:
    """Whether another process has the catalog open: DuckDB then holds a lock on it, for reading or for writing."""
    try:
        handle = os.open(catalog, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


# --- which tables belong together ---------------------------------------------------------------


def _consistent(store: Store, inner: Mapping[str, Store]) -> Iterator[tuple[str, list[str]]]:
    """Folder of the state ("" for the main tables) -> its tables: those whose inputs are still what they were."""
    stores: dict[str, Store] = {"": store, **inner}
    entries = {part: one.manifest() for part, one in stores.items()}
    verdicts: dict[tuple[str, str], bool] = {}

    def holds(part: str, name: str) -> bool:
        if (part, name) not in verdicts:
            entry = entries[part][name]
            verdicts[part, name] = stores[part].entry(name) is not None and all(
                fits(part, *recorded) for recorded in entry["fingerprint"]["inputs"].items()
            )
        return verdicts[part, name]

    def fits(part: str, name: str, recorded: str) -> bool:
        if ":" in recorded:
            return fits_file(recorded)
        owner, _, bare = name.rpartition(".")
        owner = owner or part
        found = entries.get(owner, {}).get(bare)
        return found is None or (found["digest"] == recorded and holds(owner, bare))

    def fits_file(recorded: str) -> bool:
        """The state of one of these tables; raw files are not looked at here."""
        path = Path(recorded.rsplit(":", 2)[0])
        for owner, one in stores.items():
            if path == one.table(path.stem):
                return path.stem in entries[owner] and holds(owner, path.stem) and file_state(path) == recorded
        return True

    for part, listed in entries.items():
        yield part, [name for name, entry in listed.items() if _is_table(entry) and holds(part, name)]


def _is_table(entry: Entry) -> bool:
    return str(entry["path"]).endswith(".parquet")


# --- the catalog ------------------------------------------------------------------------------------


def _write_catalog(state: Path, store: Store, inner: Mapping[str, Store], chosen: Mapping[str, list[str]]) -> None:
    """A view a table over the files of ``state``, with absolute paths, so that it answers from any working directory;
    commented from the headers of `sql/`.
    """
    # Imported here: the ranker's stage publishes too, and has no room for DuckDB.
    from kraft.engine.sql.session import open_file  # noqa: PLC0415

    with _writable(state / CATALOG) as file, open_file(file) as connection:
        # One transaction: a hundred of them would take twice the time of all statements.
        connection.execute("begin")
        numbered = {
            column: state / TABLES / f"{name}.parquet" for column, name in ID_TABLES.items() if name in chosen[""]
        }
        for part, names in chosen.items():
            if part:
                connection.execute(f"create schema {quoted(part)}")
            entries = (inner[part] if part else store).manifest()
            for name in names:
                view = f"{quoted(part or 'main')}.{quoted(name)}"
                ids = {} if name in ID_TABLES.values() else numbered
                _add_view(connection, view, state / (part or TABLES) / f"{name}.parquet", entries[name], ids)
        connection.execute("commit")


@contextmanager
def _writable(catalog: Path) -> Iterator[Path]:
    """Where to write a catalog. DuckDB 2.0 puts `.wal` before a `?` in a path, into a folder that is not there: then it
    is written elsewhere and copied. Reading is not concerned.
    """
    if "?" not in str(catalog):
        yield catalog
        return
    with TemporaryDirectory() as elsewhere:
        file = Path(elsewhere, CATALOG)
        yield file
        shutil.copyfile(file, catalog)


def _add_view(connection: Any, view: str, table: Path, entry: Entry, ids: Mapping[str, Path]) -> None:  # noqa: ANN401 - DuckDB is imported where it is used
    """Add one view, with the log's own ids in place of numbers (``ids``: column -> table that numbers its ids)."""
    replaced, joins = [], []
    for column, path in ids.items():
        if column in entry["columns"]:
            own = quoted(f"own {column}")
            replaced.append(f"{own}.id as {column}")
            joins.append(f"left join {parquet_rows(path)} as {own} on rows.{column} = {own}.{column}")
    rows = f"from {parquet_rows(table)}"
    if replaced:
        rows = f"select rows.* replace ({', '.join(replaced)}) {rows} as rows {' '.join(joins)}"
    # DuckDB takes no parameters in CREATE VIEW and COMMENT: text is quoted by doubling quotes.
    connection.execute(f"create view {view} as {rows}")
    connection.execute(f"comment on view {view} is {literal(entry['purpose'])}")
    for column, meaning in entry["columns"].items():
        connection.execute(f"comment on column {view}.{quoted(column)} is {literal(meaning)}")
