"""The report that is made of the two result tables of `sql/evaluation`."""

import json

import pytest

from kraft.errors import InputError, QueryError
from kraft.evaluation.ranking import SUBSETS, from_rows

RANKING = [
    {"cutoff": 1000, "precision": 0.2043, "recall": 1.0, "ndcg": 0.8476, "users_evaluated": 1411},
    {"cutoff": 10, "precision": 0.79236, "recall": 0.046, "ndcg": 0.811, "users_evaluated": 1411},
]
AUC = [
    {"subset": "cold items", "auc": None, "pairs": 0, "positives": 0},
    {"subset": "all", "auc": 0.68125, "pairs": 935_314, "positives": 288_319},
    {"subset": "warm items", "auc": 0.68125, "pairs": 935_314, "positives": 288_319},
]


def test_the_report_is_ordered_whatever_the_order_of_the_rows():
    report = from_rows(RANKING, AUC)
    assert report == from_rows(RANKING[::-1], AUC[::-1])
    assert [at.cutoff for at in report.cutoffs] == [10, 1000]
    assert tuple(one.subset for one in report.subsets) == SUBSETS
    assert (report.users_evaluated, report.pairs, report.positives) == (1411, 935_314, 288_319)


def test_the_table_is_aligned_and_has_four_decimals():
    assert from_rows(RANKING, AUC).to_table().splitlines() == [
        "metric        @10   @1000",
        "Precision  0.7924  0.2043",
        "Recall     0.0460  1.0000",
        "NDCG       0.8110  0.8476",
        "",
        "AUC                      pairs  positives",
        "all            0.6813  935,314    288,319",
        "warm items     0.6813  935,314    288,319",
        "cold items  undefined        0          0",
        "",
        "users evaluated  1,411 (those with a positive test pair)",
    ]


def test_json_keeps_full_precision_and_survives_the_round_trip():
    written = from_rows(RANKING, AUC).to_json()
    assert json.loads(json.dumps(written, allow_nan=False)) == written
    assert written == {
        "users_evaluated": 1411,
        "pairs": 935_314,
        "positives": 288_319,
        "metrics": {
            "precision": {"10": 0.79236, "1000": 0.2043},
            "recall": {"10": 0.046, "1000": 1.0},
            "ndcg": {"10": 0.811, "1000": 0.8476},
        },
        "auc": {
            "all": {"auc": 0.68125, "pairs": 935_314, "positives": 288_319},
            "warm items": {"auc": 0.68125, "pairs": 935_314, "positives": 288_319},
            "cold items": {"auc": None, "pairs": 0, "positives": 0},
        },
    }


def test_no_user_with_a_positive_is_an_error_with_a_remedy():
    with pytest.raises(InputError, match="no test user has a positive pair") as caught:
        from_rows([], AUC)
    assert "--positive-threshold" in caught.value.remedy


@pytest.mark.parametrize(
    ("ranking", "auc", "message"),
    [
        ([RANKING[0], RANKING[0]], AUC, "one row a cutoff"),
        ([RANKING[0], {**RANKING[1], "users_evaluated": 7}], AUC, "the same users at each"),
        ([{**RANKING[0], "ndcg": 1.5}], AUC, r"ranking_metrics, row and column 0\.ndcg"),
        ([{**RANKING[0], "recall": float("nan")}], AUC, r"ranking_metrics, row and column 0\.recall"),
        ([{"cutoff": 10}], AUC, r"ranking_metrics, row and column 0\.precision: Field required"),
        (RANKING, AUC[:2], "score_auc: expected one row for each of all, warm items, cold items"),
        (RANKING, [*AUC, AUC[0]], "score_auc: expected one row for each of"),
        (RANKING, [{**AUC[0], "pairs": -1}, *AUC[1:]], r"score_auc, row and column 0\.pairs"),
    ],
)
def test_rows_that_break_the_contract_of_the_sql_are_refused(ranking, auc, message):
    with pytest.raises(QueryError, match=message):
        from_rows(ranking, auc)
