"""The stage that reads the files which options name (--pairs, --users, --items, --compare) before any work begins.

The stages that use them read them again, with the same rules: hours may lie between.
"""

from pathlib import Path
from typing import Literal

from kraft.engine.process.stage import STREAMING, Record, stage
from kraft.engine.workspace.store import Store
from kraft.settings import Settings

Kind = Literal["pairs", "users", "items", "scores"]
"""What a file holds."""


class CheckGiven(Record):
    """What `check_given` is asked."""

    settings: Settings
    files: tuple[tuple[Kind, Path], ...]


class GivenChecked(Record):
    """What `check_given` found: nothing wrong."""


@stage(CheckGiven, GivenChecked, STREAMING)
def check_given(arguments: CheckGiven) -> GivenChecked:
    """Read each file once by the rules of what it holds.

    Raises:
        InputError: as `GivenFile.take`, for the first file that is at fault.
    """
    from kraft import columns
    from kraft.engine.process.memory import Budget
    from kraft.engine.sql.given import ID, OWN_ID, SCORED, GivenFile
    from kraft.engine.sql.session import open_session
    from kraft.settings import KUAIREC
    from kraft.stages.given_pairs import PAIRS

    rules = {"pairs": PAIRS, "scores": SCORED, "users": {columns.USER_ID: ID}, "items": {columns.ITEM_ID: ID}}
    settings, store = arguments.settings, Store(arguments.settings.work)
    if settings.log != KUAIREC:
        # Which ids there are is known once the log has been read.
        own = dict.fromkeys((columns.USER_ID, columns.ITEM_ID), OWN_ID)
        rules = {kind: {name: own.get(name, rule) for name, rule in named.items()} for kind, named in rules.items()}
    paths = [path for _, path in arguments.files]
    with (
        store.scratch() as folder,
        open_session(Budget(settings.memory_limit), settings.threads, store.tmp, paths) as connection,
    ):
        for kind, path in arguments.files:
            GivenFile(path, rules[kind]).take(connection, folder / "given.parquet", settings.threads)
    return GivenChecked()
