"""Parquet: typed columns, read a batch of rows at a time.

The file's own types are kept: lists are several labels, and an image column as Hugging Face writes it
(a struct of bytes and path) is named in the error, since images are read from files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sslcore.errors import FormatError
from sslcore.formats import FORMATS
from sslcore.formats.columns import column_of
from sslcore.formats.manifest import text_cells, with_media
from sslcore.formats.record import NoOptions, ProjectExport
from sslcore.formats.table import CHUNK_ROWS, Chunk, Table, TableFormat, written_whole


@FORMATS.register("parquet", title="Parquet table", family="format", paper="Apache Parquet", config=NoOptions)
class Parquet(TableFormat):
    """Apache Parquet."""

    name, suffixes = "parquet", (".parquet", ".pq")

    def fits(self, file: Path) -> float:
        """By its magic bytes."""
        with file.open("rb") as stream:
            return 1.0 if stream.read(4) == b"PAR1" else 0.0

    def open(self, file: Path, options: Any) -> Table:
        """As :meth:`TableFormat.open`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            # read as a stream, not as a memory map: a file cut short meanwhile must not end the process
            table = pq.ParquetFile(file, memory_map=False)
        except (pa.ArrowException, OSError) as error:
            raise FormatError(f"The file is no whole Parquet file: {error}.", file=file) from None
        columns = tuple(str(name) for name in table.schema_arrow.names)
        return Table(columns, _chunks(table, file, columns), count=table.metadata.num_rows)

    def write(self, export: ProjectExport, out: Path) -> None:
        """As :meth:`Format.write`; images go to ``<name>-media/`` beside it."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        export = with_media(export, out)
        several = {column_of(task.name) for task in export.tasks if task.kind == "multiple"}
        numeric = {column_of(task.name) for task in export.tasks if task.kind == "numeric"}
        numeric |= {f"{column_of(task.name)}__confidence" for task in export.tasks}
        texts = text_cells(export)
        arrays = {}
        for name, cells in export.table.items():
            if name in several:
                arrays[name] = pa.array(cells, pa.list_(pa.string()))
            elif name in numeric:
                arrays[name] = pa.array(cells, pa.float64())
            else:
                arrays[name] = pa.array(
                    [cell if cell is None or isinstance(cell, str) else str(cell) for cell in texts[name]],
                    pa.string(),
                )
        with written_whole(out) as file:
            pq.write_table(pa.table(arrays), file, compression="zstd")


def _chunks(table: Any, file: Path, columns: Sequence[str]) -> Iterator[Chunk]:
    import pyarrow as pa

    first = 1
    try:
        for batch in table.iter_batches(batch_size=CHUNK_ROWS):
            cells = {name: batch.column(at).to_pylist() for at, name in enumerate(columns)}
            yield Chunk(cells, range(first, first + batch.num_rows))
            first += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise FormatError(f"The file is broken: {error}.", file=file, row=first) from None
    finally:
        table.close()
