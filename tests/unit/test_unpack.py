"""Archives that are right, damaged, or built to harm."""

import shutil
import stat
import struct
import zipfile
import zlib
from types import SimpleNamespace

import pytest

from kraft.engine.process.progress import Progress
from kraft.errors import DownloadError, MachineError
from kraft.logs.download import unpack as module
from kraft.logs.download.unpack import EXTRAS, REQUIRED, unpack

TABLES = {name: f"a,b\n{name},1\n".encode() * 50 for name in REQUIRED}
FIRST = f"KuaiRec 2.0/data/{REQUIRED[0]}"


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "KuaiRec.zip"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out" / "data"


def pack(archive, entries=(), tables=TABLES, root="KuaiRec 2.0/data"):
    """The tables under ``root``, then ``entries``: (name or ZipInfo, bytes)."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, body in tables.items():
            opened.writestr(f"{root}/{name}", body)
        for name, body in entries:
            opened.writestr(name, body)


def patch_central(archive, offset, layout, value, *, name=FIRST, local_offset=None):
    """Overwrite one field of an entry's record in the central directory, and in its local header."""
    raw = bytearray(archive.read_bytes())
    encoded = name.encode()
    central = raw.rindex(encoded) - 46
    assert raw[central : central + 4] == b"PK\x01\x02"
    struct.pack_into(layout, raw, central + offset, value)
    if local_offset is not None:
        struct.pack_into(layout, raw, raw.index(encoded) - 30 + local_offset, value)
    archive.write_bytes(raw)


def refused(archive, folder, match):
    with pytest.raises(DownloadError, match=match):
        unpack(archive, folder, Progress(-1))
    assert not folder.exists(), "something was written before the archive was checked"


@pytest.mark.parametrize("root", ["KuaiRec 2.0/data", "KuaiRec/data", "KuaiRec 2.0/data/more"])
def test_tables_appear_with_their_bytes_wherever_the_archive_keeps_them(archive, folder, root):
    pack(archive, root=root)
    unpacked = unpack(archive, folder, Progress(-1))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == TABLES
    assert unpacked.sizes == {name: len(body) for name, body in TABLES.items()}
    assert unpacked.written == REQUIRED


def test_later_extras_are_taken_and_other_members_left_out(archive, folder):
    others = [
        "KuaiRec 2.0/LICENSE",
        "KuaiRec 2.0/data/notes.csv",
        "__MACOSX/x/._small_matrix.csv",
        REQUIRED[0],
    ]
    extras = [(f"KuaiRec 2.0/data/{name}", b"x") for name in EXTRAS]
    pack(archive, [*((name, b"x") for name in others), *extras, ("KuaiRec 2.0/figs/", b"")])
    unpacked = unpack(archive, folder, Progress(-1))
    assert {path.name for path in folder.iterdir()} == {*REQUIRED, *EXTRAS}
    assert unpacked.left_out == tuple(others)


def test_left_out_members_are_named_only_to_verbose(archive, folder, capsys):
    pack(archive, [("KuaiRec 2.0/LICENSE", b"x")])
    unpack(archive, folder, Progress(0))
    assert "LICENSE" not in capsys.readouterr().err
    unpack(archive, folder, Progress(1))
    assert "left out  KuaiRec 2.0/LICENSE" in capsys.readouterr().err


def test_tables_to_keep_are_not_touched(archive, folder):
    pack(archive)
    folder.mkdir(parents=True)
    (folder / REQUIRED[1]).write_bytes(b"as it was")
    unpacked = unpack(archive, folder, Progress(-1), keep=[REQUIRED[1]])
    assert (folder / REQUIRED[1]).read_bytes() == b"as it was"
    assert unpacked.written == tuple(name for name in REQUIRED if name != REQUIRED[1])


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("../x.csv", "leaves the folder"),
        (f"KuaiRec 2.0/data/../../../{REQUIRED[0]}", "leaves the folder"),
        ("/etc/x.csv", "absolute path"),
        ("C:/x.csv", "absolute path"),
        ("..\\x.csv", "backslash"),
    ],
)
def test_paths_that_escape_condemn_the_archive(archive, folder, name, match):
    pack(archive, [(name, b"x")])
    refused(archive, folder, match)
    assert list(folder.parent.parent.rglob("*.csv")) == []


def test_a_nul_byte_in_a_name_condemns_the_archive(archive, folder):
    pack(archive, [("KuaiRec 2.0/data/xNcsv", b"x")])
    archive.write_bytes(archive.read_bytes().replace(b"xNcsv", b"x\0csv"))
    refused(archive, folder, "NUL byte")


@pytest.mark.parametrize("name", [FIRST, "KuaiRec 2.0/link"])
@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_special_files_condemn_the_archive(archive, folder, name, kind):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (kind | 0o777) << 16
    pack(archive, [(entry, b"/etc/passwd")], tables={n: b for n, b in TABLES.items() if n not in name})
    refused(archive, folder, "a link or a special file")


def test_the_same_table_twice_is_refused(archive, folder):
    pack(archive, [(f"KuaiRec/data/{REQUIRED[0]}", b"x")])
    refused(archive, folder, "more than one entry of that name")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_the_same_entry_twice_is_refused(archive, folder):
    pack(archive, [(FIRST, b"x")])
    refused(archive, folder, "more than one entry of that name")


def test_missing_tables_are_named(archive, folder):
    gone = (REQUIRED[1], REQUIRED[4])
    pack(archive, tables={name: body for name, body in TABLES.items() if name not in gone})
    refused(archive, folder, f"lacks {gone[0]}, {gone[1]}")


def test_a_table_that_is_only_a_folder_is_missing(archive, folder):
    pack(archive, [(f"{FIRST}/", b"")], tables={n: b for n, b in TABLES.items() if n != REQUIRED[0]})
    refused(archive, folder, f"lacks {REQUIRED[0]}")


def test_a_bomb_is_known_by_its_ratio(archive, folder):
    pack(archive, tables=TABLES | {REQUIRED[0]: bytes(5_000_000)})
    refused(archive, folder, "taken for a bomb")


def test_a_declared_size_beyond_the_limit_is_refused(archive, folder, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_MEMBER", 1_000)
    pack(archive)
    refused(archive, folder, "bytes, at most 1,000 are taken")


def test_the_limit_holds_for_the_sum_too(archive, folder, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_SUM", 5_000)
    pack(archive)
    refused(archive, folder, "at most 5,000 are taken")


def test_too_many_entries_are_refused(archive, folder, monkeypatch):
    monkeypatch.setattr(module, "MOST_MEMBERS", 7)
    pack(archive, [("x", b"")])
    refused(archive, folder, "8 entries, at most 7 are taken")


def test_a_bomb_that_declares_few_bytes_writes_no_more_than_those(archive, folder):
    pack(archive, tables=TABLES | {REQUIRED[0]: bytes(5_000_000)})
    patch_central(archive, 24, "<L", 100, local_offset=22)
    with pytest.raises(DownloadError, match="damaged: Bad CRC-32"):
        unpack(archive, folder, Progress(-1))
    assert list(folder.iterdir()) == []


def test_a_bomb_with_a_forged_crc_writes_no_more_than_it_declares(archive, folder):
    pack(archive, tables=TABLES | {REQUIRED[0]: bytes(5_000_000)})
    patch_central(archive, 24, "<L", 100, local_offset=22)
    patch_central(archive, 16, "<L", zlib.crc32(bytes(100)), local_offset=14)
    unpack(archive, folder, Progress(-1))
    assert (folder / REQUIRED[0]).read_bytes() == bytes(100)


def test_fewer_bytes_than_declared_are_damage_though_the_crc_fits(archive, folder):
    pack(archive)
    size = len(TABLES[REQUIRED[0]])
    patch_central(archive, 24, "<L", size + 7, local_offset=22)
    with pytest.raises(DownloadError, match=f"damaged: {size:,} bytes of the declared {size + 7:,}"):
        unpack(archive, folder, Progress(-1))
    assert list(folder.iterdir()) == []


def test_more_bytes_than_declared_are_not_written(archive, folder, monkeypatch):
    # zipfile never hands out more than declared; the count of our own must not depend on that.
    pack(archive)
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda *_: bytes(1_000_000))
    with pytest.raises(DownloadError, match="more than the declared"):
        unpack(archive, folder, Progress(-1))
    assert list(folder.iterdir()) == []


def test_a_crc_error_names_the_member_and_keeps_the_tables_before_it(archive, folder):
    pack(archive)
    third = REQUIRED[2]
    patch_central(archive, 16, "<L", 1, name=f"KuaiRec 2.0/data/{third}", local_offset=14)
    with pytest.raises(DownloadError, match=f"{third}.*: damaged: Bad CRC-32"):
        unpack(archive, folder, Progress(-1))
    assert sorted(path.name for path in folder.iterdir()) == sorted(REQUIRED[:2])


def test_a_damaged_deflate_stream_is_told(archive, folder):
    pack(archive)
    raw = bytearray(archive.read_bytes())
    start = raw.index(FIRST.encode()) + len(FIRST)
    raw[start : start + 8] = b"\xff" * 8
    archive.write_bytes(raw)
    with pytest.raises(DownloadError, match="damaged: Error -3 while decompressing"):
        unpack(archive, folder, Progress(-1))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("flag", [0x1, 0x41])
def test_encrypted_tables_are_refused(archive, folder, flag):
    pack(archive)
    patch_central(archive, 8, "<H", flag, local_offset=6)
    refused(archive, folder, "encrypted")


def test_other_compression_methods_are_refused(archive, folder):
    entry = zipfile.ZipInfo(FIRST)
    entry.compress_type = zipfile.ZIP_BZIP2
    pack(archive, [(entry, b"x")], tables={n: b for n, b in TABLES.items() if n != REQUIRED[0]})
    refused(archive, folder, "compression method 12")


@pytest.mark.parametrize("body", [b"", b"<html>not found</html>", b"PK\x05\x06"])
def test_what_is_no_zip_is_told(archive, folder, body):
    archive.write_bytes(body)
    refused(archive, folder, "not a whole ZIP file")


def test_a_truncated_archive_is_told(archive, folder):
    pack(archive)
    archive.write_bytes(archive.read_bytes()[:-200])
    refused(archive, folder, "not a whole ZIP file")


def test_a_link_planted_under_the_temporary_name_is_not_followed(archive, folder, tmp_path):
    pack(archive)
    folder.mkdir(parents=True)
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    (folder / f".{REQUIRED[0]}.partial").symlink_to(precious)
    unpack(archive, folder, Progress(-1))
    assert precious.read_bytes() == b"mine"
    assert (folder / REQUIRED[0]).read_bytes() == TABLES[REQUIRED[0]]


def test_too_little_disk_is_told_before_anything_is_written(archive, folder, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_048_576))
    pack(archive)
    with pytest.raises(MachineError, match=r"unpacking KuaiRec.zip needs .* of disk"):
        unpack(archive, folder, Progress(-1))
    assert list(folder.iterdir()) == []
