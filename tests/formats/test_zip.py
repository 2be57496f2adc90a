"""Zip: read as what is in it; members that leave the folder, links and bombs are refused."""

import stat
import unicodedata
import zipfile

import pytest
from hypothesis import given

from sslcore.errors import DataError, FormatError, UnsafePathError
from sslcore.formats import Record, sniff, unpack
from sslcore.formats.unpack import ArchiveOptions
from sslcore.formats.zip import Zip
from sslcore.importing import import_source, preview
from tests.formats.archives import pack
from tests.formats.roundtrip import QUICK, empty_store, picture, projects, round_trip

HOSTILE = ["../evil.png", "..\\evil.png", "a/../../evil.png", "/abs.png", "C:\\evil.png",
           "\\\\host\\share\\x.png", "a/\x01.png", "..", "a\0b.png"]  # fmt: skip


@QUICK
@given(projects(image=True))
def test_written_then_read_is_the_same(drawn):
    before, after = round_trip(drawn, "zip", "a.zip", image=True)
    assert after == before


@QUICK
@given(projects())
def test_tables_packed_are_the_same(drawn):
    before, after = round_trip(drawn, "jsonl", "a.zip")
    assert after == before


def test_image_folder_in_it(tmp_path):
    members = {f"set/{c}/{i}.png": picture(i) for i, c in enumerate("aab")} | {"__MACOSX/._1.png": b"x"}
    path = pack(tmp_path / "a.zip", members)
    assert sniff(path) == "zip"
    seen = preview(path)
    assert (seen.modality, seen.count, seen.classes) == ("image", 3, {"label": {"a": 2, "b": 1}})
    assert all(record.media.is_file() for record in seen.sample)
    store = empty_store(tmp_path / "p", "image")
    report = import_source(store, path)
    assert (report.imported, report.labelled, report.format) == (3, 3, "zip")
    assert not list((store.folder / "spool").iterdir())


def pack_without_flag(path, members):
    """A zip file whose names are of bytes and which does not say that they are UTF-8, as macOS makes it."""
    stand_in = {"ABC"[i] * len(name): name for i, name in enumerate(members)}
    with zipfile.ZipFile(path, "w") as archive:
        for short, name in stand_in.items():
            archive.writestr(short, members[name])
    data = path.read_bytes()
    for short, name in stand_in.items():
        data = data.replace(short.encode(), name)
    path.write_bytes(data)
    return path


def test_names_in_utf8_without_the_flag(tmp_path):
    names = ["Bär/bär 1.png", "Löwe/löwe 1.png", "Löwe/löwe 2.png"]
    path = pack_without_flag(tmp_path / "a.zip", {n.encode(): picture(i) for i, n in enumerate(names)})
    assert preview(path).classes == {"label": {"Bär": 1, "Löwe": 2}}
    assert [record.key for record in Zip().read(path, None, None)] == names
    old = pack_without_flag(tmp_path / "b.zip", {n.encode("cp437"): picture(1) for n in names})
    assert preview(old).classes == {"label": {"Bär": 1, "Löwe": 2}}


@pytest.mark.parametrize(("in_table", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_table_finds_its_images_however_their_accents_are_written(tmp_path, in_table, on_disk):
    members = {
        b"s/labels.csv": unicodedata.normalize(in_table, "file,label\nFoto_ä0.png,gut\n").encode(),
        unicodedata.normalize(on_disk, "s/Foto_ä0.png").encode(): picture(1),
    }
    found = list(Zip().read(pack_without_flag(tmp_path / "a.zip", members), None, None))
    assert [record.labels for record in found if isinstance(record, Record)] == [{"label": "gut"}]


def test_names_without_the_flag_do_not_leave_the_folder(tmp_path):
    path = pack_without_flag(tmp_path / "a.zip", {"../ä/evil.png".encode(): picture(1)})
    with pytest.raises(UnsafePathError, match="refused"):
        list(Zip().read(path, None, None))


def test_one_class_folder_keeps_its_class(tmp_path):
    path = pack(tmp_path / "a.zip", {"cat/1.png": picture(1), "cat/2.png": picture(2)})
    assert {r.labels["label"] for r in Zip().read(path, None, None)} == {"cat"}


def test_table_with_images_and_options_for_it(tmp_path):
    members = {
        "s/labels.csv": b"file;mood\nimg/1.png;good\nimg/2.png;\n",
        "s/img/1.png": picture(1),
        "s/img/2.png": picture(2),
    }
    path = pack(tmp_path / "a.zip", members)
    found = list(Zip().read(path, None, ArchiveOptions(delimiter=";")))
    assert [(r.key, r.labels) for r in found if isinstance(r, Record)] == [
        ("img/1.png", {"mood": "good"}),
        ("img/2.png", {}),
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_member_that_leaves_the_folder_refuses_the_archive(tmp_path, name):
    path = pack(tmp_path / "a.zip", {"ok/1.png": picture(1)})
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        archive.writestr(info, b"x")
    store = empty_store(tmp_path / "p", "image")
    with pytest.raises(UnsafePathError, match="refused"):
        import_source(store, path)
    assert store.count() == 0
    assert not list((store.folder / "spool").iterdir())
    assert not [p for p in tmp_path.rglob("*") if "evil" in p.name or "abs" in p.name]


def test_links_are_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("a/link.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(UnsafePathError, match="link"):
        list(Zip().read(path, None, None))


def test_bombs_are_refused_by_what_comes_out(tmp_path, monkeypatch):
    path = pack(tmp_path / "a.zip", {"a.csv": b"text,label\n" + b"a" * 5_000_000})
    monkeypatch.setattr(unpack, "RATIO_FROM", 1_000_000)
    with pytest.raises(DataError, match="bomb"):
        list(Zip().read(path, None, None))
    monkeypatch.setattr(unpack, "MAX_TOTAL", 1000)
    with pytest.raises(DataError, match="more than 1,000 bytes"):
        list(Zip().read(path, None, None))
    monkeypatch.setattr(unpack, "MAX_MEMBERS", 2)
    with pytest.raises(DataError, match="more than 2 files"):
        list(Zip().read(pack(tmp_path / "b.zip", {f"{i}.csv": b"x" for i in range(3)}), None, None))


def test_broken_doubled_encrypted_and_nested_are_refused(tmp_path):
    path = pack(tmp_path / "a.zip", {"a.csv": b"text,label\nwords here,a\n"})
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + b"\0\0\0" + whole[43:])
    with pytest.raises(FormatError, match="broken"):
        list(Zip().read(path, None, None))
    path.write_bytes(whole[:30])
    with pytest.raises(FormatError):
        import_source(empty_store(tmp_path / "p", "text"), path)
    nested = pack(tmp_path / "n.zip", {"in.zip": whole})
    with pytest.raises(FormatError, match="archive in the archive"):
        list(Zip().read(nested, None, None))
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr("a.csv", "x")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.csv", "y")
    with pytest.raises(DataError, match="two files of one name"):
        list(Zip().read(tmp_path / "d.zip", None, None))
    locked = bytearray(whole)
    locked[6] |= 1
    at = locked.index(b"PK\x01\x02")
    locked[at + 8] |= 1
    path.write_bytes(locked)
    with pytest.raises(UnsafePathError, match="encrypted"):
        list(Zip().read(path, None, None))
