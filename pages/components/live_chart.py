"""The board of background runs: a list that moves by itself and the chosen run's charts.

The browser asks ``/labelloom/metrics`` for what is new; the page's script runs again only when a run
changes its status or another run is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pages.components.loader import component

PANELS: tuple[dict[str, Any], ...] = (
    {
        "title": "Loss",
        "help": "What the training lowers, averaged since the last evaluation.",
        "words": ["The first {labels_first} steps had labelled items alone; then more is asked."],
        "percent": False,
        "low": 0,
        "lines": [],
        "series": [
            {"name": "loss", "label": "all"},
            {"name": "loss_labelled", "label": "labelled"},
            {"name": "loss_unlabelled", "label": "unlabelled"},
        ],
    },
    {
        "title": "Accuracy",
        "single": True,
        "help": "Audit: a random sample that is never trained on, shaded its 90 % interval. Key: hidden "
        "answers of a catalogue set, on items that nobody labelled; shown, never used for a decision.",
        "words": [
            "{audit_accuracy} right on the audit split "
            "({audit_accuracy_low} to {audit_accuracy_high}){rough}."
        ],
        "percent": True,
        "lines": [],
        "series": [
            {
                "name": "audit_accuracy",
                "label": "audit accuracy",
                "low": "audit_accuracy_low",
                "high": "audit_accuracy_high",
            },
            {"name": "key_accuracy", "label": "key accuracy"},
        ],
    },
    {
        "title": "Sets",
        "help": "Of tasks with several classes an item, on the audit split: the mean F1 of an item's set, "
        "shaded its 90 % interval, and mean average precision.",
        "words": [
            "Sets have a mean F1 of {audit_sample_f1} ({audit_sample_f1_low} to {audit_sample_f1_high})."
        ],
        "percent": True,
        "lines": [],
        "optional": True,
        "series": [
            {
                "name": "audit_sample_f1",
                "label": "F1 (items)",
                "low": "audit_sample_f1_low",
                "high": "audit_sample_f1_high",
            },
            {"name": "audit_mean_average_precision", "label": "mean average precision"},
        ],
    },
    {
        "title": "Numbers",
        "help": "Of tasks of numbers, on the audit split: the mean absolute error in the numbers' unit, "
        "shaded its 90 % interval.",
        "words": ["Numbers are off by {audit_mae} in the mean ({audit_mae_low} to {audit_mae_high})."],
        "percent": False,
        "low": 0,
        "lines": [],
        "optional": True,
        "series": [
            {
                "name": "audit_mae",
                "label": "mean absolute error",
                "low": "audit_mae_low",
                "high": "audit_mae_high",
            }
        ],
    },
    {
        "title": "Pseudo-labels",
        "help": "Utilisation: how much of the unlabelled items is trusted, shaded from the class trusted "
        "least to the one trusted most. Precision: how much of what is trusted is right, on the audit split "
        "with its 90 % interval and, where there is one, against the answer key.",
        "words": [
            "{utilisation} of the unlabelled answers are learned from.",
            "Of those {pseudo_precision} are right ({pseudo_precision_low} to {pseudo_precision_high}).",
        ],
        "percent": True,
        "low": 0,
        "high": 1,
        "lines": [],
        "optional": True,
        "series": [
            {
                "name": "utilisation",
                "label": "utilisation",
                "low": "acceptance_low",
                "high": "acceptance_high",
            },
            {
                "name": "pseudo_precision",
                "label": "precision, audit",
                "low": "pseudo_precision_low",
                "high": "pseudo_precision_high",
            },
            {"name": "pseudo_precision_key", "label": "precision, key"},
        ],
    },
    {
        "title": "Confidence needed",
        "help": "How sure an answer must be to be learned from: the class in the middle, shaded from the "
        "lowest bar of a class to the highest.",
        "words": ["An answer must be sure to {threshold_low} to {threshold_high}, by its class."],
        "percent": True,
        "lines": [],
        "optional": True,
        "series": [
            {"name": "threshold", "label": "bar", "low": "threshold_low", "high": "threshold_high"},
        ],
    },
    {
        "title": "Steadiness",
        "single": True,
        "help": "Flips: how much of a fixed sample of unlabelled items got another answer since the last "
        "evaluation. Calibration error: how far confidence and accuracy are apart on the audit split, on "
        "average over 15 bins. Without audit answers: how much of the sample gets the linear head's answer.",
        "words": [
            "{flip_rate} of a sample changed its answer since the last look.",
            "Confidence is off by {calibration_error}{rough}.",
            "It gives {head_agreement} of a sample the linear head's answer.",
        ],
        "percent": True,
        "low": 0,
        "lines": [],
        "series": [
            {"name": "flip_rate", "label": "flips"},
            {"name": "calibration_error", "label": "calibration error"},
            {"name": "head_agreement", "label": "as the linear head"},
        ],
    },
    {
        "title": "Taken back",
        "help": "How often, since the run began, a pseudo-label was taken back because judges that had not "
        "learned it no longer believed it. Review and Map show it for each item.",
        "words": ["{taken_back} pseudo-labels were taken back so far."],
        "percent": False,
        "low": 0,
        "lines": [],
        "optional": True,
        "series": [{"name": "taken_back", "label": "taken back"}],
    },
    {
        "title": "Balance",
        "single": True,
        "help": "How many times as often as the labels say the most favoured class is given. "
        "Above 3, or given to nearly all items, on three evaluations in a row the run has collapsed on one "
        "class, unless the linear head gives it as often.",
        "words": ["The most favoured class is given {largest_class_over_prior} times as often as labelled."],
        "percent": False,
        "low": 0,
        "lines": [{"at": 3, "label": "collapse"}],
        "series": [{"name": "largest_class_over_prior", "label": "times its prior"}],
    },
    {
        "title": "Classes",
        "help": "How often each class is given to a sample of unlabelled items, beside how often the labels "
        "say it should be.",
        "percent": True,
        "bars": True,
    },
)
"""The charts: which figures stand together and what they are called."""

CURVES: tuple[dict[str, Any], ...] = (
    {
        "title": "Accuracy by labels",
        "help": "Against the hidden answers, on items that were not asked; the mean over the seeds done so "
        "far, shaded from the worst to the best seed.",
        "percent": True,
        "lines": [],
        "every": True,
        "unit": "labels",
    },
)
"""The chart of a simulation: all its lines."""

_SHOWN = {
    "train": (PANELS, "No run yet. Choose a method and press Start; its figures appear here."),
    "simulation": (CURVES, "No replay yet. Press Start above; the curves grow here."),
}

_HTML = """
<div class="board">
  <div class="note" role="status" aria-live="polite"></div>
  <p class="none" hidden></p>
  <ul class="runs" aria-label="Background runs"></ul>
  <div class="plots"></div>
  <div class="pictures" hidden></div>
</div>
"""


def run_board(
    token: str,
    *,
    selected: int | None,
    key: str,
    kind: str = "train",
    classes: Mapping[str, Sequence[str]] | None = None,
    on_changed: Callable[[], None] | None = None,
) -> int | None:
    """Shows the runs of the token's project; returns the id of the chosen one.

    Args:
        token: The session's key for the routes.
        selected: A run to choose now; the person may choose another one afterwards.
        key: The widget's key.
        kind: ``"train"`` or ``"simulation"``.
        classes: Names of the classes of each task, in their order.
        on_changed: Called when a run has changed its status.
    """
    panels, none = _SHOWN[kind]
    found = component("chart", _HTML)(
        key=key,
        data={
            "token": token,
            "panels": [dict(panel) for panel in panels],
            "selected": selected,
            "kind": kind,
            "none": none,
            "classes": {name: list(names) for name, names in (classes or {}).items()},
        },
        on_run_change=_nothing,
        on_changed_change=on_changed or _nothing,
    )
    chosen = getattr(found, "run", None)
    return int(chosen) if chosen else None


def _nothing() -> None:
    """State of a component is kept only under a callback."""
