"""Every error this library raises on purpose.

::

    LabelloomError
    ├── ConfigError          a setting out of range, of the wrong type, or of no known name   (ValueError)
    ├── UnknownNameError     a name no registry holds, with the ones it does hold             (LookupError)
    ├── RecipeError          settings that are fine alone and make no sense together          (ValueError)
    ├── DataError            a file or a value that cannot be read; names file, row, column   (ValueError)
    │   ├── FormatError      no reader knows this source, or it breaks its own format
    │   └── UnsafePathError  a path that would leave its folder, or is no plain file
    ├── StoreError           the project store cannot do what was asked
    │   ├── ProjectNotFoundError
    │   └── StoreBusyError   locked, full or read-only: nothing was written
    ├── SourceUnavailableError  weights or a set that cannot be reached; says what works offline
    └── TrainingError        a run that cannot go on: step, batch and what to change

A message says what happened, what was expected, what was received and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path


class LabelloomError(Exception):
    """Root of all errors that are raised on purpose; its text is written for the user."""


class ConfigError(LabelloomError, ValueError):
    """A setting is out of range, of the wrong type, or unknown."""


class UnknownNameError(LabelloomError, LookupError):
    """A name that the registry does not hold."""


class RecipeError(LabelloomError, ValueError):
    """Choices that are each valid but cannot be combined."""


class DataError(LabelloomError, ValueError):
    """Input that cannot be read.

    Args:
        problem: What happened, what was expected, what was received, what to do.
        file: The file at fault, where there is one.
        row: Its 1-based row (header excluded), where there is one.
        column: The column's name, where there is one.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: Path | str | None = None,
        row: int | None = None,
        column: str | None = None,
    ) -> None:
        self.problem, self.file, self.row, self.column = problem, file, row, column
        place = ", ".join(
            part
            for part in (
                str(file) if file is not None else "",
                f"row {row}" if row is not None else "",
                f"column {column!r}" if column is not None else "",
            )
            if part
        )
        super().__init__(f"{place}: {problem}" if place else problem)


class FormatError(DataError):
    """No reader knows this source, or the source breaks the rules of its format."""


class UnsafePathError(DataError):
    """A path that would leave the folder it belongs to, a link, or no plain file."""


class StoreError(LabelloomError):
    """The project store cannot do what was asked."""


class ProjectNotFoundError(StoreError, LookupError):
    """No project of that name; the message lists the ones there are."""


class StoreBusyError(StoreError):
    """The store is locked, full or read-only. Nothing was written, nothing is acknowledged."""


class SourceUnavailableError(LabelloomError):
    """Weights or a data set that cannot be reached; the message names what works offline."""


class TrainingError(LabelloomError):
    """A run that cannot go on; the message says at which step and what to change.

    Args:
        problem: What happened, what was expected, what was received, what to do.
        rows: Rows of the items at fault, where the error is about a batch; a message never names rows,
            because only who made the set knows what they are called.
    """

    def __init__(self, problem: str, *, rows: Sequence[int] = ()) -> None:
        self.problem, self.rows = problem, tuple(rows)
        super().__init__(problem)


def did_you_mean(name: object, there: Iterable[str]) -> str:
    """A hint at the nearest of the names there are, with a space before it; "" where none is near.

    >>> did_you_mean("tedy", ["teddy", "train"]), did_you_mean("x", ["teddy"])
    (" Did you mean 'teddy'?", '')
    """
    near = difflib.get_close_matches(str(name), list(there), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
