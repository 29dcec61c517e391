"""The one family of errors that KRAFT raises on purpose.

A job prints a `KraftError` as one line (what is wrong) and one remedy, without a traceback, and exits
with the error's code. Everything else that escapes is a defect and keeps its traceback.
"""

from collections.abc import Iterable


class KraftError(Exception):
    """Something the user or the machine can put right.

    Args:
        problem: what is wrong and where: file, line or column, the rule that was broken.
        remedy: what to type or to change; empty if the problem already says it.

    Notes (`add_note`) say what else may have led to it, each on a line of its own before the remedy.
    """

    exit_code = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return "\n       ".join(filter(None, [self.problem, *notes_of(self), self.remedy]))


def notes_of(error: BaseException) -> list[str]:
    """The notes that were added to an error."""
    return list(getattr(error, "__notes__", ()))


def add_notes(error: BaseException, notes: Iterable[str]) -> None:
    for note in notes:
        error.add_note(note)


class InputError(KraftError):
    """A file, a value or an option breaks its rule; nothing was written. Exit code 2."""

    exit_code = 2


class DownloadError(KraftError):
    """The server or the network did not deliver the whole, right file. Exit code 1."""


class MachineError(KraftError):
    """The disk, the memory or a permission failed the job. Exit code 1."""


class EngineError(KraftError):
    """DuckDB failed by itself, by an assertion of its own or a fatal error; its session is lost. Exit code 1."""


class QueryError(KraftError):
    """A file of `sql/` and the code that runs it disagree: a defect of the project. Exit code 1."""
