"""What a run is given, as arrays: images or texts or features, and the labels of each task.

Numpy only, so that whoever prepares a run needs no torch. Arrays may be memory-mapped; nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sslcore.errors import DataError
from sslcore.models import TaskShape
from sslcore.shapes import UNLABELLED, BoolArray, FloatArray, IntArray

TRAINABLE_KINDS = ("single", "ordinal")
"""Task kinds that methods learn: one class per item."""
VALUED_KINDS = ("multiple", "numeric")
"""Task kinds that are learned beside the method: several classes, or a number."""


def _no_rows() -> IntArray:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class TaskLabels:
    """The labels of one task.

    Args:
        name: The task's name.
        kind: "single", "ordinal", "multiple" or "numeric".
        classes: How many classes there are; 0 for a number.
        label_N: Class indices, ``-1`` where there is none or where it must not be trained on. Of the kinds
            that have no single class: 0 where there is an answer, else ``-1``.
        audit_row_A: Rows of the audit split. No step is made of them, and their labels only measure: figures,
            and by these whether a run collapsed and which weights it goes back to. Without their labels they
            belong to the set like all items: what is read off it before the first step (means, lengths, word
            statistics) and a teacher's graph include them.
        audit_label_A: Their labels.
        value_N: Of several choices 1 or 0 a class (``NC``, NaN where nobody said), of numbers the number
            (``N``, NaN likewise).
        audit_value_A: The same of the audit rows.
        weight: What the user weighs the task's loss.
    """

    name: str
    kind: str
    classes: int
    label_N: IntArray
    audit_row_A: IntArray = field(default_factory=_no_rows)
    audit_label_A: IntArray = field(default_factory=_no_rows)
    value_N: FloatArray | None = None
    audit_value_A: FloatArray | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        where = f"Task {self.name!r}"
        if self.kind in VALUED_KINDS:
            self._check_values(where)
            return
        if self.classes < 1:
            raise DataError(f"{where} must have at least one class. Received: {self.classes}.")
        if len(self.audit_row_A) != len(self.audit_label_A):
            raise DataError(
                f"{where} must have one audit label per audit row. Received: {len(self.audit_row_A)} rows "
                f"and {len(self.audit_label_A)} labels."
            )
        for name, values in (("label_N", self.label_N), ("audit_label_A", self.audit_label_A)):
            if len(values) and (values.min() < UNLABELLED or values.max() >= self.classes):
                raise DataError(
                    f"{where}: {name} must hold class indices from 0 to {self.classes - 1}, or -1. "
                    f"Received: {values.min()} to {values.max()}."
                )

    def _check_values(self, where: str) -> None:
        wanted = (len(self.label_N), self.classes) if self.kind == "multiple" else (len(self.label_N),)
        if self.value_N is None and not (np.asarray(self.label_N) >= 0).any():
            return  # nothing is labelled: the task is left out
        shape = None if self.value_N is None else self.value_N.shape
        if shape != wanted or (self.kind == "multiple" and self.classes < 1):
            raise DataError(
                f"{where} is of the kind {self.kind!r} and must have values of the shape {wanted}, with at "
                f"least one class where it has classes. Received: {shape}."
            )

    @property
    def known_N(self) -> BoolArray:
        """True where there is an answer to learn from, be it of one class of several."""
        if self.kind not in VALUED_KINDS:
            return np.asarray(self.label_N) >= 0
        if self.value_N is None:
            return np.zeros(len(self.label_N), dtype=bool)
        known = np.asarray(~np.isnan(self.value_N))
        return np.asarray(known.any(axis=1)) if known.ndim == 2 else known

    @property
    def shape(self) -> TaskShape:
        """The task as networks and methods see it."""
        return TaskShape(self.name, self.classes, self.kind, self.weight)


@dataclass(frozen=True)
class Baseline:
    """The supervised head of a task: what a run must not fall below.

    Args:
        said_N: The class it gives each item.
        left_out: How many labels it had right without having seen them, of how many.
    """

    said_N: IntArray
    left_out: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class TrainingData:
    """All that a run sees.

    Args:
        modality: "image" or "text".
        tasks: The tasks, each with its labels.
        image_NXHW: uint8 images, all of one size; a memory map is fine.
        text_N: Texts.
        feature_ND: Frozen features, for views in feature space.
        key_N: Known answers per task, ``-1`` where unknown. Used to report ``key_accuracy`` and the precision
            of pseudo-labels; never for a decision.
        excluded_N: True for rows that take no part in training (flagged, unreadable); they are predicted.
        baseline: The supervised head per task, to compare a run with.
        soft_target: A teacher's probabilities ``NC`` per task, for distillation; rows of NaN or zeros where
            it says nothing.
        encoder: Name of the encoder behind ``feature_ND``, kept in the bundle.
        teacher: Says ``soft_target`` anew, told what the network makes of every item (``ND``); None where the
            teacher does not listen.
    """

    modality: str
    tasks: Sequence[TaskLabels]
    image_NXHW: IntArray | None = None
    text_N: Sequence[str] | None = None
    feature_ND: FloatArray | None = None
    key_N: Mapping[str, IntArray] | None = None
    excluded_N: BoolArray | None = None
    baseline: Mapping[str, Baseline] | None = None
    encoder: str = ""
    soft_target: Mapping[str, FloatArray] | None = None
    teacher: Callable[[FloatArray], Mapping[str, FloatArray]] | None = None

    def __post_init__(self) -> None:
        if self.modality not in ("image", "text"):
            raise DataError(f"The modality must be 'image' or 'text'. Received: {self.modality!r}.")
        sizes = {
            name: len(values)
            for name, values in (
                ("image_NXHW", self.image_NXHW),
                ("text_N", self.text_N),
                ("feature_ND", self.feature_ND),
                ("excluded_N", self.excluded_N),
            )
            if values is not None
        }
        sizes |= {f"labels of task {task.name!r}": len(task.label_N) for task in self.tasks}
        sizes |= {f"teacher of task {name!r}": len(soft) for name, soft in (self.soft_target or {}).items()}
        sizes |= {
            f"baseline of task {name!r}": len(held.said_N) for name, held in (self.baseline or {}).items()
        }
        sizes |= {f"key of task {name!r}": len(key) for name, key in (self.key_N or {}).items()}
        if len(set(sizes.values())) > 1:
            raise DataError(f"All arrays must have one row per item. Received: {sizes}.")
        if not {"image_NXHW", "text_N", "feature_ND"} & set(sizes):
            raise DataError("A run needs images, texts or features. Received none of them.")
        if self.image_NXHW is not None and (
            self.image_NXHW.ndim != 4
            or self.image_NXHW.dtype != np.uint8
            or self.image_NXHW.shape[1] not in (1, 3)
        ):
            raise DataError(
                "image_NXHW must be uint8 with 1 or 3 channels second (N x X x H x W). Received: "
                f"{self.image_NXHW.dtype} of shape {tuple(self.image_NXHW.shape)}."
            )

    def __len__(self) -> int:
        for values in (self.image_NXHW, self.text_N, self.feature_ND):
            if values is not None:
                return len(values)
        return 0

    @property
    def free_N(self) -> BoolArray:
        """True for rows that may be trained on: neither excluded nor on the audit split of any task."""
        free_N = np.ones(len(self), dtype=bool) if self.excluded_N is None else ~self.excluded_N
        for task in self.tasks:
            free_N[task.audit_row_A] = False
        return free_N

    def trainable(self) -> list[TaskLabels]:
        """The tasks that methods learn and that have a label to learn from."""
        return [task for task in self._taught() if task.kind in TRAINABLE_KINDS]

    def valued(self) -> list[TaskLabels]:
        """The tasks that are learned beside the method and that have an answer to learn from."""
        return [task for task in self._taught() if task.kind in VALUED_KINDS]

    def left_out(self) -> list[str]:
        """Names of the tasks that have nothing to learn from."""
        taught = {task.name for task in self._taught()}
        return [task.name for task in self.tasks if task.name not in taught]

    def _taught(self) -> list[TaskLabels]:
        free_N = self.free_N
        return [task for task in self.tasks if (task.known_N & free_N).any()]
