"""What became of each item's pseudo-label: the last events, kept as tensors beside a method's state.

An event is a row ``(step, before, after, said, belief)``: the label that was held and the one that is held
from now on (-1 for none), what those who judge say, and their belief, in thousandths, in the label that the
event is about: the one given, or the one taken back. Each item keeps its last :data:`KEPT` events and how
many there were. Nothing here waits for the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sslcore.shapes import IntArray

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 4
"""Events that an item keeps; older ones are counted and forgotten."""
COLUMNS = ("row", "place", "step", "before", "after", "said", "belief")
"""Columns of :func:`events`; ``place`` counts an item's events from 0, the forgotten ones too."""


class History:
    """The events of one task's items.

    Args:
        state: A method's state, which is saved in every checkpoint; the tensors are put there.
        task: Index of the task.
        items: Items of the set.

    >>> import torch
    >>> state: dict[str, torch.Tensor] = {}
    >>> history = History(state, 0, 3)
    >>> sure_UC = torch.tensor([[0.1, 0.9]])
    >>> history.add(torch.tensor([2]), torch.tensor([-1]), torch.tensor([1]), sure_UC, step=5)
    >>> history.events().tolist(), int(history.taken_back())
    ([[2, 0, 5, -1, 1, 1, 900]], 0)
    """

    def __init__(self, state: dict[str, Tensor], task: int, items: int) -> None:
        import torch

        self._state, self._task = state, task
        if self._name("event_NKF") not in state:
            shape = (items, KEPT, len(COLUMNS) - 2)
            state[self._name("event_NKF")] = torch.full(shape, -1, dtype=torch.int32)
            state[self._name("events_N")] = torch.zeros(items, dtype=torch.int32)
            state[self._name("taken_back")] = torch.zeros((), dtype=torch.long)

    def add(self, row_U: Tensor, before_U: Tensor, after_U: Tensor, proba_UC: Tensor, *, step: int) -> None:
        """Writes down what changed.

        Args:
            row_U: Rows of the items; one that was dealt several times in a batch has one event.
            before_U: Labels that were held, -1 for none.
            after_U: Labels that are held now.
            proba_UC: What the judges think of the items.
            step: The step.
        """
        import torch

        event_NKF, events_N = self._state[self._name("event_NKF")], self._state[self._name("events_N")]
        changed_U, lost_U = before_U != after_U, (before_U >= 0) & (after_U < 0)
        about_U = torch.where(lost_U, before_U, after_U).clamp(min=0)
        belief_U = (proba_UC.gather(1, about_U[:, None])[:, 0] * 1000).round()
        at_U = torch.full_like(before_U, step)
        new_UF = torch.stack([at_U, before_U, after_U, proba_UC.argmax(1), belief_U.long()], 1).int()
        slot_U = events_N[row_U].long() % KEPT
        event_NKF[row_U, slot_U] = torch.where(changed_U[:, None], new_UF, event_NKF[row_U, slot_U])
        events_N[row_U] += changed_U.int()
        # by row, as the events: a small set deals an item several times in a batch
        lost_N = torch.zeros_like(events_N, dtype=torch.bool)
        lost_N[row_U] = lost_U
        self._state[self._name("taken_back")] += lost_N.sum()

    def taken_back(self) -> Tensor:
        """How often a pseudo-label was taken back without another in its place."""
        return self._state[self._name("taken_back")]

    def events(self) -> IntArray:
        """All events that are kept, item by item and in order: int32, one row each, :data:`COLUMNS`."""
        event_NKF = self._state[self._name("event_NKF")].cpu().numpy()
        events_N = self._state[self._name("events_N")].cpu().numpy().astype(np.int64)
        row_E, slot_E = np.nonzero(event_NKF[:, :, 0] >= 0)
        count_E = events_N[row_E]
        place_E = slot_E + (count_E - 1 - slot_E) // KEPT * KEPT  # the newest event in that slot
        order_E = np.lexsort((place_E, row_E))
        found = np.column_stack([row_E, place_E, event_NKF[row_E, slot_E]])[order_E].astype(np.int32)
        return found

    def _name(self, what: str) -> str:
        return f"{self._task}.{what}"
