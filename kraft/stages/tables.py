"""Which tables a job builds from which raw files, and in which order."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import duckdb

from kraft.artifacts import TRAINING_SAMPLE
from kraft.engine.process.memory import Budget
from kraft.engine.process.progress import Progress
from kraft.engine.quarantine.rejected_rows import Quarantine, publish
from kraft.engine.sql.builder import Builder
from kraft.engine.sql.queries import all_queries
from kraft.engine.sql.raw_file import RawFile, paths_of
from kraft.engine.sql.session import Connection, open_session
from kraft.engine.sql.sources import AbsentFile, Parquet, Source
from kraft.engine.workspace.snapshots import CATALOG, ID_TABLES
from kraft.engine.workspace.store import FIT, Store
from kraft.errors import InputError, KraftError, add_notes
from kraft.logs.described import sources as described
from kraft.logs.losses import TEST_ROWS, PeriodRows, hold_left_out, local_time, notes
from kraft.logs.read_files import ReadFiles, read_files
from kraft.settings import Settings, StackingSettings
from kraft.stages.described_tables import publish_rejected, sources_of
from kraft.stages.preset import history_store, preset_of
from kraft.stages.table_lists import DETAIL_TABLES, PAIR_TABLES, RECENT_POSITIVES
from kraft.stages.table_records import BuildTables, TableBuilt, TablesBuilt

if TYPE_CHECKING:
    from kraft.stages.table_records import ResolveRaw

LOG = "raw_interactions"
"""Logical name of the log."""
OBSERVED = "observed"
"""Folder of the work folder for the log that the protocol big-to-small tests on."""
OVERRIDES = {"interactions_test": "observed_pairs", TEST_ROWS: "observed_rows"}
"""Table of the test period -> the file of `sql/` that makes it if the test log is another file."""


def build(arguments: BuildTables, builder: Callable[..., Builder], resolve: "ResolveRaw") -> TablesBuilt:
    """One attempt of `build_tables`. If the preset stacks, the same files of `sql/` run again in the folder `fit`, over
    the train period only: it is cut again in time, and the ranker learns from the rows after that cut.
    """
    settings = arguments.settings
    if settings.raw is None:
        raise InputError("--raw is required here")
    budget, preset = Budget(settings.memory_limit), preset_of(settings)
    most_rows = settings.train_rows or budget.training_rows(len(preset.feature_names(settings)))
    observed = settings.protocol == "big-to-small"
    store, progress = Store(settings.work), Progress(settings.verbosity)
    inputs, extras = (
        sources_of(arguments.log, store, settings)
        if arguments.log
        else resolve(settings.raw, "big" if observed else settings.matrix)
    )
    seen = resolve(settings.raw, "small")[0] if observed else {}
    names = (*(arguments.tables or preset.tables), *arguments.more)
    stacking = None if arguments.tables else preset.stacking
    files = paths_of((*inputs.values(), *extras.values(), *seen.values()))
    quarantines: list[Quarantine] = []
    with open_session(budget, settings.threads, store.tmp, files) as connection, _noted(quarantines):
        parameters = settings.model_dump() | {
            "test_from": settings.test_from.timestamp() if settings.test_from else 0.0,
            "held_out_share": 0.0,
            "recent_positives": RECENT_POSITIVES,
        }
        make = partial(builder, connection, progress=progress, threads=settings.threads, force=settings.force)
        sources: dict[str, Source] = {**inputs, **extras}
        if observed:
            sources["observed_interactions"] = _observed(settings, make, store, seen, quarantines)
            parameters |= {"train_fraction": 1.0}
        overrides = described.OVERRIDES if arguments.log else OVERRIDES if observed else {}
        main = make(store, sources, parameters, overrides=overrides)
        quarantine = _quarantine(main, sources, quarantines)
        check_extras(connection, _unread(main, names, {name: sources[name] for name in extras}), quarantine)
        builders: list[tuple[str, Builder, tuple[str, ...]]] = [("", main, names)]
        if stacking:
            builders.append((f"{FIT}.", _fit(make, store, parameters, stacking), (TEST_ROWS, *PAIR_TABLES)))
        with progress.task("build_features", sum(len(listed) for _, _, listed in builders), "tables") as task:
            for prefix, each, listed in builders:
                for name in listed:
                    task.note(name)
                    # The pairs that the ranker learns from: those of the history, if the preset has one.
                    learned = name == preset.label_table and bool(prefix) == bool(preset.stacking)
                    (sampled(each, name, preset.label_pairs, most_rows) if learned else each).ensure(name)
                    if each is main and name == TEST_ROWS:
                        log = inputs["log_rows"] if arguments.log else (seen or inputs)[LOG]
                        hold_left_out(log, _period(main), settings.max_left_out)
                    task.advance()
        periods = [_period(each) for _, each, listed in builders if TEST_ROWS in listed]
        split, (rows, raw_rows) = _first(main, "split"), _log_rows(main)
        rejected = {file: found for one in quarantines for file, found in one.found().items()}
        if arguments.log:
            rejected = arguments.log.rejected
            publish_rejected(arguments.log, main)
        else:
            publish(store, quarantine)
            for name in ID_TABLES.values():
                store.discard(name)
    split["cut_time"] = local_time(split["cut_timestamp"])
    test_rows, label_rows, *_ = *periods, None, None
    return TablesBuilt(
        built={prefix + name: TableBuilt(**told) for prefix, each, _ in builders for name, told in each.built.items()},
        reused=[prefix + name for prefix, each, _ in builders for name in each.reused],
        absent=[name for name, file in extras.items() if isinstance(file, AbsentFile)] if stacking else [],
        split=split,
        interactions=rows,
        duplicates=raw_rows - rows,
        rejected=rejected,
        test_rows=test_rows,
        label_rows=label_rows,
        files=arguments.log.read_files(settings) if arguments.log else _files(settings, inputs, seen, extras, names),
        catalog=str(store.commit() if arguments.commit else store.folder / CATALOG),
    )


def _files(
    settings: Settings,
    inputs: Mapping[str, Source],
    seen: Mapping[str, Source],
    extras: Mapping[str, Source],
    names: Iterable[str],
) -> ReadFiles:
    """Which raw files were read, and which were left alone; ``seen`` holds a log that is tested on."""
    sides = {name: source for name, source in inputs.items() if name != LOG}
    logs = [given[LOG] for given in (inputs, seen) if given]
    return read_files(settings, logs, sides, extras, _readers(names))


def sampled(builder: Builder, learned: str, pairs: str, most_rows: int) -> Builder:
    """The builder that makes the table ``learned`` from a sample of ``pairs``, if these are more than ``most_rows``.

    The features of the other pairs are never computed. The sample stays as the table `training_sample`, with the
    weights; where all pairs are taken there is no such table.
    """
    builder.ensure(pairs)
    if builder.rows_of(pairs) <= most_rows:
        builder.store.discard(TRAINING_SAMPLE)
        return builder
    draw = replace(
        builder,
        raw={"label_pairs": Parquet(builder.store.table(pairs))},
        settings={"most_rows": most_rows},
        _digests={},
    )
    sample = Parquet(draw.ensure(TRAINING_SAMPLE))
    parts = [name for name in all_queries()[learned].inputs if name != pairs]
    known: dict[str, Source] = {name: Parquet(builder.ensure(name)) for name in parts}
    return replace(builder, raw={**known, pairs: sample}, _digests={})


def _unread(builder: Builder, names: Iterable[str], extras: Mapping[str, Source]) -> dict[str, RawFile]:
    """Of the optional files, those that a table is to be made of and has not been made of as they are now."""
    readers = _readers(names)

    def is_read(name: str, file: RawFile) -> bool:
        made_of = [
            (builder.store.entry(reader) or {}).get("fingerprint", {}).get("inputs", {}) for reader in readers[name]
        ]
        return not builder.force and all(inputs.get(name) == file.state() for inputs in made_of)

    return {name: file for name, file in extras.items() if isinstance(file, RawFile) and not is_read(name, file)}


def _readers(names: Iterable[str]) -> dict[str, set[str]]:
    """Of the tables ``names`` and all that they are made of, those that read each raw file directly."""
    queries, readers = all_queries(), defaultdict[str, set[str]](set)
    waiting, seen = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name in queries and name not in seen:
            seen.add(name)
            for part in queries[name].inputs:
                readers[part].add(name)
                waiting.append(part)
    return readers


def _observed(
    settings: Settings,
    make: Callable[..., Builder],
    store: Store,
    inputs: Mapping[str, Source],
    quarantines: list[Quarantine],
) -> Parquet:
    """small_matrix, typed and checked like any log, in its own folder, with the table of its bad rows."""
    sources: dict[str, Source] = dict(inputs)
    own = make(store.inner(OBSERVED), sources, settings.model_dump())
    quarantine = _quarantine(own, sources, quarantines)
    made = Parquet(own.ensure("interactions"))
    publish(own.store, quarantine)
    return made


def _fit(make: Callable[..., Builder], store: Store, parameters: Mapping[str, Any], how: StackingSettings) -> Builder:
    """What makes the tables of the train period, cut again in time."""
    known: dict[str, Source] = {name: Parquet(store.table(name)) for name in DETAIL_TABLES}
    known |= {"interactions": Parquet(store.table("interactions_train"))}
    again = {"train_fraction": how.history_fraction, "test_from": 0.0, "held_out_share": how.held_out_share}
    return make(history_store(store), known, {**parameters, **again})


def _quarantine(builder: Builder, sources: dict[str, Source], quarantines: list[Quarantine]) -> Quarantine | None:
    """The quarantine of ``sources``, if `--on-bad-rows` asks for one: ``builder`` uses it, ``quarantines`` gets it."""
    if builder.settings["on_bad_rows"] != "quarantine":
        return None
    quarantine = Quarantine(builder.store, builder.connection, sources, builder.settings)
    builder.quarantine = quarantine.quarantine
    quarantines.append(quarantine)
    return quarantine


@contextmanager
def _noted(quarantines: list[Quarantine]) -> Iterator[None]:
    """Let every error say which rows were quarantined before it: they may be its reason."""
    try:
        yield
    except KraftError as error:
        add_notes(error, [note for quarantine in quarantines for note in notes(quarantine.found(), published=False)])
        raise


def _period(builder: Builder) -> PeriodRows:
    """The counts of `TEST_ROWS`, with what they are held against."""
    split = _first(builder, "split")
    cut = {"n": split["n"], "null_timestamps": split["null_timestamps"], "cut_time": local_time(split["cut_timestamp"])}
    return cast("PeriodRows", _first(builder, TEST_ROWS) | cut)


def _first(builder: Builder, table: str) -> dict[str, Any]:
    builder.source(table).register(builder.connection, table)
    relation = builder.connection.view(table)
    return dict(zip(relation.columns, relation.fetchall()[0], strict=True))


def _log_rows(builder: Builder) -> tuple[int, int]:
    """Rows of the log, and rows of its file."""
    builder.source("interactions").register(builder.connection, "interactions")
    log = builder.connection.view("interactions").aggregate("count(*), coalesce(sum(copies), 0)").fetchall()
    return int(log[0][0]), int(log[0][1])


def check_extras(connection: Connection, files: Mapping[str, RawFile], quarantine: Quarantine | None) -> None:
    """`check_extra` of every file, side by side: one of them is parsed by Python, in one thread.

    Raises:
        InputError: as `check_extra`, for the first file that is at fault and whose bad rows are not quarantined.
    """
    with ThreadPoolExecutor(max_workers=len(files) or 1) as pool:
        # A cursor is a separate connection: one connection runs one query at a time.
        checks = [pool.submit(check_extra, connection.cursor(), name, file) for name, file in files.items()]
        for name, check in zip(files, checks, strict=True):
            try:
                check.result()
            except InputError:
                if quarantine is None or not quarantine.quarantine(name):
                    raise


def check_extra(connection: Connection, name: str, file: RawFile) -> None:
    """Read an optional file through its contract and hold its ids to theirs.

    Raises:
        InputError: a value is not of its type, or an id is missing or negative.
    """
    key = next(iter(file.columns))
    # Counting each column forces each cast.
    counted = ", ".join(f"count({column})" for column in file.columns)
    try:
        file.register(connection, name)
        row = connection.view(name).aggregate(f"count(*), min({key}), {counted}").fetchall()[0]
    except duckdb.Error as error:
        raise file.explain(error) or error from error
    rows, least, present = row[:3]
    if present != rows or (rows and least < 0):
        raise InputError(
            f"{file.path}, column {key}: ids must be integers from 0 on (least {least}, missing {rows - present})",
            "Correct these rows. Nothing was written.",
        )
