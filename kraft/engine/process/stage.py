"""A stage: a function with typed arguments and a typed result that runs in a process of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar, cast

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Arguments or result of a stage: frozen, and without fields that nobody declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


A = TypeVar("A", bound=Record)
"""Arguments."""
R = TypeVar("R", bound=Record)
"""Result."""
P = ParamSpec("P")
"""What an engine of its own passes beside the arguments."""

PARALLEL: Final[Mapping[str, str]] = MappingProxyType({})
"""The libraries use every thread."""
STREAMING: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Batches that Polars reads ahead of what is computed of them: with a thread a core, and several row groups at
        # once, 30 to 130 MiB more at the peak of ALS, for not a second less.
        "POLARS_MAX_THREADS": "1",
        "POLARS_ROW_GROUP_PREFETCH_SIZE": "1",
    }
)
"""Polars reads batch after batch."""
LOW_MEMORY: Final[Mapping[str, str]] = MappingProxyType(
    {
        **STREAMING,
        # Large blocks come from the system and go back to it at once, for Arrow too: 40 MiB less at the peak of the
        # ranker. A stage that allocates much and often pays in page faults (a fifth more time for tables and ALS).
        "MALLOC_MMAP_THRESHOLD_": "131072",
        "MALLOC_TRIM_THRESHOLD_": "131072",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
    }
)
"""For a stage that is short of memory rather than of time."""


@dataclass(frozen=True, eq=False)
class Stage(Generic[A, P, R]):
    """A function to run in a process of its own (`kraft.engine.process.worker.run`); called, it runs here."""

    function: Callable[Concatenate[A, P], R]
    """Lies at the top of its module under its own name: there the new process finds it."""
    arguments: type[A]
    result: type[R]
    environment: Mapping[str, str]
    """Variables of its process, unless the user set them: `PARALLEL`, `STREAMING` or `LOW_MEMORY`."""

    def __call__(self, arguments: A, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(arguments, *args, **kwargs)

    @property
    def module(self) -> str:
        return self.function.__module__

    @property
    def name(self) -> str:
        return self.function.__name__

    def answer(self, arguments: str) -> dict[str, Any]:
        """Run the function on its arguments as JSON; returns its result as JSON can hold it."""
        # What an engine passes beside the arguments has defaults.
        function: Callable[[A], R] = cast("Callable[[A], R]", self.function)
        return function(self.arguments.model_validate_json(arguments)).model_dump(mode="json")


def stage(
    arguments: type[A], result: type[R], environment: Mapping[str, str] = STREAMING
) -> Callable[[Callable[Concatenate[A, P], R]], Stage[A, P, R]]:
    """Make a function a stage: a decorator. All parameters of the function but the first have defaults."""

    def decorate(function: Callable[Concatenate[A, P], R]) -> Stage[A, P, R]:
        return Stage(function, arguments, result, environment)

    return decorate


@dataclass(frozen=True)
class Measured(Generic[R]):
    """What a stage returned, and what it took."""

    result: R
    seconds: float
    peak_bytes: int
    """Greatest resident memory of its process."""
