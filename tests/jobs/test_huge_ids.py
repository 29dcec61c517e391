"""The value of an id costs nothing: with huge ones in every column of ids, a log gives the same metrics."""

import csv
import json
import re
import shutil

import pytest
from commands import run

pytestmark = pytest.mark.slow

STEP = 1009 * 3000 + 1
"""What ids of users and videos are multiplied by: up to 2^31, in the same order. The history leaves out videos by their
ids modulo 1009, which this leaves as they are."""
CATEGORY_STEP = 30_000_000
CODE_STEP = 10**11
"""Of authors, tags and captions: up to 2^53."""
NUMBERS = re.compile("[0-9]+")
BY_ID = "random"
"""The one ranking that is made of the ids."""
RANKER = ("--rounds", 20, "--threads", 2, "--quiet")


def times(factor):
    return lambda text: NUMBERS.sub(lambda number: str(int(number[0]) * factor), text)


PAIR = {"user_id": times(STEP), "video_id": times(STEP)}
LEVELS = ("first_level_category_id", "second_level_category_id", "third_level_category_id")
CHANGES = {
    "small_matrix": PAIR,
    "item_categories": {"video_id": times(STEP), "feat": times(CATEGORY_STEP)},
    "item_daily_features": {"video_id": times(STEP), "author_id": times(CODE_STEP), "video_tag_id": times(CODE_STEP)},
    "kuairec_caption_category": {"video_id": times(STEP), **dict.fromkeys(LEVELS, times(CODE_STEP))},
    "social_network": {"user_id": times(STEP), "friend_list": times(STEP)},
    "user_features": {
        "user_id": times(STEP),
        **{f"onehot_feat{number}": lambda text: text and str(float(text) * 1e6) for number in range(18)},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with synthetic data in `small`, and in `huge` the same with huge ids."""
    folder = tmp_path_factory.mktemp("ids")
    made = run("synthesize", "--to", "small", "--users", 40, "--items", 120, "--quiet", cwd=folder)
    assert made.returncode == 0, made.stderr
    shutil.copytree(folder / "small", folder / "huge")
    for name, change in CHANGES.items():
        path = folder / "huge" / f"{name}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            # KuaiRec writes -124 where a level is unknown.
            row.update({column: new(row[column]) for column, new in change.items() if not row[column].startswith("-")})
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return folder


def metrics(folder, raw, preset):
    done = run("evaluate", "--raw", raw, "--work", raw + preset, "--preset", preset, *RANKER, cwd=folder)
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / (raw + preset) / "evaluation.json").read_text(encoding="utf-8"))
    found["score_sets"] = [one for one in found["score_sets"] if one["name"] != BY_ID]
    return found


@pytest.mark.parametrize("preset", ["kraft", "documented"])
def test_the_metrics_are_those_of_the_same_log_with_small_ids(folder, preset):
    small, huge = (metrics(folder, raw, preset) for raw in ("small", "huge"))
    assert huge["pairs"] > 500
    assert len(huge["score_sets"]) > 2
    assert huge == small
    small, huge = (json.loads((folder / (raw + preset) / "manifest.json").read_text()) for raw in ("small", "huge"))
    peaks = [dict(peaks_in(manifest)) for manifest in (small, huge)]
    assert peaks[0].keys() == peaks[1].keys() != set()
    for name, peak in peaks[1].items():
        assert peak < peaks[0][name] + 64, name


def peaks_in(manifest, name=""):
    """Path in the manifest and MiB of each peak that it records."""
    for key, value in manifest.items():
        if key == "peak_mib":
            yield name, value
        elif isinstance(value, dict):
            yield from peaks_in(value, f"{name}/{key}")
