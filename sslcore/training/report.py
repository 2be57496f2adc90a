"""Who is told what happens in a run, and what a run leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sslcore.shapes import FloatArray, IntArray
from sslcore.training.predictor import Predictor


class Reporter(Protocol):
    """Who is told what happens."""

    def metric(self, step: int, name: str, value: float, *, task: str | None = None) -> None:
        """A figure at a step; ``task`` is None for figures of the whole run."""

    def progress(self, done: float, total: float, *, note: str = "") -> None:
        """How much is done, and a line for the user."""

    def should_cancel(self) -> bool:
        """Whether the run should stop now."""


class Silent:
    """A reporter that keeps nothing and never stops a run."""

    def metric(self, step: int, name: str, value: float, *, task: str | None = None) -> None:
        """Is not kept."""

    def progress(self, done: float, total: float, *, note: str = "") -> None:
        """Is not kept."""

    def should_cancel(self) -> bool:
        """Never."""
        return False


@dataclass
class TrainingResult:
    """What a run leaves.

    Args:
        proba: Probabilities ``NC`` (float32) of each task for all items; empty where the run was cancelled.
        feature_ND: Features (float16) of all items; empty where the run was cancelled.
        metrics: Last figures, ``{"audit_accuracy": {task: value}, …, "notes": [line]}``.
        cancelled: Whether it was told to stop.
        steps: Steps done.
        seconds: Time spent in the loop and after it, over all resumptions.
        predictor: The averaged network with its preprocessing.
        history: What became of each item's pseudo-label, by task (:mod:`sslcore.methods.history`); nothing of
            methods that hold none.
    """

    proba: Mapping[str, FloatArray]
    feature_ND: FloatArray
    metrics: dict[str, Any]
    cancelled: bool
    steps: int
    seconds: float
    predictor: Predictor
    history: Mapping[str, IntArray] = field(default_factory=dict)
