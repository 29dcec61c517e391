from kraft.engine.process.stage import Measured
from kraft.pipeline.results import Results
from kraft.pipeline.summary import details
from kraft.settings import Settings
from kraft.stages.score import ScoredGivenPairs, score_given_pairs


def lines(users, videos):
    kinds = ("pairs", "ids", "unknown")
    cold = {"users": dict(zip(kinds, users, strict=True)), "videos": dict(zip(kinds, videos, strict=True))}
    results = Results()
    scored = ScoredGivenPairs(rows=20, cold=cold)
    results.add(score_given_pairs, Measured(scored, 1.0, 1), told=True)
    return details(results, [], [], Settings())


def test_pairs_of_users_and_videos_that_the_models_have_not_met_are_counted():
    assert lines((12, 3, 0), (1, 1, 1)) == [
        "cold    12 pairs of 3 users not in the train period: scored like users without a history",
        "cold    1 pair of 1 video not in the train period: scored like videos without a history",
        "unknown 1 of these videos is in none of the raw files: check the ids",
    ]
    assert lines((2000, 1500, 2), (0, 0, 0)) == [
        "cold    2,000 pairs of 1,500 users not in the train period: scored like users without a history",
        "unknown 2 of these users are in none of the raw files: check the ids",
    ]


def test_pairs_that_are_all_known_are_not_mentioned():
    assert lines((0, 0, 0), (0, 0, 0)) == []
