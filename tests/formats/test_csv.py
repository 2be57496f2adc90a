"""CSV: sniffed encodings, delimiters and headers; bad rows told; formulas guarded and given back."""

import csv
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslcore.errors import ConfigError, DataError, FormatError
from sslcore.exporting import export
from sslcore.formats import FORMATS, ColumnMapping, Record, Skipped, TaskColumn, sniff
from sslcore.formats.csv import Csv, CsvOptions, _unguard, guard
from sslcore.importing import import_source
from tests.formats.roundtrip import QUICK, build, empty_store, projects, round_trip


def read(path, mapping=None, **options):
    return list(Csv().read(path, mapping, CsvOptions(**options)))


@QUICK
@given(projects())
def test_written_then_read_is_the_same(drawn):
    before, after = round_trip(drawn, "csv", "a.csv")
    assert after == before


@QUICK
@given(projects())
def test_the_lossless_mode_is_the_same_too(drawn):
    before, after = round_trip(drawn, "csv", "a.csv", guard_formulas=False)
    assert after == before


@given(st.text() | st.text("';,\t\r\n =+-@a1\""))
def test_guarding_is_undone_exactly(text):
    assert _unguard(guard(text)) == text
    assert guard(text)[:1] not in ("=", "+", "-", "@", "\t", "\r")
    for part in re.split("[;\t\r\n]", guard(text))[1:]:
        assert part.strip(" ")[:1] not in ("=", "@")
        assert part.strip(" ")[:1] not in ("+", "-") or not re.search(r"\w\(|[|!]", part)


def test_lists_within_a_text_stay_as_they_are():
    assert (
        guard("Bring:\n- bread (dark)\n- salt;-)\n+ 3 eggs") == "Bring:\n- bread (dark)\n- salt;-)\n+ 3 eggs"
    )
    assert guard("a;-1+cmd|' /C calc'!A0") == "a;'-1+cmd|' /C calc'!A0"


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_no_cell_begins_as_a_formula_where_lists_are_separated_otherwise(tmp_path, delimiter):
    evil = f"nice{delimiter}=1+cmd|' /C calc'!A0"
    texts = [evil, f"good{delimiter}  -2+SUM(A1)", f"bad{delimiter}'@SUM(A1)", "a line\n=1+1", "plain; words"]
    store = empty_store(tmp_path / "p", "text")
    build(store, ({"mood": "single"}, ["a;=b"], [(f"k{i}", x, None, {}, {}) for i, x in enumerate(texts)]))
    for guarded in (True, False):
        out = tmp_path / f"{guarded}.csv"
        export(store, {}, format="csv", out=out, guard_formulas=guarded)
        body = out.read_text(encoding="utf-8-sig")
        cells = [cell for line in body.splitlines() for cell in line.split(delimiter)]
        assert any(cell.lstrip(" ").startswith(("=", "+", "-", "@")) for cell in cells) is not guarded
        fresh = empty_store(tmp_path / f"q{guarded}", "text")
        import_source(fresh, out)
        assert fresh.texts() == texts
        assert fresh.task("mood").class_names == ["a;=b"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(tmp_path, delimiter):
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(
            [["text", "mood"], ["fine, I think", "good"], ["dull; slow", "bad"], ["ok", ""]]
        )
    seen = Csv().inspect(path, None)
    assert (seen.delimiter, seen.columns) == (delimiter, ("text", "mood"))
    assert [r.labels for r in read(path)] == [{"mood": "good"}, {"mood": "bad"}, {}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "cp1251", "shift_jis"])
def test_encoding_is_found(tmp_path, encoding):
    sentence = {
        "cp1251": "Сегодня хорошая погода и мы пойдём гулять в парк",
        "shift_jis": "今日はとても良い天気なので公園へ散歩に行きましょう。",
    }.get(encoding, "Das Mädchen läuft über die Straße und grüßt die Nachbarn")
    path = tmp_path / "a.csv"
    path.write_bytes(("text,mood\n" + f"{sentence},good\n" * 20).encode(encoding))
    assert read(path)[0].text == sentence
    guessed = encoding not in ("utf-8", "utf-8-sig", "utf-16")
    assert any("guessed" in said for said in Csv().inspect(path, None).warnings) == guessed
    assert read(path, encoding=encoding)[0].text == sentence


def test_late_byte_that_is_not_utf8_is_found_before_the_import_starts(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\n" + b"plain,a\n" * 300_000 + "naïve,b\n".encode("cp1252"))
    assert Csv().inspect(path, None).encoding != "utf-8"


def test_wrong_encoding_is_told_with_the_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text,mood\nplain,a\nnaïve,b\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"a\.csv.*utf-8"):
        read(path, encoding="utf-8")
    with pytest.raises(FormatError, match="no encoding 'klingon'"):
        read(path, encoding="klingon")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(FormatError, match="not text"):
        read(path)


def test_headerless_table_as_ag_news_has_it(tmp_path):
    path = tmp_path / "ag.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows(
            [
                str(1 + i % 4),
                f"Headline number {i} of the day",
                f"A longer description of event {i} and its end.",
            ]
            for i in range(40)
        )
    seen = Csv().inspect(path, None)
    assert seen.header is False
    assert any("looks like data" in said for said in seen.warnings)
    records = read(path)
    assert len(records) == 40
    assert records[0].labels == {"label": "1"}
    assert records[0].text == "Headline number 0 of the day\nA longer description of event 0 and its end."
    assert len(read(path, ColumnMapping(text=seen.columns[1]), header=False)) == 40


def test_label_first_without_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("positive,a very fine film\nnegative,a very dull film\npositive,another fine one\n" * 3)
    records = read(path)
    assert len(records) == 9
    assert records[0] == Record(records[0].key, "a very fine film", labels={"label": "positive"})


def test_bad_rows_are_told_and_the_rest_is_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('text,mood\nfine,good\na,b,c,d\n"x"y,bad\n  ,good\nshort\n\ndull,bad\n')
    found = read(path)
    assert [r.text for r in found if isinstance(r, Record)] == ["fine", "short", "dull"]
    told = {s.place: s.reason for s in found if isinstance(s, Skipped)}
    assert told["row 2"] == "4 cells, expected 2"
    assert "does not read as CSV" in told["line 4"]
    assert told["row 4"] == "the text is empty"


def test_quote_that_never_closes_is_an_error_that_names_the_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('text,mood\nfine,good\n"dull,bad\nmore,good\n')
    with pytest.raises(DataError, match="line 3"):
        read(path)


def test_no_text_column_is_a_clear_error(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("n,m\n1,2\n3,4\n")
    with pytest.raises(DataError, match="'text' or 'path'"):
        read(path)
    with pytest.raises(DataError, match=r"column 'body'.*There are: 'n', 'm'"):
        read(path, ColumnMapping(text="body"))


def test_columns_are_guessed_by_name_and_by_content(tmp_path):
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["uuid", "note", "kind", "score", "stars", "split", "url", "tags"])
        for i in range(60):
            row = [
                f"u{i}",
                f"some longer words of note {i}",
                "ab"[i % 2],
                f"{i / 7:.2f}",
                i % 5,
                "val",
                f"http://x/{i}",
            ]
            writer.writerow([*row, "red|blue" if i % 2 else "red"])
    mapping = Csv().inspect(path, None).mapping
    assert (mapping.text, mapping.id, mapping.split) == ("note", "uuid", "split")
    assert {t.column: t.kind for t in mapping.tasks} == {
        "kind": "single", "score": "numeric", "stars": "single", "tags": "multiple"
    }  # fmt: skip
    assert mapping.meta == ("url",)
    first = read(path)[1]
    assert (first.split, first.labels["tags"], first.labels["stars"]) == ("validation", ("red", "blue"), "1")
    assert any("'|' stands between" in said for said in Csv().inspect(path, None).warnings)
    one = ColumnMapping(text="note", tasks=(TaskColumn("tags", "tags"),))
    assert read(path, one)[1].labels == {"tags": "red|blue"}


def test_minus_one_among_counting_numbers_is_no_label(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"words {i},{i % 3 - 1}\n" for i in range(30)))
    assert [r.labels for r in read(path)[:3]] == [{}, {"label": "0"}, {"label": "1"}]
    assert any("'-1'" in said for said in Csv().inspect(path, None).warnings)


def test_header_said_twice_is_told_apart(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label,label\nfine words,a,b\nother words,b,a\n")
    assert Csv().inspect(path, None).columns == ("text", "label", "label (2)")


def test_paths_that_leave_the_folder_are_left_out(tmp_path):
    (tmp_path / "secret.png").write_bytes(b"x")
    home = tmp_path / "set"
    home.mkdir()
    (home / "link.png").symlink_to(tmp_path / "secret.png")
    paths = ["../secret.png", "..\\secret.png", "/etc/passwd.png", "C:\\x.png", "\\\\host\\x.png", "link.png",
             "http://host/x.png", "gone.png"]  # fmt: skip
    (home / "a.csv").write_text("path,label\n" + "".join(f"{path},a\n" for path in paths))
    found = read(home / "a.csv")
    assert len(found) == len(paths)
    assert all(isinstance(one, Skipped) for one in found)


def test_options_say_what_is_wrong_with_them():
    with pytest.raises(ConfigError, match="one character"):
        CsvOptions(delimiter=";;")


def test_contents_decide_before_names(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    with pytest.raises(FormatError, match="No reader knows"):
        sniff(path)
    (tmp_path / "b.txt").write_text("text;label\nwords here;a\nmore words;b\n")
    assert sniff(tmp_path / "b.txt") == "csv"
    path.write_bytes(b"")
    with pytest.raises(FormatError, match="zero bytes"):
        sniff(path)
    with pytest.raises(FormatError, match="No such file"):
        sniff(tmp_path / "gone")
    assert "csv" in FORMATS
