"""The section on scores as probabilities, from the report of `kraft.evaluation.score_sets.evaluate`."""

from kraft.formatting import Found, figure, pairs, percent
from kraft.report.page import Figure, Section, Table, Text
from kraft.report.plots import Line, diagonal

TITLE = "Are the scores probabilities?"
ERROR = "expected_calibration_error"
KINDS = {"log loss": "log_loss", "Brier score": "brier", "expected calibration error": ERROR}


def section(report: Found) -> Section:
    """Whether scores are probabilities."""
    found = [one for one in report["score_sets"] if one["calibration"]]
    lead = (
        "A score is meant as the probability that the pair is positive. Tenths of the pairs by score, of equal count; "
        "where scores are probabilities, the share of positive pairs equals the mean score."
    )
    first = report["score_sets"][0]
    if first not in found:
        ends = f"{first['least_score']:.4g} to {first['greatest_score']:.4g}"
        text = f"The scores of {first['name']} go from {ends}: they only order."
        return Section(TITLE, lead, [Text(text)])
    shown = [one for one in found if not one["baseline"]]
    series = [Line(one["name"], _bins(one, "mean_score"), _bins(one, "positive_share")) for one in shown]
    worst = max(first["calibration"]["bins"], key=lambda row: abs(row["mean_score"] - row["positive_share"]))
    off = worst["mean_score"] - worst["positive_share"]
    sentence = (
        f"Scores of {first['name']} are off by {percent(first['calibration'][ERROR])} on average; most in "
        f"tenth {worst['bin']}, where a mean score of {percent(worst['mean_score'])} meets a share of "
        f"{percent(worst['positive_share'])} positive pairs: too {'high' if off > 0 else 'low'}."
    )
    rows = [[one["name"], *(figure(one["calibration"][kind]) for kind in KINDS.values())] for one in found]
    least = {label: min(found, key=lambda one: one["calibration"][kind])["name"] for label, kind in KINDS.items()}
    figures = Figure(
        name="reliability",
        title="Mean score and share of positive pairs",
        sentence=sentence,
        alt="Mean score and positive share of each tenth; "
        + "; ".join(pairs({f"{one['name']},": ", ".join(map(_bin_text, one["calibration"]["bins"]))}) for one in shown),
        draw=diagonal(series, x="mean score of a tenth", y="share of positive pairs"),
        data=[{"score set": one["name"], **row} for one in shown for row in one["calibration"]["bins"]],
    )
    best = "; ".join(f"{label} is least for {name}" for label, name in least.items())
    table = Table(
        "calibration", "How far scores are off", f"{best[:1].upper()}{best[1:]}.", ["score set", *KINDS], rows
    )
    return Section(TITLE, lead, [figures, table])


def _bins(one: Found, column: str) -> list[float]:
    return [row[column] for row in one["calibration"]["bins"]]


def _bin_text(row: Found) -> str:
    return f"{row['mean_score']:.2f} and {row['positive_share']:.2f}"
