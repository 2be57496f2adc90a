"""TSV: CSV with tabs, quotes where a cell holds one."""

from hypothesis import given

from sslcore.formats import sniff
from sslcore.formats.tsv import Tsv
from tests.formats.roundtrip import QUICK, projects, round_trip


@QUICK
@given(projects())
def test_written_then_read_is_the_same(drawn):
    before, after = round_trip(drawn, "tsv", "a.tsv")
    assert after == before


def test_read_by_its_name_and_tabs(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("text\tmood\na, b, c\tgood\nd, e, f\t\n")
    assert sniff(path) == "tsv"
    assert [(r.text, r.labels) for r in Tsv().read(path, None, None)] == [
        ("a, b, c", {"mood": "good"}),
        ("d, e, f", {}),
    ]
