"""Parquet: types kept, cut files refused."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from sslcore.errors import FormatError
from sslcore.formats import sniff
from sslcore.formats.parquet import Parquet
from tests.formats.roundtrip import QUICK, projects, round_trip


@QUICK
@given(projects())
def test_written_then_read_is_the_same(drawn):
    before, after = round_trip(drawn, "parquet", "a.parquet")
    assert after == before


def table(path):
    columns = {
        "text": [f"some words {i}" for i in range(50)],
        "label": pa.array([None if i % 2 else i % 3 for i in range(50)], pa.float64()),
        "tags": [["a", "b"] if i % 2 else None for i in range(50)],
        "seen": pa.array(range(50), pa.timestamp("s")),
    }
    pq.write_table(pa.table(columns), path)


def test_types(tmp_path):
    path = tmp_path / "anything"
    table(path)
    assert sniff(path) == "parquet"
    seen = Parquet().inspect(path, None)
    assert seen.count == 50
    assert {t.column: t.kind for t in seen.mapping.tasks} == {"label": "single", "tags": "multiple"}
    records = list(Parquet().read(path, None, None))
    assert (records[0].labels, records[1].labels) == ({"label": "0"}, {"tags": ("a", "b")})
    assert records[0].meta == {"seen": "1970-01-01 00:00:00"}


def test_cut_file_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    table(path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(FormatError, match="no whole Parquet"):
        list(Parquet().read(path, None, None))
