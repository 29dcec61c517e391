"""What the page of the evaluation says of scores and lists: words that follow the numbers."""

import pytest
from made_reports import estimate, evaluation_report, list_report, score_set

from kraft.report.evaluation import lists, reliability, scores, subsets
from kraft.report.page import Text


def parts_of(section):
    return {part.name: part for part in section.parts if not isinstance(part, Text)}


def texts_of(section):
    return [part.text for part in section.parts if isinstance(part, Text)]


def test_the_headline_holds_the_scores_against_the_best_of_the_others():
    assert scores.headline(evaluation_report()) == (
        "The scores of kraft reach an NDCG@10 of 0.750 [0.625, 0.875]: +0.250 [+0.125, +0.375] over documented, the "
        "best of the 2 others."
    )


def test_metrics_stand_with_their_intervals_and_the_leader_is_named():
    table = parts_of(scores.worth(evaluation_report()))["score_sets"]
    assert table.sentence == "kraft leads in NDCG@10, NDCG@50, precision@10, recall@50 and AUC."
    assert table.columns[:3] == ["score set", "NDCG@10", "NDCG@10 95%"]
    assert table.rows[1][:4] == ["documented", "0.5000", "[0.3750, 0.6250]", "0.5000"]


def test_leads_are_shared_out_among_those_who_lead():
    first, second = score_set("kraft", 0.5), score_set("documented", 0.25, 0.25)
    second["estimates"]["auc"] = estimate(0.75)
    sentence = parts_of(scores.worth(evaluation_report(first, second)))["score_sets"].sentence
    assert sentence == "kraft leads in NDCG@10, NDCG@50, precision@10 and recall@50; documented leads in AUC."


def test_a_score_set_alone_is_held_against_nothing():
    alone = evaluation_report(score_set("kraft", 0.75))
    assert "nothing else was evaluated" in scores.headline(alone)
    parts = parts_of(scores.worth(alone))
    assert list(parts) == ["score_sets", "ndcg_10"]
    assert not any(word in part.sentence for part in parts.values() for word in ("leads", "number 1"))
    assert parts_of(scores.curves(alone))["ndcg_at_k"].sentence == (
        "NDCG of kraft goes from 0.750 at 10 to 0.750 at 50 places."
    )


def test_presets_that_were_not_scored_are_named_with_the_command_that_scores_them():
    both, alone = evaluation_report(), evaluation_report(score_set("kraft", 0.75))
    assert texts_of(scores.worth(both)) == []
    assert texts_of(scores.worth(alone)) == [
        "Not scored: the preset documented. python -m jobs.score --preset documented puts it beside."
    ]


def test_notes_of_the_report_stand_on_the_page():
    report = evaluation_report(notes=("ALS alone is left out: work/models/als_kraft is not there",))
    assert texts_of(scores.worth(report)) == ["ALS alone is left out: work/models/als_kraft is not there."]


def test_the_words_follow_the_numbers():
    worse = evaluation_report(
        score_set("kraft", 0.0), score_set("documented", 0.25, -0.25), score_set("other", 0.5, -0.5)
    )
    assert "-0.500 [-0.625, -0.375] under other" in scores.headline(worse)
    parts = parts_of(scores.worth(worse))
    assert parts["ndcg_10"].sentence.startswith("kraft is number 3 of 3")
    assert [row["score set"] for row in parts["ndcg_10"].data] == ["other", "documented", "kraft"]
    assert parts["ndcg_10_differences"].sentence == (
        "kraft is surely below documented and other. The least difference is -0.500 [-0.625, -0.375], to other."
    )
    curve = parts_of(scores.curves(worse))["ndcg_at_k"].sentence
    assert curve == "NDCG of kraft goes from 0.000 at 10 to 0.000 at 50 places; another is higher at 10, 20 and 50."


def test_a_difference_within_chance_is_called_one():
    close = evaluation_report(score_set("kraft", 0.5), score_set("documented", 0.499, 0.001))
    assert scores.headline(close).endswith("a difference that chance could make.")
    differences = parts_of(scores.worth(close))["ndcg_10_differences"]
    assert differences.sentence.startswith("kraft is not to be told from documented.")
    assert differences.data == [{"score set": "documented", **estimate(0.001)}]


def test_warm_and_cold_videos_are_told_apart():
    report = evaluation_report()
    report["score_sets"][0]["estimates"]["auc cold items"] = estimate(0.625)
    section = subsets.section(report)
    assert "40 test pairs. 20 pairs (33.3%) are of cold videos" in section.lead
    assert parts_of(section)["auc_warm_cold"].sentence == (
        "kraft tells positive from other pairs of cold videos with an AUC of 0.625 [0.500, 0.750], 0.125 less than "
        "those of warm ones; of the others documented does best on cold ones, with 0.500 [0.375, 0.625]."
    )
    assert parts_of(section)["auc_parts"].sentence == (
        "Positive are 33.3% of the pairs of all videos, 40.0% of the pairs of warm videos and 20.0% of the pairs of "
        "cold videos."
    )


def test_what_is_undefined_is_said_to_be():
    report = evaluation_report()
    for one in report["score_sets"]:
        one["estimates"]["auc cold items"] = estimate(None)
        if one["first_minus_this"]:
            one["first_minus_this"]["auc cold items"] = estimate(None)
    parts = parts_of(subsets.section(report))
    assert parts["auc_warm_cold"].sentence == (
        "Cold test pairs lack positives or negatives, so their AUC is undefined."
    )
    assert {row[3] for row in parts["auc_parts"].rows} == {"undefined"}
    assert {row[7] for row in parts_of(scores.worth(report))["differences"].rows} == {"undefined"}


def test_a_test_period_without_cold_videos():
    report = evaluation_report()
    for one in report["score_sets"]:
        one["ranking"]["auc"]["cold items"] = {"auc": None, "pairs": 0, "positives": 0}
        for metric in ("auc cold items", "ndcg@10 cold items"):
            one["estimates"][metric] = estimate(None)
    section = subsets.section(report)
    assert "0 pairs (0.0%) are of cold videos" in section.lead
    assert parts_of(section)["auc_parts"].sentence.endswith("40.0% of the pairs of warm videos.")


def test_the_worst_tenth_of_the_scores_is_named():
    section = reliability.section(evaluation_report())
    assert parts_of(section)["reliability"].sentence == (
        "Scores of kraft are off by 18.8% on average; most in tenth 2, where a mean score of 50.0% meets a share of "
        "75.0% positive pairs: too low."
    )
    # Baselines stand in the table alone.
    assert {row["score set"] for row in parts_of(section)["reliability"].data} == {"kraft", "documented"}
    assert [row[0] for row in parts_of(section)["calibration"].rows] == ["kraft", "documented", "random"]


def test_scores_that_are_no_probabilities_get_no_reliability_curve():
    report = evaluation_report()
    report["score_sets"][0] |= {"calibration": None, "least_score": -3.0, "greatest_score": 2.5}
    assert texts_of(reliability.section(report)) == ["The scores of kraft go from -3 to 2.5: they only order."]


def test_recall_of_candidates_is_told_by_source():
    parts = parts_of(lists.section(list_report()))
    assert parts["candidate_recall"].sentence == (
        "With 100 candidates a user all sources together find 50.0% of what users came to like; the best alone, ALS, "
        "40.0%. At 50 candidates it is 25.0% together."
    )
    assert parts["candidate_added"].rows[0] == ["ALS", "60%", "+0.0500", "+0.1000"]
    assert parts["candidate_added"].sentence == (
        "At one of these numbers at least, ALS and new videos add to what the others find; nothing at any comes from "
        "popular."
    )


def test_lists_are_told_with_what_they_lack():
    parts = parts_of(lists.section(list_report()))
    assert "they lose 0.250 [0.125, 0.375], 50.0% of theirs" in parts["lists"].sentence
    assert parts["list_variety"].rows[0][:5] == ["of 50 candidates", 100, "25.0%", "0.500", "undefined"]
    alone = list_report(loss=None, lists=list_report()["lists"][:1])
    assert parts_of(lists.section(alone))["lists"].sentence == (
        "Lists of 50 candidates reach an NDCG@10 of 0.250 [0.125, 0.375]; 25.0% of the users find a video that they "
        "came to like."
    )


def test_recommendations_that_nothing_is_known_of_are_left_out_with_a_sentence():
    assert lists.section(None).parts == [lists.ABSENT]


@pytest.mark.parametrize("section", [scores.worth, scores.curves, subsets.section, reliability.section])
def test_every_figure_has_words_and_data(section):
    figures = [part for part in section(evaluation_report()).parts if hasattr(part, "draw")]
    assert figures
    for figure in figures:
        assert figure.data
        assert figure.alt
        assert figure.sentence.endswith(".")
