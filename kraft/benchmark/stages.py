"""Where the time of a whole run goes, against its floor: what the same machine needs for the least that has to be done.

Every stage of a preset runs once over a full-size twin. Then each floor is measured by itself, in this run:

    build   the log's bytes, parsed by DuckDB as the contract types them and thrown away; or read, if that is slower
    als     the products of a sweep, at the rate of one matrix product of a block's shape
    ranker  rows that enter a histogram times features, at LightGBM's rate for trees that are all root
    score   nodes that pairs pass, at LightGBM's rate over one batch in memory

A stage cannot do with less; what it takes beyond is its own work (sorting, joining, writing), or to be gained.
"""

from kraft.benchmark.outside import module
from kraft.benchmark.report import Report, Table
from kraft.benchmark.setup import Setup


def run(setup: Setup, preset: str, rounds: int | None) -> Report:
    """Run every stage up to the scores, and measure the floors on the same data and machine.

    Args:
        setup: data, folder, limit and threads.
        preset: of the models.
        rounds: of the ranker; None for the preset's.
    """
    work = setup.fresh("stages") / "work"
    options = setup.options(work, preset=preset, rounds=rounds, until="score")
    told = setup.measure(module("kraft.benchmark.walk", *options)).answer()
    settings = setup.settings(work, preset)
    setup.progress.say("  the stages are through; now their floors")
    from kraft.benchmark import floors as least  # noqa: PLC0415 - loads LightGBM, which the benchmark else does without

    floors = least.measured(settings)
    slowest = {stage: max((one.seconds for one in floors if one.stage == stage), default=0.0) for stage in told}
    whole = sum(one["seconds"] for one in told.values())
    table = Table(
        f"preset {preset}: seconds of each stage, and of the least that it has to do",
        ("", "seconds", "share", "floor", "times its floor"),
        [
            (
                stage,
                one["seconds"],
                f"{one['seconds'] / whole:.0%}",
                f"{slowest[stage]:.2f}" if slowest[stage] else "-",
                f"{one['seconds'] / slowest[stage]:.1f}" if slowest[stage] else "-",
            )
            for stage, one in told.items()
        ],
    )
    measured = Table(
        f"the floors, measured by themselves on {setup.threads} threads",
        ("", "amount", "a second", "seconds"),
        [
            (f"{one.stage}: {one.what}", f"{one.amount:,.0f}", f"{one.rate:,.0f}", f"{one.seconds:.2f}")
            for one in floors
        ],
    )
    known = sum(slowest.values())
    headline = f"stages  {whole:.1f} s in all, {whole / known:.1f} times the floors of {known:.1f} s"
    data = {
        "preset": preset,
        "raw": str(setup.raw),
        "threads": setup.threads,
        "stages": told,
        "floors": [one._asdict() | {"seconds": one.seconds} for one in floors],
    }
    return Report("stages", headline, [table, measured], data)
