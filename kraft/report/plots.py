"""The shapes of plots that the pages draw: bars, lines, ranges and named dots.

Matplotlib is only ever reached through the axes that a drawing function is given.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kraft.report.figures import ABOVE, Draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NUMBERS = "{x:,.10g}"
"""1,500,000 and 0.25."""
MARKERS = "osD^vPX*<>"
"""By which lines can be told apart without colours."""
ALL = slice(None)
LENGTHS = (1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600)
"""Ticks of an axis of video lengths [s]."""
BESIDE = [(3, 3, "left"), (3, -9, "left"), (-3, 3, "right"), (-3, -9, "right"), (0, 5, "center"), (0, -11, "center")]
"""Places of a label beside its dot [points], the best first."""
LABEL = 9
"""Height of a label, and width of a short one [points]."""
NOTE_SIZE = 8.5
"""Size of the text at a bar's end [points]."""


class Line(NamedTuple):
    """One series of a plot with an axis of numbers."""

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    main: bool = True
    """Drawn strong; others step back."""


class Range(NamedTuple):
    """A value with its interval."""

    value: float | None
    low: float | None
    high: float | None


def named_bars(values: Mapping[str, float], *, x: str, notes: Sequence[str] = ()) -> Draw:
    """A horizontal bar a name, the first on top, with a note at its end: by default its value."""

    def draw(axes: "Axes") -> None:
        positions = range(len(values))
        axes.barh(positions, list(values.values()), color="C0", height=0.72)
        shown = notes or [f"{value:.3g}" for value in values.values()]
        for position, value, note in zip(positions, values.values(), shown, strict=True):
            axes.annotate(note, (value, position), (3, 0), textcoords="offset points", va="center", fontsize=NOTE_SIZE)
        axes.set_yticks(positions, list(values))
        axes.set_ylim(len(values) - 0.4, -0.6)
        # Room for the notes.
        axes.set_xlim(0, (max(values.values(), default=0) or 1) * (1.4 if notes else 1.15))
        axes.xaxis.set_major_formatter(NUMBERS)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(x)

    return draw


def upright_bars(
    names: Sequence[str], values: Sequence[float], *, x: str, y: str, notes: Sequence[str] = (), ticks: slice = ALL
) -> Draw:
    """A bar a name; ``ticks`` are the names that are written below."""

    def draw(axes: "Axes") -> None:
        positions = range(len(names))
        axes.bar(positions, values, color="C0", width=0.8)
        for position, note in enumerate(notes):
            axes.annotate(
                note, (position, values[position]), (0, 2), textcoords="offset points", ha="center", fontsize=NOTE_SIZE
            )
        axes.set_xticks(list(positions)[ticks], list(names)[ticks])
        axes.yaxis.set_major_formatter(NUMBERS)
        axes.margins(y=0.12 if notes else 0.05)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(x)
        axes.set_ylabel(y)

    return draw


def stacked(
    lows: Sequence[float], width: float, parts: Mapping[str, tuple[str, Sequence[float]]], *, x: str, y: str
) -> Draw:
    """A histogram of parts, label -> (colour, heights), the first at the bottom."""

    def draw(axes: "Axes") -> None:
        floor = [0.0] * len(lows)
        for label, (colour, heights) in parts.items():
            axes.bar(lows, heights, width=width, bottom=floor, align="edge", color=colour, label=label, linewidth=0)
            floor = [below + height for below, height in zip(floor, heights, strict=True)]
        axes.set_ylim(0, (max(floor, default=0) or 1) * 1.05)
        axes.xaxis.set_major_formatter(NUMBERS)
        axes.yaxis.set_major_formatter(NUMBERS)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.grid(visible=False, axis="x")

    return draw


def lines(series: Sequence[Line], *, x: str, y: str, ticks: Sequence[int] = ()) -> Draw:
    """Lines with markers; with ``ticks`` over a logarithmic axis that shows exactly these."""

    def draw(axes: "Axes") -> None:
        for number, one in enumerate(series):
            axes.plot(
                one.x,
                np.array(one.y, dtype=float),
                color=f"C{number}",
                marker=MARKERS[number % len(MARKERS)],
                markersize=5 if one.main else 4,
                linewidth=2.2 if one.main else 1.1,
                linestyle="-" if one.main else "--",
                label=one.label,
                zorder=3 if one.main else 2,
            )
        if ticks:
            axes.set_xscale("log")
            axes.minorticks_off()
            axes.set_xticks(list(ticks), [f"{tick:,}" for tick in ticks])
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        legend(axes)

    return draw


def diagonal(series: Sequence[Line], *, x: str, y: str) -> Draw:
    """Lines over the unit square, with the line on which both axes agree."""

    def draw(axes: "Axes") -> None:
        axes.plot([0, 1], [0, 1], color="0.5", linewidth=1, linestyle=":", label="as it should be")
        lines(series, x=x, y=y)(axes)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)

    return draw


def ranges(rows: Mapping[str, Sequence[Range]], kinds: Sequence[str], *, x: str, zero: bool = False) -> Draw:
    """A line a name with a dot and an interval for each of ``kinds``, the first name on top; with ``zero``, 0."""

    def draw(axes: "Axes") -> None:
        spread = 0.22 if len(kinds) > 1 else 0.0
        if zero:
            axes.axvline(0, color="0.5", linewidth=1.2)
        for number, kind in enumerate(kinds):
            shift = (number - (len(kinds) - 1) / 2) * spread
            positions = [position + shift for position in range(len(rows))]
            found = np.array([row[number] for row in rows.values()], dtype=float)
            axes.hlines(positions, found[:, 1], found[:, 2], color=f"C{number}", linewidth=2)
            axes.plot(found[:, 0], positions, color=f"C{number}", marker=MARKERS[number], linestyle="", label=kind)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(x)
        if len(kinds) > 1:
            legend(axes)

    return draw


def chosen_round(values: Sequence[float], best: int, *, y: str) -> Draw:
    """A metric by round, with the chosen one marked."""

    def draw(axes: "Axes") -> None:
        axes.plot(range(1, len(values) + 1), values, color="C0", linewidth=2)
        axes.axvline(best, color="C1", linewidth=1.5, linestyle="--")
        label = f"round {best:,}: {values[best - 1]:.4f}"
        axes.plot([best], [values[best - 1]], color="C1", marker="o", linestyle="--", label=label)
        axes.set_xlabel("round")
        axes.set_ylabel(y)
        legend(axes)

    return draw


def named_dots(names: Sequence[str], positions: Sequence[tuple[float, float]], *, x: str, y: str) -> Draw:
    """A dot a name on a logarithmic axis, the name beside it, where no other dot or name stands if there is room."""

    def draw(axes: "Axes") -> None:
        axes.plot([place[0] for place in positions], [place[1] for place in positions], "o", color="C0")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(NUMBERS)
        axes.margins(0.08)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        points = axes.figure.dpi / 72
        dots = [(left / points, up / points) for left, up in axes.transData.transform(positions)]
        taken = [(left - 2, up - 2, left + 2, up + 2) for left, up in dots]
        for name, position, dot in zip(names, positions, dots, strict=True):
            spots = [(_box(dot, spot, name), spot) for spot in BESIDE]
            box, (right, up, side) = min(spots, key=lambda one: sum(_meet(one[0], other) for other in taken))
            taken.append(box)
            axes.annotate(name, position, (right, up), textcoords="offset points", fontsize=NOTE_SIZE, ha=side)

    return draw


def mark(axes: "Axes", at: float, label: str) -> None:
    """A vertical line with its name in the legend."""
    axes.axvline(at, color="C1", linewidth=1.4, linestyle="--", label=label)


def legend(axes: "Axes") -> None:
    """Above the axes, where it covers nothing."""
    axes.legend(**ABOVE, ncols=3)


def lengths_axis(axes: "Axes") -> None:
    """A logarithmic axis of seconds, as people say them."""
    axes.set_xscale("log")
    axes.minorticks_off()
    low, high = axes.get_xlim()
    ticks = [tick for tick in LENGTHS if low <= tick <= high]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xlim(low, high)
    axes.set_xlabel("length of the video [s]")


def rows_of(series: Sequence[Line], x: str, y: str) -> list[dict[str, Any]]:
    """The numbers behind `lines`."""
    return [
        {"series": one.label, x: position, y: value}
        for one in series
        for position, value in zip(one.x, one.y, strict=True)
    ]


def _box(dot: tuple[float, float], spot: tuple[int, int, str], name: str) -> tuple[float, float, float, float]:
    """Left, lower, right and upper end of a label beside its dot [points]."""
    left, low, width = dot[0] + spot[0], dot[1] + spot[1], LABEL * len(name) / 2
    left -= {"left": 0, "center": width / 2, "right": width}[spot[2]]
    return left, low, left + width, low + LABEL - 2


def _meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
