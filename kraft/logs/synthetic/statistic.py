"""One calibrated figure of synthetic data: its target, what was found, and how far the two may differ."""

from dataclasses import dataclass
from math import sqrt

FULL_USERS, FULL_ITEMS = 1_411, 3_327
"""Users and videos of KuaiRec's small_matrix."""
HEADER = f"{'statistic':<48} {'target':>12} {'actual':>12} {'tolerance':>10} {'verdict':>8}"


@dataclass(frozen=True)
class Scale:
    """The size of synthetic data, in users and videos of its small_matrix."""

    n_users: int
    n_items: int

    @property
    def users(self) -> float:
        """Users, relative to KuaiRec."""
        return self.n_users / FULL_USERS

    @property
    def items(self) -> float:
        """Videos, relative to KuaiRec."""
        return self.n_items / FULL_ITEMS

    @property
    def pairs(self) -> float:
        """Rows, relative to KuaiRec."""
        return self.users * self.items

    @property
    def few_users(self) -> float:
        """How much further a mean over the users may be off than at KuaiRec's size; at least 1."""
        return max(1 / sqrt(self.users), 1.0)

    @property
    def few_items(self) -> float:
        """The same of a mean over the videos."""
        return max(1 / sqrt(self.items), 1.0)


@dataclass(frozen=True)
class Statistic:
    """``actual`` is ok within ``tolerance`` times the target, or within ``exact`` of it where that is given."""

    name: str
    target: float
    actual: float
    tolerance: float = 0.0
    exact: float | None = None

    @property
    def ok(self) -> bool:
        allowed = self.tolerance * abs(self.target) if self.exact is None else self.exact
        return abs(self.actual - self.target) <= allowed

    def line(self) -> str:
        """As a row below `HEADER`."""
        tolerance = f"{self.tolerance:.1%}" if self.exact is None else f"+-{self.exact:g}"
        figures = f"{_figure(self.target):>12} {_figure(self.actual):>12}"
        return f"{self.name:<48} {figures} {tolerance:>10} {'ok' if self.ok else 'off':>8}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"
