"""What choosing candidates costs: the best of 50,000 videos for each of 100,000 users, against plain NumPy."""

from pathlib import Path
from typing import Any

import numpy as np

from kraft.benchmark.outside import module
from kraft.benchmark.report import Report, Table, median_of, ratio_of
from kraft.benchmark.setup import Setup
from kraft.settings import MIB

KRAFT, NUMPY = SIDES = ("kraft", "numpy")
"""The sides, as `kraft.benchmark.candidates_contestant` explains them."""
LEAST_RATIO = 0.5
"""KRAFT's rate against NumPy's: half, at least, for an exact order, one memory limit and no say of the threads."""
MOST_BYTES = 1024 * MIB
SAMPLED = 200
"""Every how many-th user's videos are compared."""
SAME = 1e-5
"""How far apart the sums of the scores of two lists may be, relative to them: float32 ties at the last place."""
SEED = 42
FIGURES = {"rate": ("users a second", 0), "choosing_seconds": ("seconds", 2), "peak_mib": ("peak MiB", 0)}


def run(
    setup: Setup,
    repeats: int,
    users: int = 100_000,
    items: int = 50_000,
    factors: int = 64,
    candidates: int = 500,
) -> Report:
    """Choose the ``candidates`` best of ``items`` for ``users`` users ``repeats`` times on each side, by turns."""
    made = _factors(setup, users, items, factors)
    drafts = setup.fresh("candidates-lists")
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for number in range(repeats):
        # Each side begins in turn.
        for side in SIDES if number % 2 == 0 else reversed(SIDES):
            options = ("--factors", made, "--out", drafts / f"{side}.npy", "--candidates", candidates)
            command = module("kraft.benchmark.candidates_contestant", side, *options, "--threads", setup.threads)
            measured = setup.measure(command)
            figures = measured.figures() | measured.answer()
            runs[side].append(figures)
            setup.progress.say(f"  {number + 1}/{repeats} {side:<6} {figures['rate']:,.0f} users a second")
    lists = {side: np.load(drafts / f"{side}.npy", allow_pickle=False) for side in SIDES}
    return _report(setup, runs, compare(made, lists[KRAFT], lists[NUMPY]), (users, items, factors, candidates))


def compare(factors: Path, first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> dict[str, Any]:
    """How far two sets of lists of the sampled users agree.

    Returns:
        `lists`; `same_sets`, the share of them that hold the same videos; `furthest`, the largest difference of the
        sums of the scores of two lists, relative to the sum of their absolute values.
    """
    users, items = (np.load(factors / f"{side}.npy", mmap_mode="r", allow_pickle=False) for side in ("users", "items"))
    sampled = users[::SAMPLED].astype(np.float64)
    furthest = 0.0
    same = 0
    for query, one, other in zip(sampled, first, second, strict=True):
        scores = [items[np.sort(positions)].astype(np.float64) @ query for positions in (one, other)]
        furthest = max(furthest, abs(scores[0].sum() - scores[1].sum()) / np.abs(scores[0]).sum())
        same += len(set(one.tolist()) & set(other.tolist())) == len(one)
    return {"lists": len(sampled), "same_sets": same / len(sampled), "furthest": furthest}


def _factors(setup: Setup, users: int, items: int, factors: int) -> Path:
    """Random factors, written once; some videos are liked by more users than others."""
    folder = setup.folder / f"candidates-factors-{users}-{items}-{factors}"
    if not folder.is_dir():
        setup.progress.say("  drawing random factors")
        draft = setup.fresh("candidates-factors-part")
        random = np.random.default_rng(SEED)
        for name, count in (("users", users), ("items", items)):
            drawn = random.standard_normal((count, factors), dtype=np.float32)
            if name == "items":
                drawn *= random.gamma(4.0, 0.25, (count, 1)).astype(np.float32)
            np.save(draft / f"{name}.npy", drawn, allow_pickle=False)
        draft.rename(folder)
    return folder


def _report(
    setup: Setup, runs: dict[str, list[dict[str, Any]]], agreed: dict[str, Any], sizes: tuple[int, int, int, int]
) -> Report:
    users, items, factors, candidates = sizes
    ratio = ratio_of(runs[KRAFT], runs[NUMPY], "rate")
    peak = max(run["peak_mib"] for run in runs[KRAFT])
    alike = agreed["furthest"] <= SAME
    headline = (
        f"candidates  {ratio:.2f} of NumPy's users a second, at {peak:,.0f} MiB instead of "
        f"{max(run['peak_mib'] for run in runs[NUMPY]):,.0f}; {'the same lists' if alike else 'THE LISTS DIFFER'}"
    )
    table = Table(
        f"medians of {len(runs[KRAFT])} runs by turns: the best {candidates:,} of {items:,} videos for {users:,} users "
        f"({factors} factors, {setup.threads} threads)",
        ("", *SIDES),
        [
            (text, *(f"{median_of(runs[side], name):,.{digits}f}" for side in SIDES))
            for name, (text, digits) in FIGURES.items()
        ],
    )
    sizes_told = {"users": users, "items": items, "factors": factors, "candidates": candidates}
    data = {"ratio": ratio, "agreement": agreed, "sizes": sizes_told, "threads": setup.threads, "runs": runs}
    passed = alike and ratio >= LEAST_RATIO and peak * MIB <= MOST_BYTES
    return Report("candidates", headline, [table], data, passed=passed)
