"""Finished runs of a benchmark, kept in the repository: added at once, never done twice, told on a page.

A file ``runs.jsonl`` holds a JSON object a line, a run each; what tells runs apart is a few of its fields
(``key``). A run is added when it ends, so a benchmark that is cut off loses only what it was at.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

Row = dict[str, Any]


@dataclass(frozen=True)
class Kept:
    """Runs in a file.

    Args:
        path: The file; None keeps nothing (``--quick``).
        key: Fields that tell runs apart.
    """

    path: Path | None
    key: tuple[str, ...]

    def rows(self) -> list[Row]:
        """All runs, in the order in which they ended."""
        if self.path is None or not self.path.is_file():
            return []
        return [json.loads(line) for line in self.path.read_text("utf-8").splitlines()]

    def done(self) -> dict[tuple[Any, ...], Row]:
        """Runs by their key; of runs alike the last."""
        return {self.of(row): row for row in self.rows()}

    def of(self, row: Row) -> tuple[Any, ...]:
        """A run's key; None for a field that it lacks."""
        return tuple(row.get(part) for part in self.key)

    def add(self, row: Row) -> Row:
        """Writes a run that ended; it is returned as it came."""
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        return row


def facts() -> Row:
    """Which code, which machine, which day."""
    import torch

    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "commit": commit,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} thread(s) a run",
        "date": datetime.date.today().isoformat(),
    }


def told_once(rows: Sequence[Row], field: str) -> str:
    """The different values of a field, for the words above a table.

    >>> told_once([{"date": "2026-11-21"}, {"date": "2026-11-28"}, {"date": "2026-11-21"}], "date")
    '2026-11-21, 2026-11-28'
    """
    return ", ".join(sorted({str(row[field]) for row in rows}))


def put(page: Path, text: str, *, begin: str, end: str) -> None:
    """Puts text between two marks of a page; all else stays.

    Raises:
        ValueError: The page lacks a mark.
    """
    before, opened, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise ValueError(f"{page.name} must hold the marks {begin!r} and {end!r}, in this order. Add them.")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
