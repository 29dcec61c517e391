"""`jobs.synthesize --to`: only older synthetic files are replaced."""

import pytest

from kraft.engine.process.progress import QUIET, Progress
from kraft.errors import InputError
from kraft.logs.synthetic import synthesize
from kraft.logs.synthetic.listing import LISTING


def make(to, **options):
    return synthesize(to, users=10, items=50, with_big=False, progress=Progress(QUIET), **options)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != LISTING}


def refused(name, to, **options):
    before = files(to)
    with pytest.raises(InputError, match=rf"{name} is there, and is not as jobs\.synthesize has made it"):
        make(to, **options)
    assert files(to) == before


def test_synthetic_data_replaces_synthetic_data(tmp_path):
    make(tmp_path, seed=1)
    first = files(tmp_path)
    make(tmp_path, seed=2)
    assert files(tmp_path).keys() == first.keys()
    assert files(tmp_path) != first
    make(tmp_path, seed=1, with_oracle=True)
    make(tmp_path, seed=1, with_oracle=True)
    assert {name: files(tmp_path)[name] for name in first} == first


@pytest.mark.parametrize("name", ["small_matrix.csv", "user_features.csv", "item_daily_features.csv"])
def test_a_file_of_somebody_else_stays(tmp_path, name):
    (tmp_path / name).write_text("mine", encoding="utf-8")
    refused(name, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_oracle_of_somebody_else_stays(tmp_path):
    (tmp_path / "oracle.parquet").write_text("mine", encoding="utf-8")
    refused("oracle.parquet", tmp_path, with_oracle=True)


def test_a_file_that_took_the_place_of_a_synthetic_one_stays(tmp_path):
    make(tmp_path)
    (tmp_path / "small_matrix.csv").write_text("mine", encoding="utf-8")
    refused("small_matrix.csv", tmp_path)


def test_a_link_stays(tmp_path):
    to = tmp_path / "to"
    make(to)
    (to / "social_network.csv").rename(tmp_path / "far.csv")
    (to / "social_network.csv").symlink_to(tmp_path / "far.csv")
    refused("social_network.csv", to)
    (to / "social_network.csv").unlink()
    (to / "social_network.csv").mkdir()
    with pytest.raises(InputError, match="social_network"):
        make(to)


def test_what_an_interrupted_run_left_is_replaced(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("kraft.logs.synthetic.generator.small_matrix", killed)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path)
    monkeypatch.undo()
    assert "user_features.csv" in files(tmp_path)
    make(tmp_path)
    assert "small_matrix.csv" in files(tmp_path)


def test_given_side_tables_in_the_very_folder_stay_and_are_nobodys(tmp_path):
    make(tmp_path / "other", seed=3)
    to = tmp_path / "to"
    to.mkdir()
    for name in ("user_features.csv", "item_categories.csv"):
        (to / name).write_bytes((tmp_path / "other" / name).read_bytes())
    given = {name: (to / name).stat().st_mtime_ns for name in files(to)}
    make(to, side_tables_from=to)
    assert {name: (to / name).stat().st_mtime_ns for name in given} == given
    # Later synthetic data does not take them for its own.
    refused("user_features.csv", to)


def test_a_broken_listing_lists_nothing(tmp_path):
    make(tmp_path)
    (tmp_path / LISTING).write_text("{", encoding="utf-8")
    refused("csv", tmp_path)
