"""`kraft.engine.sql.file_kinds`: a file that is not what its name says, and what to do with it."""

import bz2
import gzip
import io
import lzma
import shlex
import shutil
import subprocess
import zipfile

import polars as pl
import pytest
from matching import exactly
from small_log import LOG_HEADER

from kraft.engine.sql.raw_file import RawFile
from kraft.errors import InputError
from kraft.logs.contracts import INTERACTION_COLUMNS

TEXT = LOG_HEADER + "\n1,2,3,4,,20200705,5,0.75\n"


def zipped(name="log.csv"):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, TEXT)
    return made.getvalue()


def table(write):
    made = io.BytesIO()
    write(pl.DataFrame({"user_id": [1]}), made)
    return made.getvalue()


SHEET = "Save it as CSV."
ANEW = "Write it as CSV or Parquet."
PACKED = {
    "gzip": (gzip.compress(TEXT.encode()), "a gzip file", "Unpack it: gzip -dc "),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x00", "a zstd file", "Unpack it: zstd -dc "),
    "bzip2": (bz2.compress(TEXT.encode()), "a bzip2 file", "Unpack it: bzip2 -dc "),
    "xz": (lzma.compress(TEXT.encode()), "an xz file", "Unpack it: xz -dc "),
    "zip": (zipped(), "a zip file", "Unpack it: unzip -p "),
    "Excel": (zipped("[Content_Types].xml"), "an Excel workbook", SHEET),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500, "an Excel workbook", SHEET),
    "Feather": (table(pl.DataFrame.write_ipc), "an Arrow (Feather) file", ANEW),
    "pickle": (b"\x80\x04\x95\x12\0\0", "a Python pickle", ANEW),
}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(("content", "words", "remedy"), PACKED.values(), ids=PACKED)
def test_other_content_than_the_name_says(tmp_path, ending, content, words, remedy):
    path = tmp_path / f"log.{ending}"
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        RawFile(path, INTERACTION_COLUMNS).check_header()
    assert refused.value.problem == f"{path}: it is {words}, not {'CSV text' if ending == 'csv' else 'Parquet'}"
    assert refused.value.remedy.startswith(remedy)


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zip"])
@pytest.mark.parametrize("name", ["my log.csv", "log.csv.{}"])
def test_the_command_unpacks_the_file(tmp_path, kind, name):
    ending = {"gzip": "gz", "bzip2": "bz2", "xz": "xz", "zip": "zip"}[kind]
    path = tmp_path / name.format(ending)
    path.write_bytes(PACKED[kind][0])
    with pytest.raises(InputError) as refused:
        RawFile(path, INTERACTION_COLUMNS).check_header()
    command = refused.value.remedy.removeprefix("Unpack it: ")
    if not shutil.which(shlex.split(command)[0]):
        pytest.skip("the program is not installed")
    subprocess.run(["/bin/sh", "-c", command], check=True, cwd=tmp_path)
    assert [made.read_text(encoding="utf-8") for made in tmp_path.glob("*.csv") if made != path] == [TEXT]


def test_parquet_that_is_called_csv_and_the_other_way_round(tmp_path):
    log, side = tmp_path / "log.csv", tmp_path / "side file.parquet"
    log.write_bytes(table(pl.DataFrame.write_parquet))
    side.write_text(TEXT, encoding="utf-8")
    message = f"{log}: it is a Parquet file, not CSV text\n       Rename it: mv {log} {tmp_path}/log.parquet"
    with pytest.raises(InputError, match=exactly(message)):
        RawFile(log, INTERACTION_COLUMNS).check_header()
    message = f"{side}: it is text, not Parquet\n       Rename it: mv '{side}' '{tmp_path}/side file.csv'"
    with pytest.raises(InputError, match=exactly(message)):
        RawFile(side, INTERACTION_COLUMNS).check_header()


@pytest.mark.parametrize("name", ["log.pq", "log.PARQUET"])
def test_parquet_of_another_ending(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(table(pl.DataFrame.write_parquet))
    with pytest.raises(InputError, match=r"Rename it: mv \S+ \S+/log\.parquet$"):
        RawFile(path, INTERACTION_COLUMNS).check_header()


@pytest.mark.parametrize("first", ["PAR1", "BZh9", "Obj", "PK", "ORC"])
def test_column_that_is_called_as_a_file_begins(tmp_path, first):
    path = tmp_path / "log.csv"
    path.write_text(f"{first},user_id\n1,2\n", encoding="utf-8")
    assert RawFile(path, {"user_id": "INTEGER"}).check_header() == [first, "user_id"]


def test_long_text_is_text_wherever_its_first_bytes_end(tmp_path):
    path = tmp_path / "log.parquet"
    for shift in range(3):
        path.write_text("x" * shift + "中" * 3000, encoding="utf-8")
        with pytest.raises(InputError, match="it is text, not Parquet"):
            RawFile(path, {}).header()


def test_folder_of_parts(tmp_path):
    folder = tmp_path / "log.parquet"
    folder.mkdir()
    pl.DataFrame({"user_id": [1]}).write_parquet(folder / "part-0.parquet")
    with pytest.raises(InputError, match=r"log\.parquet: a folder, not a file\n") as refused:
        RawFile(folder, {"user_id": "INTEGER"}).header()
    assert refused.value.remedy == (
        "A folder of parts is not read. Write them as one file, in DuckDB: "
        f"copy (from '{folder}/*.parquet') to 'one.parquet'"
    )
