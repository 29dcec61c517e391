import json
from dataclasses import replace

import numpy as np
import pytest
from watch_times import features, of_all_pairs

from kraft import columns
from kraft.errors import InputError
from kraft.models.watch_time.model import WatchTimeModel

MATRICES = ("user", "user_variance", "video", "video_variance")


def small_model(rank=3, seed=2):
    """A model whose variances are the same in every direction of taste, as none is marked out."""
    random = np.random.default_rng(seed)
    user, video = random.normal(size=(5, rank + 1)), random.normal(size=(7, rank + 1))
    user_variance, video_variance = (np.tile(random.uniform(0.1, 1, (n, 1)), rank + 1) for n in (5, 7))
    arrays = (matrix.astype(np.float32) for matrix in (user, user_variance, video, video_variance))
    return WatchTimeModel(*arrays, mean=1.5, noise=0.3)


def with_taste(model, turn_user, turn_video):
    """The model with the users' tastes and the videos' styles multiplied from the right."""
    user, video = model.user.copy(), model.video.copy()
    user[:, 1:], video[:, 1:] = user[:, 1:] @ turn_user, video[:, 1:] @ turn_video
    return replace(model, user=user, video=video)


def test_the_features_do_not_depend_on_how_the_factors_are_rotated():
    model = small_model()
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    turned = with_taste(model, turn, turn)
    assert not np.allclose(turned.user, model.user, atol=0.1)
    expected, found = of_all_pairs(model), of_all_pairs(turned)
    for name in columns.WATCH_TIME_FEATURES:
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-5, err_msg=name)


def test_the_features_do_not_depend_on_who_carries_the_scale_of_taste():
    model, stretch = small_model(), np.array([0.5, 2.0, 8.0], np.float32)
    scaled = with_taste(model, np.diag(stretch), np.diag(1 / stretch))
    scaled.user_variance[:, 1:] *= stretch**2
    scaled = replace(scaled, video_variance=model.video_variance.copy())
    scaled.video_variance[:, 1:] /= stretch**2
    model = small_model()
    for users in (np.arange(5), [-1]):
        expected, found = features(model, users, np.arange(7)), features(scaled, users, np.arange(7))
        for name in columns.WATCH_TIME_FEATURES:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


# --- features ---------------------------------------------------------------------------------


def test_the_features_of_a_pair_add_up():
    user, user_variance = [[0.5, 2.0], [-0.5, 1.0]], [[0.1, 0.2], [0.3, 0.4]]
    video, video_variance = [[1.0, -1.0], [3.0, 4.0]], [[0.5, 0.6], [0.7, 0.8]]
    arrays = (np.array(matrix, np.float32) for matrix in (user, user_variance, video, video_variance))
    model = WatchTimeModel(*arrays, mean=2.0, noise=0.25)
    said = model.features(np.array([0], np.int32), np.array([1], np.int32), np.array([1.5], np.float32))
    assert said.dtype == np.float32
    assert said.shape == (1, len(columns.WATCH_TIME_FEATURES))
    deviation = np.sqrt(0.25 + 0.1 + 0.7 + (2.0**2 + 0.2) * 0.8 + 0.2 * 4.0**2)
    margin = 2.0 - 1.5 + 0.5 + 3.0 + 8.0
    assert said[0] == pytest.approx([0.5, 3.0, 8.0, margin, 3.5, 1.0, margin / deviation, deviation])


def test_the_uncertainty_is_that_of_a_product_of_normals():
    model, random = small_model(seed=11), np.random.default_rng(12)
    draws = 200_000
    user, video = (
        means[0] + np.sqrt(variances[0]) * random.normal(size=(draws, 4))
        for means, variances in ((model.user, model.user_variance), (model.video, model.video_variance))
    )
    drawn = user[:, 0] + video[:, 0] + np.sum(user[:, 1:] * video[:, 1:], axis=1)
    said = features(model, [0], [0])
    assert said["uncertainty"].item() == pytest.approx(np.sqrt(np.var(drawn) + model.noise), rel=0.01)
    assert said["margin"].item() == pytest.approx(model.mean + drawn.mean(), abs=0.02)


def test_an_unknown_video_is_nan_throughout_and_an_unknown_length_where_it_counts():
    said = small_model().features(
        np.array([0, -1, 0, -1], np.int32), np.array([-1, -1, 3, 3], np.int32), np.array([1, 1, np.nan, np.nan], "f4")
    )
    assert np.isnan(said[:2]).all()
    by_length = [name.startswith("margin") for name in columns.WATCH_TIME_FEATURES]
    assert np.array_equal(np.isnan(said[2:]), [by_length, by_length])


def test_no_pairs_have_no_features():
    none = np.empty(0, np.int32)
    assert small_model().features(none, none, np.empty(0, np.float32)).shape == (0, 8)


# --- saved ------------------------------------------------------------------------------------


def test_a_saved_model_is_the_same_when_loaded(tmp_path):
    model = small_model()
    model.save(tmp_path)
    loaded = WatchTimeModel.load(tmp_path)
    for name in MATRICES:
        assert np.array_equal(getattr(loaded, name), getattr(model, name))
        assert getattr(loaded, name).dtype == np.float32
    assert (loaded.mean, loaded.noise) == (model.mean, model.noise)


FILES = (*(f"{name}.npy" for name in MATRICES), "watch_time.json")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: path.write_bytes(b"no model"),
    ],
    ids=["missing", "empty", "cut off", "something else"],
)
def test_a_damaged_model_is_refused(tmp_path, name, damage):
    small_model().save(tmp_path)
    damage(tmp_path / name)
    with pytest.raises(InputError, match=r": not a whole watch time model \(.+\)\n +Fit it again with python -m jobs"):
        WatchTimeModel.load(tmp_path)


@pytest.mark.parametrize("facts", [{}, {"mean": 1.0}, {"mean": None, "noise": 1.0}, {"mean": "x", "noise": 1.0}, [1]])
def test_facts_of_another_kind_are_refused(tmp_path, facts):
    small_model().save(tmp_path)
    (tmp_path / "watch_time.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(InputError, match="not a whole watch time model"):
        WatchTimeModel.load(tmp_path)


@pytest.mark.parametrize("name", FILES[:4])
@pytest.mark.parametrize("change", [lambda m: m[:, :-1], lambda m: m.astype(np.float64), lambda m: m[0]])
def test_matrices_that_do_not_belong_together_are_refused(tmp_path, name, change):
    small_model().save(tmp_path)
    np.save(tmp_path / name, change(np.load(tmp_path / name)))
    with pytest.raises(InputError, match=r"not a whole watch time model \(.*float32"):
        WatchTimeModel.load(tmp_path)
