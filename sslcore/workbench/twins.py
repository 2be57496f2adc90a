"""Near-duplicates on the Label page: asked once, answered together.

Groups come from the kNN graph (``quality/duplicates.py``) and are kept for as long as the features stay.
Of each group one item is asked; once it has a label, or was skipped, the others wait until nothing else
is left. Their answer is offered for them, never taken for granted: only items without a label take it,
and never one of the audit split, whose answers must be given blind. For the same reason the split's own
answers do not count here: what is asked must not depend on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sslcore.errors import DataError
from sslcore.quality.duplicates import duplicate_groups
from sslcore.shapes import BoolArray, IntArray
from sslcore.store import Event, Item
from sslcore.store.fold import SOURCE_CODE, TaskState
from sslcore.workbench.label_events import only
from sslcore.workbench.snapshot import Snapshot

if TYPE_CHECKING:
    from sslcore.instant.view import View

SHARING = ("ask", "always", "never")
"""What becomes of an answer whose item has near-duplicates: offered for them, given to them, neither."""
TWIN_TEXT = 240
"""Characters of a near-duplicate's text that a card carries."""
MOST_SHARED = 1000
"""Near-duplicates that one answer is shared with at most."""


@dataclass(frozen=True)
class Twin:
    """A near-duplicate as a card shows it: enough to see what an answer would be shared with."""

    item_id: int
    key: str
    text: str | None
    sha: str | None

    @classmethod
    def of(cls, item: Item) -> Twin:
        """An item of the store, cut short."""
        if item.media is None:
            return cls(item.id, item.key, (item.text or "")[:TWIN_TEXT], None)
        return cls(item.id, item.key, None, item.sha256[:12])


class Twins:
    """Which items are all but the same, by the features that the questions stand on."""

    def __init__(self) -> None:
        self._held: tuple[View, IntArray, dict[int, IntArray]] | None = None

    def groups(self, snapshot: Snapshot) -> IntArray | None:
        """The group of each row, -1 for none; None without a graph of these items."""
        found = self._of(snapshot.view, len(snapshot.state.label_N))
        return None if found is None else found[0]

    def count(self, snapshot: Snapshot) -> int:
        """How many groups there are."""
        group_N = self.groups(snapshot)
        return 0 if group_N is None else int(group_N.max(initial=-1)) + 1

    def of(self, snapshot: Snapshot, row: int, set_aside: IntArray) -> list[int]:
        """Rows that may take over the answer to ``row``."""
        found = self._of(snapshot.view, len(snapshot.state.label_N))
        if found is None or found[0][row] < 0:
            return []
        state, row_G = snapshot.state, found[1][int(found[0][row])]
        takes_G = state.open_N[row_G] & ~state.audit_N[row_G] & (row_G != row)
        row_G = row_G[takes_G]
        return [int(twin) for twin in row_G[~np.isin(row_G, set_aside)][:MOST_SHARED]]

    def _of(self, view: View | None, count: int) -> tuple[IntArray, dict[int, IntArray]] | None:
        if view is None or view.knn is None or len(view.knn) != count:
            return None
        if self._held is None or self._held[0] is not view:
            group_N = duplicate_groups(view.knn)
            self._held = (view, group_N, members(group_N))
        return self._held[1:]


def members(group_N: IntArray) -> dict[int, IntArray]:
    """The rows of each group.

    >>> members(np.array([0, -1, 0]))
    {0: array([0, 2])}
    """
    row_M = np.flatnonzero(group_N >= 0)
    row_M = row_M[np.argsort(group_N[row_M], kind="stable")]
    parts: Sequence[IntArray] = np.split(row_M, np.flatnonzero(np.diff(group_N[row_M])) + 1)
    return {int(group_N[part[0]]): part for part in parts if len(part)}


def served(state: TaskState) -> BoolArray:
    """Rows whose group need not be asked again: labelled or skipped, the audit split's left out."""
    return (state.labelled_N | state.skipped_N) & ~state.audit_N


def once(group_N: IntArray, open_N: BoolArray, served_N: BoolArray) -> BoolArray:
    """Open rows, of each group the first alone, and none of a group that holds a served row.

    >>> open_N = np.array([True, True, True, False, True])
    >>> once(np.array([0, 0, -1, 1, 1]), open_N, np.array([False] * 3 + [True, False]))
    array([ True, False,  True, False, False])
    """
    row_M = np.flatnonzero(group_N >= 0)
    group_M = group_N[row_M]
    served_G = np.zeros(int(group_N.max(initial=-1)) + 1, dtype=bool)
    served_G[group_M[served_N[row_M]]] = True
    asks_M = open_N[row_M] & ~served_G[group_M]
    _, first_G = np.unique(group_M[asks_M], return_index=True)
    once_N = open_N.copy()
    once_N[row_M] = False
    once_N[row_M[asks_M][first_G]] = True
    return once_N


def handed_on(event: Event, held: TaskState, set_aside: IntArray) -> Event:
    """An answer given to near-duplicates: never to the audit split, nor against what a person said.

    Args:
        event: As the page sent it, one value for all or one each.
        held: What the store knows now of its items, in their order. A snapshot would not do: it lags a
            refit behind what somebody has just said.
        set_aside: Rows that are to be asked as audit questions.

    Raises:
        DataError: Nothing is left of it.
    """
    by_people_M = np.isin(held.source_N, (SOURCE_CODE["human"], SOURCE_CODE["imported"]))
    takes_M = ~held.audit_N & ~held.skipped_N & ~by_people_M
    takes_M &= ~np.isin(np.asarray(event.item_ids) - 1, set_aside)
    values = [event.value] * len(takes_M) if event.values is None else event.values
    kept = [k for k in np.flatnonzero(takes_M).tolist() if not _ruled_out(held.rejected.get(k), values[k])]
    if not kept:
        raise DataError("None of these near-duplicates is without a label any more.")
    return replace(only(event, kept), source="bulk")


def _ruled_out(rejected: set[int] | None, value: Any) -> bool:
    """Whether a person said that an item is not what it would be given."""
    return bool(rejected) and not set(rejected or ()).isdisjoint(
        value if isinstance(value, list) else [value]
    )
