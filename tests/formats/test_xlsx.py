"""Excel: the first sheet, text stays text, numbers keep what the format keeps of them."""

import zipfile

import openpyxl
import pytest
from hypothesis import given

from sslcore.errors import FormatError
from sslcore.formats import sniff
from sslcore.formats.xlsx import Xlsx, XlsxOptions
from tests.formats.roundtrip import QUICK, projects, round_trip


@QUICK
@given(projects())
def test_written_then_read_is_the_same(drawn):
    before, after = round_trip(drawn, "xlsx", "a.xlsx")
    assert before.keys() == after.keys()
    for key, (*content, labels, meta) in before.items():
        *content_after, labels_after, meta_after = after[key]
        assert (content, meta, labels.keys()) == (content_after, meta_after, labels_after.keys())
        for task, (kind, value, *told) in labels.items():
            kind_after, value_after, *told_after = labels_after[task]
            assert (kind, told) == (kind_after, told_after)
            # a sheet keeps 16 digits of a number
            assert value_after == (pytest.approx(value) if kind == "numeric" else value)


def book(path):
    made = openpyxl.Workbook()
    made.active.append(["text", "label", "", "x"])
    made.active.append(["some words", "a", None, None])
    made.active.append([None, None, None])
    made.active.append(["more words", None, None])
    made.create_sheet("other").append(["text"])
    made.save(path)


def test_first_sheet_or_the_named_one(tmp_path):
    path = tmp_path / "a.csv"  # its contents say what it is
    book(path)
    assert sniff(path) == "xlsx"
    seen = Xlsx().inspect(path, None)
    assert seen.columns == ("text", "label", "column_3", "x")
    assert any("also 'other'" in said for said in seen.warnings)
    records = list(Xlsx().read(path, None, None))
    assert [(r.text, r.labels, r.key) for r in records] == [
        ("some words", {"label": "a"}, "a.csv#1"),
        ("more words", {}, "a.csv#3"),
    ]
    with pytest.raises(FormatError, match="no sheet 'gone'"):
        Xlsx().inspect(path, XlsxOptions(sheet="gone"))


def test_broken_workbook_is_refused(tmp_path):
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<nothing")
    with pytest.raises(FormatError, match="does not read"):
        Xlsx().inspect(path, None)
