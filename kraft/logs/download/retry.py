"""When a failed attempt is repeated, and for how long."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """When to try again and when to give up. Waits double from ``first_wait`` up to ``longest_wait``."""

    attempts: int = 8
    """Attempts in a row without a new byte, after which the download is given up."""
    first_wait: float = 1.0
    """Seconds before the second attempt, less up to half of it at random."""
    longest_wait: float = 60.0
    """Seconds that no wait of our own exceeds."""
    longest_retry_after: float = 300.0
    """Seconds that a server may ask for with Retry-After; if it asks for more, a person should decide."""
    timeout: float = 30.0
    """Seconds without a byte, after which a connection counts as lost."""
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    """A number from 0 to 1: many clients that lost one server should not all come back at once."""

    def seconds(self, fruitless: int, retry_after: float) -> float:
        """The wait after ``fruitless`` (1 or more) attempts in a row without a new byte."""
        doubled = min(self.longest_wait, self.first_wait * 2.0 ** (fruitless - 1))
        return max(retry_after, doubled * (1 - self.jitter() / 2))


class TransientError(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
