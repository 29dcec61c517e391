"""What the stages of a job returned."""

from typing import Any, ParamSpec, TypeVar

from kraft.engine.process.stage import Measured, Record, Stage

A = TypeVar("A", bound=Record)
R = TypeVar("R", bound=Record)
P = ParamSpec("P")


class Results:
    """What each stage returned and took: its last run that the summary tells of."""

    def __init__(self) -> None:
        self._told: dict[Stage[Any, ..., Any], Measured[Any]] = {}
        self.peak_bytes = 0
        """The greatest of all stages that ran."""

    def add(self, stage: Stage[A, P, R], measured: Measured[R], *, told: bool) -> None:
        self.peak_bytes = max(self.peak_bytes, measured.peak_bytes)
        if told:
            self._told[stage] = measured

    def get(self, stage: Stage[A, P, R]) -> Measured[R] | None:
        """None if the stage did not run."""
        return self._told.get(stage)
