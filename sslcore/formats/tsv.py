"""TSV: as CSV, with a tab between cells.

The registered IANA type knows no quotes and so no tabs or line ends in cells; spreadsheets and this
writer quote such cells as CSV does, and the reader takes both.
"""

from __future__ import annotations

from sslcore.formats import FORMATS
from sslcore.formats.csv import CsvOptions, Delimited


@FORMATS.register(
    "tsv", title="TSV table", family="format", paper="IANA text/tab-separated-values", config=CsvOptions
)
class Tsv(Delimited):
    """Tab separated values."""

    name, suffixes, delimiter = "tsv", (".tsv", ".tab"), "\t"
