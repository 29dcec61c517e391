"""`python -m jobs.evaluate --html` as a user types it: its numbers are those of the report, of the models and of DuckDB
by hand, and its page is looked at in a browser.
"""

import json
import re

import duckdb
import numpy as np
import pytest
from browser import PAPER, look_at
from commands import run

from kraft.engine.workspace.store import Store
from kraft.models.ranker import training as ranker
from kraft.report.evaluation import model
from kraft.settings import Settings
from kraft.stages.preset import preset_of

pytestmark = pytest.mark.slow

ROUNDS = 20
SETTINGS = ("--raw", "raw", "--rounds", str(ROUNDS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with synthetic data, and the page of its evaluation."""
    folder = tmp_path_factory.mktemp("evaluation")
    made = run("synthesize", "--to", "raw", "--users", 80, "--items", 150, "--quiet", cwd=folder)
    assert made.returncode == 0, made.stderr
    done = run("evaluate", *SETTINGS, "--html", "report/evaluation.html", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    last = done.stdout.splitlines()
    assert last[-1] == "next      open report/evaluation.html"
    told = r"^evaluate  [\d,]+ test pairs -> work/evaluation\.json; \d+ figures, 0\.\d MiB -> report/evaluation\.html "
    assert re.search(told, done.stdout, re.MULTILINE)
    return folder


@pytest.fixture(scope="module")
def page(folder):
    """The same page as JSON, made where the limit has no room for two stages at once."""
    options = ("--html", "other/evaluation.json", "--format", "json", "--memory-limit", "512MiB")
    done = run("evaluate", *SETTINGS, *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "other/evaluation.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def parts(page):
    """Figures and tables by name."""
    return {part["name"]: part for section in page["sections"] for part in section["parts"] if "name" in part}


@pytest.fixture(scope="module")
def report(folder):
    return json.loads((folder / "work/evaluation.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def settings(folder):
    return Settings(raw=folder / "raw", work=folder / "work", rounds=ROUNDS, threads=2, quiet=True)


@pytest.fixture(scope="module")
def trained(settings):
    return ranker.load(Store(settings.work).model("ranker_kraft"))


@pytest.fixture
def tables(folder):
    with duckdb.connect(str(folder / "work/kraft.duckdb"), read_only=True) as connection:
        yield connection


def shown_users(parts):
    """Ids of the three users, from light to heavy."""
    return [int(name.removeprefix("history_")) for name in parts if name.startswith("history_")]


# --- the scores --------------------------------------------------------------------------------


def test_curves_are_those_of_the_lists_counted_by_hand(parts, tables):
    by_hand = tables.execute(
        """
        with ranked as (
            select user_id, item_id, row_number() over (partition by user_id order by score desc, item_id) as place
            from scores_kraft
        ),
        hits as (
            select user_id, count(*) filter (where place <= 20) as top, count(*) as positives
            from test_positives join ranked using (user_id, item_id) group by user_id
        )
        select avg(top / 20), avg(top / positives) from hits
        """
    ).fetchone()
    for value, metric in zip(by_hand, ("precision", "recall"), strict=True):
        (shown,) = (row for row in parts[f"{metric}_at_k"]["data"] if (row["series"], row["K"]) == ("kraft", 20))
        assert shown[metric] == pytest.approx(value, abs=1e-12)


def test_figures_and_tables_of_the_scores_are_those_of_the_report(parts, report):
    for one, row in zip(report["score_sets"], parts["score_sets"]["rows"], strict=True):
        found = one["estimates"]["ndcg@10"]
        assert row[:3] == [one["name"], f"{found['value']:.4f}", f"[{found['low']:.4f}, {found['high']:.4f}]"]
    drawn = {row["score set"]: row for row in parts["ndcg_10"]["data"]}
    assert {name: row["value"] for name, row in drawn.items()} == {
        one["name"]: one["estimates"]["ndcg@10"]["value"] for one in report["score_sets"]
    }
    own = report["score_sets"][0]["estimates"]["ndcg@10"]["value"]
    for row in parts["ndcg_10_differences"]["data"]:
        assert row["value"] == pytest.approx(own - drawn[row["score set"]]["value"], abs=1e-12)
    cold = {row["score set"]: row["value"] for row in parts["auc_warm_cold"]["data"] if row["part"] == "cold videos"}
    assert cold["kraft"] == report["score_sets"][0]["ranking"]["auc"]["cold items"]["auc"]


def test_reliability_covers_every_test_pair(parts, tables):
    rows = [row for row in parts["reliability"]["data"] if row["score set"] == "kraft"]
    pairs, mean, positives = tables.execute(
        "select count(*), avg(score), (select count(*) from test_positives) from scores_kraft"
    ).fetchone()
    assert sum(row["pairs"] for row in rows) == pairs
    assert sum(row["pairs"] * row["mean_score"] for row in rows) == pytest.approx(mean * pairs)
    assert sum(row["pairs"] * row["positive_share"] for row in rows) == pytest.approx(positives)


# --- the ranker --------------------------------------------------------------------------------


def test_gain_and_contributions_are_those_of_the_model(parts, settings, trained):
    gain = trained.booster.feature_importance("gain")
    shown = parts["gain"]["data"]
    assert sum(row["gain"] for row in shown) == pytest.approx(gain.sum())
    assert shown[0]["feature"] == trained.record.feature_names[int(gain.argmax())]
    assert sum(row["share"] for row in shown) == pytest.approx(1)
    groups = {row["group"]: row for row in parts["contributions"]["data"]}
    assert sum(row["features"] for row in groups.values()) == len(gain)
    store = Store(settings.work)
    with preset_of(settings).open_rows(store.table("pair_features"), store, settings) as rows:
        count = len(rows)
        sample = model.contributions(rows, trained, 1)
        vectors = rows.take(np.sort(np.random.default_rng(42).choice(count, 2000, replace=False)))
    raw, split = (trained.booster.predict(vectors, **how) for how in ({"raw_score": True}, {"pred_contrib": True}))
    assert sample.of == count
    np.testing.assert_allclose(sample.values.sum(axis=1) + split[:, -1], raw, atol=1e-9)
    watched = [place for place, name in enumerate(trained.record.feature_names) if name.startswith("daily_")]
    daily = groups["the platform's daily counts"]
    assert daily["mean_absolute"] == pytest.approx(np.abs(split[:, watched].sum(axis=1)).mean(), abs=1e-12)


def test_a_long_model_is_taken_apart_on_fewer_pairs(settings, trained, monkeypatch):
    store = Store(settings.work)
    monkeypatch.setattr(model, "MOST_TREES", 150 * trained.record.best_iteration)
    with preset_of(settings).open_rows(store.table("pair_features"), store, settings) as rows:
        assert len(model.contributions(rows, trained, 2).values) == 150
        monkeypatch.setattr(model, "MOST_TREES", 1)
        assert len(model.contributions(rows, trained, 2).values) == model.LEAST_ROWS


def test_the_learning_curve_is_the_record_s_and_names_the_chosen_round(parts, trained):
    record = trained.record
    for metric, values in record.history.items():
        curve = parts[f"learning_{metric}"]
        assert [row[metric] for row in curve["data"]] == values
        assert f"in round {record.best_iteration:,}, the chosen one" in curve["sentence"]
    assert "the last that was allowed" in parts["learning_binary_logloss"]["sentence"]


def test_a_sample_of_the_rows_is_called_one(trained):
    sample = model.Contributions(np.ones((1, len(trained.record.feature_names))), 1)
    assert "memory had room" not in model.sections(trained, sample)[1].lead
    fewer = trained.record.model_copy(update={"sampled_rows": 100, "label_rows": 4000})
    lead = model.sections(ranker.TrainedRanker(trained.booster, fewer), sample)[1].lead
    assert "memory had room for 100 of 4,000 rows with a label, the newest" in lead


# --- lists, users and runs -----------------------------------------------------------------------


def test_candidates_and_lists_are_evaluated_as_jobs_recommend_evaluates_them(folder, parts):
    done = run(
        "recommend", *SETTINGS, "--out", "lists.parquet", "--evaluate", "--json-out", "evaluated.json", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    evaluated = json.loads((folder / "evaluated.json").read_text(encoding="utf-8"))
    rows = parts["candidate_recall"]["data"]
    # The page stops at the number of candidates that its lists are made of.
    cutoffs = [cutoff for cutoff in evaluated["candidates"]["cutoffs"] if cutoff <= 500]
    assert [row["candidates"] for row in rows if row["series"] == "all together"] == cutoffs
    recalls = [row["recall"] for row in rows]
    expected = [values[place] for values in evaluated["candidates"]["recall"].values() for place in range(len(cutoffs))]
    assert recalls == pytest.approx(expected, abs=1e-12)
    added = [row[2:] for row in parts["candidate_added"]["rows"]]
    assert added == [
        [f"{round(value, 4) + 0.0:+.4f}" for value in values[: len(cutoffs)]]
        for values in evaluated["candidates"]["added"].values()
    ]
    assert parts["lists"]["rows"][0][1] == f"{evaluated['lists'][0]['metrics']['ndcg']['value']:.4f}"


def test_the_three_users_stand_low_middle_and_high_in_the_order_of_activity(parts, tables):
    ordered = tables.execute(
        "select user_id from user_counts where user_id in (from test_positives select user_id) "
        "order by interaction_count, user_id"
    ).fetchall()
    users = shown_users(parts)
    assert [(user,) for user in users] == [
        ordered[int(np.ceil(len(ordered) * share)) - 1] for share in (0.05, 0.5, 0.95)
    ]
    for user in users:
        last = tables.execute(
            "select item_id from interactions_train where user_id = ? and positive_interaction "
            "order by coalesce(timestamp, 1e300) desc, item_id limit 5",
            [user],
        ).fetchall()
        assert [row[1] for row in parts[f"history_{user}"]["rows"]] == [str(item) for (item,) in last]


def test_recommendations_of_the_three_users_are_their_lists(folder, parts, tables):
    users = shown_users(parts)
    (folder / "three.csv").write_text("user_id\n" + "".join(f"{user}\n" for user in users), encoding="utf-8")
    done = run("recommend", *SETTINGS, "--users", "three.csv", "--top", 5, "--out", "three.parquet", cwd=folder)
    assert done.returncode == 0, done.stderr
    for user in users:
        expected = tables.execute(
            "select item_id::varchar, caption, printf('%.3f', score), coalesce(positive_interaction, false) "
            "from read_parquet($file) as lists left join video_texts using (item_id) "
            "left join interactions_test using (user_id, item_id) where user_id = $user order by rank",
            {"file": str(folder / "three.parquet"), "user": user},
        ).fetchall()
        rows = parts[f"recommended_{user}"]["rows"]
        assert [(row[1], row[2], row[5], row[7] == "liked") for row in rows] == expected


def test_reasons_are_those_of_jobs_explain(folder, parts):
    user, *_ = shown_users(parts)
    shown = [row for row in parts[f"reasons_{user}"]["rows"] if row[0] == "1"]
    done = run("explain", *SETTINGS, "--user", user, "--item", shown[0][1], "--json-out", "why.json", cwd=folder)
    assert done.returncode == 0, done.stderr
    (why,) = json.loads((folder / "why.json").read_text(encoding="utf-8"))["explanations"]
    assert [row[2:4] for row in shown] == [
        [f"{part['contribution']:+.2f}", part["text"]] for part in why["contributions"][: len(shown)]
    ]


def test_rows_seconds_and_memory_are_those_of_the_manifest(parts, settings, trained):
    steps = {row[0]: row for row in parts["steps"]["rows"]}
    manifest = Store(settings.work).manifest()
    assert {name for name in steps if not name.startswith("fit.")} == set(manifest)
    entry = manifest["pair_features"]
    expected = ["pair_features", "features", f"{entry['rows']:,}", f"{entry['seconds']:.2f}", f"{entry['peak_mib']:,}"]
    assert steps["pair_features"] == expected
    record = trained.record
    assert steps["ranker_kraft"][2:4] == [
        f"{record.train_rows:,}",
        f"{record.dataset_seconds + record.train_seconds:.2f}",
    ]
    assert sum(int(row[1].replace(",", "")) for row in parts["stages"]["rows"]) == len(steps)


def test_settings_and_versions_stand_below(page, settings):
    facts = page["facts"]
    assert facts["preset"] == "kraft"
    assert facts["duckdb"] == duckdb.__version__
    assert facts["data"] == str(settings.raw) or facts["data"] == "raw"
    assert f"rounds {ROUNDS}" in facts["ranker"]
    assert all(isinstance(text, str) for text in facts.values())


# --- the page ------------------------------------------------------------------------------------


def test_every_figure_says_something_of_these_data_and_has_a_picture(folder, parts):
    figures = [part for part in parts.values() if part["kind"] == "figure"]
    assert len(figures) == 14
    for part in figures:
        assert re.search(r"\d.*\.$", part["sentence"]), part["name"]
        assert part["alt"]
        assert part["data"]
        assert (folder / "other" / part["image"]).stat().st_size > 5_000


def test_chinese_names_stand_on_the_page(folder, parts):
    document = (folder / "report/evaluation.html").read_text(encoding="utf-8")
    user, *_ = shown_users(parts)
    # Synthetic data numbers its names.
    category = parts[f"history_{user}"]["rows"][0][3].split(" / ")[0].rstrip("0123456789")
    assert f'<span lang="zh-Hans">{category}' in document


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_in_a_browser(folder, width, dark):
    look = look_at(folder / "report/evaluation.html", width=width, dark=dark)
    assert (look.complaints, look.requests) == ([], [])
    assert look.shown["width"] <= width
    assert len(look.shown["images"]) == 14
    assert min(min(size) for size in look.shown["images"]) > 100
    assert look.shown["smallest_text"] > 10
    assert look.shown["unnamed"] == look.shown["repeated_ids"] == look.shown["dead_links"] == 0
    assert look.shown["cut_text"] == []
    assert look.shown["downloads"] >= 14


def test_the_page_fits_on_paper(folder):
    look = look_at(folder / "report/evaluation.html", width=PAPER, paper=True, dark=True)
    assert look.shown["width"] <= PAPER
    assert len(look.shown["images"]) == 14
    assert look.shown["cut_text"] == []
    assert look.shown["background"] == "rgb(255, 255, 255)"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--html", "raw"), "--html raw: a folder of this name is in the way"),
        (("--html", "new/figures"), "the pictures' folder new/figures: --html names the same file"),
        (("--html", "a.html", "--compare", "kraft", "documented"), "--html shows one preset, --compare two score sets"),
    ],
)
def test_what_cannot_be_made_is_told_before_any_work(folder, options, problem):
    done = run("evaluate", *SETTINGS, *options, "--work", "untouched", cwd=folder)
    assert done.returncode == 2
    assert problem in done.stderr
    assert not (folder / "untouched").exists()
