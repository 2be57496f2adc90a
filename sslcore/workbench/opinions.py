"""What the machine says of an item without the item's own label, of every kind of task, and in words."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from sslcore.instant.numeric import NumericResult
from sslcore.shapes import FloatArray, IntArray
from sslcore.workbench import kinds
from sslcore.workbench.figures import positions
from sslcore.workbench.map import named_value
from sslcore.workbench.snapshot import CHOICE, Snapshot
from sslcore.workbench.suspects import CONTRADICTING, OPEN

_MOST_ASKED = 200  # of a group
_MOST_NAMED = 4


def said_of(snapshot: Snapshot, row: int) -> FloatArray | None:
    """What the machine says of a row without the row's own label; None while it says nothing.

    Probabilities by class; of a numeric task one number.
    """
    learnt = snapshot.result if snapshot.task.kind in CHOICE else snapshot.loop_answer
    if learnt is not None and len(learnt.labelled_row_L):
        at = int(np.searchsorted(learnt.labelled_row_L, row))
        if at < len(learnt.labelled_row_L) and learnt.labelled_row_L[at] == row:
            if isinstance(learnt, NumericResult):
                return np.asarray(learnt.out_of_fold_L[at : at + 1])
            return np.asarray(learnt.out_of_fold_proba_LC[at], dtype=np.float64)
    # nobody's, or an audit answer: it learnt nothing from it
    if snapshot.number is not None:
        return np.asarray(snapshot.number.prediction_N[row : row + 1])
    if snapshot.proba_NC is None or not snapshot.proba_NC.shape[1]:
        return None
    return np.asarray(snapshot.proba_NC[row], dtype=np.float64)


def said_of_all(snapshot: Snapshot, row_M: IntArray) -> FloatArray | None:
    """The same of a group, on average."""
    said = [found for row in row_M[:_MOST_ASKED].tolist() if (found := said_of(snapshot, row)) is not None]
    return np.mean(said, axis=0) if said else None


def answer_of(snapshot: Snapshot, row: int) -> Any:
    """The label of a row: a position, positions in order, or a number; None without one."""
    value = snapshot.state.value_of(row)
    return sorted(positions(value)) if snapshot.multiple and value is not None else value


def confidence(snapshot: Snapshot, said: FloatArray | None, value: Any) -> float | None:
    """How probable an answer is by what was said, a set's classes taken as independent; None of numbers."""
    if said is None or snapshot.task.kind == "numeric":
        return None
    if not snapshot.multiple:
        return round(float(said[value]), 4)
    given_C = np.isin(np.arange(len(said)), value)
    return round(float(np.where(given_C, said, 1.0 - said).prod()), 4)


def group_answer(snapshot: Snapshot, given: list[Any], said: FloatArray | None, kind: int) -> Any:
    """The answer to give to a whole group; None where nothing speaks for one.

    Args:
        snapshot: What is known now.
        given: The different answers that its items have.
        said: From :func:`said_of_all`.
        kind: Of the group; of answers that contradict one is right more probably than a third.
    """
    if said is None:
        return given[0] if len(given) == 1 else None
    if kind != OPEN and snapshot.task.kind == "numeric":
        return min(given, key=lambda number: abs(number - float(said[0])))
    if kind != OPEN:
        return max(given, key=lambda value: confidence(snapshot, said, value) or 0.0)
    if snapshot.task.kind == "numeric":
        return round(float(said[0]), kinds.decimals(snapshot))
    return np.flatnonzero(said >= 0.5).tolist() if snapshot.multiple else int(said.argmax())


def shown_proba(snapshot: Snapshot, said: FloatArray | None) -> list[tuple[int, float]]:
    """Probabilities worth showing of several classes, most probable first."""
    if said is None or not snapshot.multiple:
        return []
    return [
        (c, round(float(said[c]), 4)) for c in np.argsort(-said, kind="stable")[: kinds.MOST_SHOWN].tolist()
    ]


# --- words -------------------------------------------------------------------------------------


def why_doubted(snapshot: Snapshot, row: int, given: Any, suggested: Any, usual: float) -> str:
    """What speaks against a label, in a sentence.

    Args:
        snapshot: What is known now.
        row: Its row.
        given: The label.
        suggested: The answer that fits better.
        usual: The machine's usual error, of numbers.
    """
    said = said_of(snapshot, row)
    if said is None:
        return "The machine says nothing of it just now."
    if snapshot.task.kind == "numeric":
        number = _number(snapshot, said)
        return f"Without this label the machine says {number} (usually ± {about(usual)}); given {given:g}."
    if snapshot.multiple:
        return _why_set(snapshot, said, given, suggested)
    return _why_class(snapshot, row, said, given, suggested)


def _number(snapshot: Snapshot, said: FloatArray) -> str:
    """A number with the decimals of those given."""
    return f"{float(said[0]):.{kinds.decimals(snapshot)}f}"


def _why_set(snapshot: Snapshot, said_C: FloatArray, given: list[int], suggested: list[int]) -> str:
    names = snapshot.task.class_names
    # the decision that fits worst first
    unlike = sorted(set(given) ^ set(suggested), key=lambda c: said_C[c] if c in given else 1.0 - said_C[c])
    parts = [f"“{names[c]}” {percent(said_C[c])}" for c in unlike[:_MOST_NAMED]]
    if len(unlike) > _MOST_NAMED:
        parts.append(f"{len(unlike) - _MOST_NAMED} more unlike the label")
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"Without this label the machine gives {listed}."


def _why_class(snapshot: Snapshot, row: int, said_C: FloatArray, given: int, suggested: int) -> str:
    right, wrong = (f"“{snapshot.task.class_names[c]}”" for c in (suggested, given))
    text = f"Without this label the machine gives {wrong} {percent(said_C[given])}"
    if int(said_C.argmax()) == suggested:
        text = f"Without this label the machine says {right}, {percent(said_C[suggested])}"
    if snapshot.view is None or snapshot.view.knn is None or snapshot.result is None:
        return text + "."
    label_K = snapshot.result.label_N[np.asarray(snapshot.view.knn.neighbour_NK[row])]
    known, like, unlike = (
        int(hit_K.sum()) for hit_K in (label_K >= 0, label_K == suggested, label_K == given)
    )
    if not known:
        return text + "; none of its nearest items has a label."
    return (
        f"{text}; of the {known} labelled items nearest to it {like} say {right}, {unlike or 'none'} {wrong}."
    )


def why_grouped(
    snapshot: Snapshot, answers: list[Any], kind: int, *, said: FloatArray | None, usual: float
) -> str:
    """What a group asks for, in a sentence.

    Args:
        snapshot: What is known now.
        answers: The label of each item, None where it has none.
        kind: Of the group.
        said: From :func:`said_of_all`.
        usual: The machine's usual error, of numbers.
    """
    task, n = snapshot.task, len(answers)
    number = task.kind == "numeric"
    names = {_key(value): (named_value(task, value) or {})["name"] for value in answers if value is not None}
    counts = Counter(_key(value) for value in answers if value is not None)
    order = sorted(counts, key=lambda key: (-counts[key], key))
    told = [names[key] if number and counts[key] == 1 else f"{counts[key]} × {names[key]}" for key in order]
    labels = ("; " if snapshot.multiple else ", ").join(told[:4])
    without = n - counts.total()
    if kind == CONTRADICTING:
        rest = f", {without} without a label" if without else ""
        text = f"{n} items that are all but the same, with different labels: {labels}{rest}."
        if number and said is not None and usual:
            text += f" Without them the machine says {_number(snapshot, said)} (usually ± {about(usual)})."
        return text
    if kind == OPEN:
        return f"{n} items that are all but the same, none with a label: one answer can serve them all."
    return f"{n} items that are all but the same: {labels}, {without} without a label."


def different(answers: list[Any]) -> list[Any]:
    """The different labels among those of a group, in order.

    >>> different([[0, 2], None, [1], [0, 2]])
    [[0, 2], [1]]
    """
    found = {_key(value): value for value in answers if value is not None}
    return [found[key] for key in sorted(found)]


def _key(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def percent(share: float) -> str:
    """A probability as people read it; never "100 %" for what is only nearly so, nor "0 %".

    >>> percent(0.0), percent(0.43), percent(0.994)
    ('<1 %', '43 %', '>99 %')
    """
    return ">99 %" if share > 0.99 else "<1 %" if share < 0.01 else f"{100 * share:.0f} %"


def about(error: float) -> str:
    """An error in two digits.

    >>> about(0.8449), about(0.0312), about(1234.5), about(0.0)
    ('0.84', '0.031', '1,200', '0')
    """
    rounded = float(f"{error:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else np.format_float_positional(rounded, trim="-")
