"""What a run did to an item's pseudo-label: when it was given, when it was taken back, and why.

A run of a method that takes pseudo-labels back leaves its events in ``history_<task id>.npy``; here they are
read for some items and put into words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sslcore.shapes import IntArray
from sslcore.store import Task
from sslcore.workbench.desk import Desk


@dataclass(frozen=True)
class Correction:
    """Something that happened to an item's pseudo-label in a run.

    Attributes:
        run: The run.
        place: Which event of the item it is, from 0; earlier ones may be forgotten.
        step: The run's step.
        what: "given", "taken back", or "changed" to another label.
        label: The label that was given, taken back, or changed.
        instead: What those who judge the item say in its place; None where they say the same.
        belief: How much they believe in the label that was given or taken back, or in the new one, 0 to 1.
    """

    run: int
    place: int
    step: int
    what: str
    label: str
    instead: str | None
    belief: float

    @property
    def told(self) -> str:
        """The event in a line.

        >>> Correction(3, 1, 120, "taken back", "cat", "dog", 0.41).told
        "step 120: 'cat' taken back, believed only 41 % (rather 'dog')"
        """
        sure = f"{100 * self.belief:.0f} %"
        if self.what == "given":
            return f"step {self.step}: {self.label!r} given, believed {sure}"
        if self.what == "changed":
            return f"step {self.step}: {self.label!r} became {self.instead!r}, believed {sure}"
        rather = "" if self.instead is None else f" (rather {self.instead!r})"
        return f"step {self.step}: {self.label!r} taken back, believed only {sure}{rather}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, with the line."""
        return asdict(self) | {"told": self.told}


class CorrectionsDesk(Desk):
    """Tells what became of pseudo-labels."""

    def run(self, task: Task) -> int | None:
        """The run whose history is shown: the one that the task follows, else the newest that has one."""
        adopted = self.store.adopted(task.id)
        done = [run.id for run in self.store.runs.list(kind="train", status=("done",))]
        wanted = [adopted] if adopted is not None else []
        return next((run_id for run_id in [*wanted, *done] if self._file(run_id, task).is_file()), None)

    def of_rows(
        self, task: Task, rows: Sequence[int] | IntArray, *, run_id: int | None = None
    ) -> dict[int, list[Correction]]:
        """The events of some items, in order, by row; rows without any are left out.

        Args:
            task: The task.
            rows: Rows of the items.
            run_id: Of which run; of the one that :meth:`run` says, where not given.
        """
        held = self.run(task) if run_id is None else run_id
        if held is None or not self._file(held, task).is_file():
            return {}
        path = self._file(held, task)
        event_EF = np.load(path, mmap_mode="r", allow_pickle=False)
        row_E = np.ascontiguousarray(event_EF[:, 0])
        found: dict[int, list[Correction]] = {}
        for row in dict.fromkeys(int(row) for row in rows):
            first, last = np.searchsorted(row_E, [row, row + 1])
            if last > first:
                found[row] = [_correction(held, event, task) for event in event_EF[first:last].tolist()]
        return found

    def _file(self, run_id: int, task: Task) -> Path:
        return self.bench.folder / "runs" / str(run_id) / f"history_{task.id}.npy"


def on_card(corrections: Sequence[Correction]) -> dict[str, Any]:
    """What a card shows of an item: the lines, the oldest first, and how often a label was taken back.

    >>> on_card([Correction(3, 2, 120, "taken back", "cat", None, 0.41)])["lines"][0]
    'run 3, after 2 earlier changes:'
    """
    if not corrections:
        return {"lines": [], "taken_back": 0}
    first = corrections[0]
    earlier = f", after {first.place} earlier changes" if first.place else ""
    lines = [f"run {first.run}{earlier}:", *(held.told for held in corrections)]
    return {"lines": lines, "taken_back": sum(held.what == "taken back" for held in corrections)}


def _correction(run_id: int, event: Sequence[int], task: Task) -> Correction:
    _, place, step, before, after, said, belief = event
    names = task.class_names
    what = "given" if before < 0 else "taken back" if after < 0 else "changed"
    label = after if what == "given" else before
    instead = after if what == "changed" else said if said != label else None
    return Correction(
        run_id,
        place,
        step,
        what,
        names[label],
        None if instead is None or instead < 0 else names[instead],
        belief / 1000,
    )
