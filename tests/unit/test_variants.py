"""`faults.variants`: the same raw data in another form."""

import polars as pl
import pytest
from faults import variants

from kraft.errors import InputError


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "small_matrix.csv").write_text(
        "user_id,video_id,timestamp,watch_ratio\n1,5,1593880000.123,1.10\n1,6,,0.5\n2,5,1593880001.5,2\n"
    )
    (folder / "user_features.csv").write_text("user_id,onehot_feat0\n1,3.0\n2,\n")
    (folder / "item_categories.csv").write_text('video_id,feat\n5,[8]\n6,"[27, 9]"\n')
    return folder


def made(tmp_path, variant, raw):
    folder = tmp_path / "variant"
    folder.mkdir()
    variant(raw, folder, "small")
    return folder


def test_shuffling_moves_lines_and_changes_none(tmp_path, raw):
    folder = made(tmp_path, variants.shuffled, raw)

    for source in raw.iterdir():
        before, after = (path.read_text().splitlines() for path in (source, folder / source.name))
        assert after[0] == before[0]
        assert sorted(after) == sorted(before)


def test_another_format_holds_the_same_values(tmp_path, raw):
    folder = made(tmp_path, variants.other_format, raw)

    assert sorted(path.suffix for path in folder.iterdir()) == [".parquet"] * 3
    log = pl.read_parquet(folder / "small_matrix.parquet")
    assert log["timestamp"].to_list() == [1593880000.123, None, 1593880001.5]
    assert pl.read_parquet(folder / "item_categories.parquet")["feat"].to_list() == ["[8]", "[27, 9]"]


def test_a_variant_of_nothing_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"small_matrix\.csv \(or \.parquet\) is not there"):
        variants.shuffled(tmp_path, tmp_path, "small")
