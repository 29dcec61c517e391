"""A stage: a function with typed arguments and a typed result that runs in its own process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar, cast

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Arguments or result of a stage: frozen, declared fields only."""

    model_config = ConfigDict(frozen=True, extra="forbid")


A = TypeVar("A", bound=Record)
"""Arguments."""
R = TypeVar("R", bound=Record)
"""Result."""
P = ParamSpec("P")
"""What another engine passes besides the arguments."""

PARALLEL: Final[Mapping[str, str]] = MappingProxyType({})
"""The libraries use every thread."""
STREAMING: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Read-ahead by more threads and row groups costs 30 to 130 MiB at the peak of ALS and saves no time.
        "POLARS_MAX_THREADS": "1",
        "POLARS_ROW_GROUP_PREFETCH_SIZE": "1",
    }
)
"""Polars reads batch after batch."""
LOW_MEMORY: Final[Mapping[str, str]] = MappingProxyType(
    {
        **STREAMING,
        # Large blocks return to the system at once, Arrow's too: 40 MiB less at the ranker's peak. It costs page
        # faults: tables and ALS would take a fifth more time.
        "MALLOC_MMAP_THRESHOLD_": "131072",
        "MALLOC_TRIM_THRESHOLD_": "131072",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
    }
)
"""For stages that need more memory than time."""


@dataclass(frozen=True, eq=False)
class Stage(Generic[A, P, R]):
    """A function that `kraft.engine.process.worker.run` runs in a new process. A call runs it in this one."""

    function: Callable[Concatenate[A, P], R]
    """Defined at the top of its module, where the new process finds it."""
    arguments: type[A]
    result: type[R]
    environment: Mapping[str, str]
    """Environment variables of its process: `PARALLEL`, `STREAMING` or `LOW_MEMORY`."""

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
        function: Callable[[A], R] = cast("Callable[[A], R]", self.function)
        return function(self.arguments.model_validate_json(arguments)).model_dump(mode="json")


def stage(
    arguments: type[A], result: type[R], environment: Mapping[str, str] = STREAMING
) -> Callable[[Callable[Concatenate[A, P], R]], Stage[A, P, R]]:
    """Decorator: make a function a stage. All its parameters except the first need defaults."""

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
