"""Labels that nothing can be learned from, told with the threshold that makes them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow.parquet as pq

from kraft.engine.workspace.store import Store
from kraft.errors import InputError
from kraft.settings import KUAIREC, Settings

_MORE = "or give a log with more interactions"


class LabelsError(InputError):
    """Too few positive rows, or too few others. It knows of no threshold: a stage adds it (`naming_threshold`).

    Args:
        problem: what cannot be done.
        rows: how many rows there are.
        positives: how many of them are positive.
    """

    def __init__(self, problem: str, rows: int, positives: int) -> None:
        super().__init__(problem, f"Change --positive-threshold, {_MORE}.")
        self.rows, self.positives = rows, positives


@contextmanager
def naming_threshold(store: Store, settings: Settings) -> Iterator[None]:
    """Add to a `LabelsError` what positive means here, what the log has, and so what to change.

    Raises:
        InputError: in its place.
    """
    try:
        yield
    except LabelsError as error:
        threshold = settings.positive_threshold
        share = f", {error.positives / error.rows:.2%} of the rows" if error.rows else ""
        if settings.log != KUAIREC:
            problem = f"{error.problem}: positive is what {settings.log} says is{share}"
            raise InputError(problem, f"Change the label of the description, {_MORE}.") from None
        least, most = _ratios(store)
        found = f"the watch_ratio of the log is from {least:g} to {most:g}"
        problem = f"{error.problem}: positive is watch_ratio >= {threshold:g} (--positive-threshold){share}; {found}"
        if most < threshold:
            remedy = f"Lower --positive-threshold to {most:g} or less."
        elif least >= threshold:
            remedy = f"Raise --positive-threshold above {least:g}."
        elif error.positives * 2 > error.rows:
            remedy = f"Raise --positive-threshold, {_MORE}."
        else:
            remedy = f"Lower --positive-threshold, {_MORE}."
        raise InputError(problem, remedy) from None


def _ratios(store: Store) -> tuple[float, float]:
    """The least and the largest watch_ratio of the log, from the statistics in the table's own footer."""
    with pq.ParquetFile(store.table("interactions")) as file:
        groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
        column = file.schema_arrow.names.index("watch_ratio")
        found = [group.column(column).statistics for group in groups]
    return min(one.min for one in found), max(one.max for one in found)
