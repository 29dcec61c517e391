"""The tables on Spark."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from pyspark.sql import SparkSession

from kraft.engine.sql.sources import Source
from kraft.engine.workspace.store import Store
from kraft.errors import InputError
from kraft.logs import contracts
from kraft.logs.contracts import CATEGORIES, INTERACTION_COLUMNS, OPTIONAL, OPTIONAL_OF_A_LOG, USERS
from kraft.logs.files import KINDS
from kraft.spark.builder import SparkBuilder
from kraft.spark.remote import Found, RemoteLog, mirrored
from kraft.spark.session import spark_session
from kraft.stages.build_tables import build_tables
from kraft.stages.table_records import BuildTables, TablesBuilt

MIRROR: Final = "raw"
"""Folder of the work folder for copies of the small files of a --raw that is elsewhere."""
COUNTS: Final = "user_item_counts"
"""What Spark's ALS is fitted on. Without Spark it is fitted on the log, and this table is built for lists only."""
Sources = Mapping[str, Source]


def build(arguments: BuildTables) -> TablesBuilt:
    """`kraft.stages.build_tables.build_tables` on Spark, and `COUNTS`."""
    settings = arguments.settings
    session = spark_session(settings.master)
    more = tuple(dict.fromkeys((COUNTS, *arguments.more)))
    return build_tables(
        arguments.model_copy(update={"more": more}),
        builder=partial(SparkBuilder, spark=session),
        resolve=partial(resolve, session, Store(settings.work).folder / MIRROR),
    )


def resolve(session: SparkSession, mirror: Path, raw: Path | str, matrix: str) -> tuple[Sources, Sources]:
    """`kraft.logs.contracts.resolve`, where the folder or the log may be at a URL.

    Args:
        session: Spark's.
        mirror: gets copies of the small files of a folder that is elsewhere.
        raw: folder of this machine, or URL of one.
        matrix: small, big, a path or a URL.
    """
    if isinstance(raw, Path) and "://" not in matrix:
        return contracts.resolve(raw, matrix)
    there: dict[str, Found] = {}
    if isinstance(raw, str):
        stems = [contract.stem for contract in (USERS, CATEGORIES, *OPTIONAL)]
        base, there = mirrored(session, raw, stems, mirror)
        folder = mirror
    else:
        base = str(raw)
        folder = contracts.folder_of(raw)
    if matrix in {"small", "big"}:
        found = [there[name] for kind in KINDS if (name := f"{matrix}_matrix.{kind}") in there]
        # As `kraft.logs.files.find_file` chooses.
        place = max(found, key=lambda one: one.changed).url if found else ""
        if not place:
            raise InputError(f"{base}: {matrix}_matrix.csv (or .parquet) is not there", "Give a folder that has it.")
    else:
        place = matrix
    log: Source
    # Of what it lists, Hadoop writes a local file's URL without its //.
    if "://" in place or place in {one.url for one in there.values()}:
        log = RemoteLog(session, place, INTERACTION_COLUMNS, OPTIONAL_OF_A_LOG)
        log.check_header()
    else:
        log = contracts.log_file(folder, place)
    inputs, extras = contracts.side_files(folder)
    return {"raw_interactions": log} | inputs, extras
