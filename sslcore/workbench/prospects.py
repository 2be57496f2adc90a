"""What further labels may bring, in words: advice from the learning curve, never an order to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sslcore.quality.expected_gain import Gain, expected_gain, paired_errors
from sslcore.quality.stopping import advise
from sslcore.workbench.learning_curve import FEWEST_JUDGED, CurveResult
from sslcore.workbench.snapshot import Snapshot

MORE_LABELS = 20
"""Labels whose expected gain is told."""
LITTLE = 0.005
"""A gain that is below half a point even at its best is called little."""
UNFINISHED = "The learning curve is not finished yet: what more labels would bring is told when it is."
LITTLE_HINT = "Settling doubtful labels, or a training run, may now bring more."


@dataclass(frozen=True)
class Advice:
    """What further labels may bring.

    Attributes:
        text: One sentence; ``hint`` what may help more, where further labels bring little.
        gain: None while the curve is too short, or not finished.
        labels: Labels trained on so far.
        source: ``"audit"`` or ``"out-of-fold"`` (rough); ``size`` the items it was measured on.
        changed: Share of the pseudo-labels that the last ``step`` labels changed.
        whole: Whether it rests on a finished curve; where not, the text says only so.
    """

    text: str
    gain: Gain | None
    labels: int
    source: str
    size: int
    changed: float | None = None
    step: int = 0
    hint: str = ""
    whole: bool = True

    @property
    def rough(self) -> bool:
        """Whether it rests on anything but the audit split."""
        return self.source != "audit"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        gain = None if self.gain is None else self.gain.accuracy.as_dict()
        return vars(self) | {"gain": gain, "more": MORE_LABELS}


NOTHING = Advice("Label a few items: what more of them would bring is told from then on.", None, 0, "none", 0)


def advice(curve: CurveResult | None, snapshot: Snapshot) -> Advice:
    """Advice from a curve that was fitted on the labels of ``snapshot``."""
    if curve is None or curve.wrong_SJ is None or curve.judged_SJ is None:
        return NOTHING
    rng, classes = np.random.default_rng(0), len(snapshot.task.classes)
    labels_S = np.array([point.labels for point in curve.points])
    labels = int(labels_S[-1])
    if not curve.whole:
        return Advice(UNFINISHED, None, labels, curve.source, curve.size, whole=False)
    step = int(labels_S[-1] - labels_S[-2]) if len(labels_S) > 1 else 0
    told_S = curve.judged_SJ.sum(axis=1) >= FEWEST_JUDGED
    judged = {"classes": classes, "rng": rng, "judged_SA": curve.judged_SJ[told_S]}
    error_DS = paired_errors(curve.wrong_SJ[told_S], labels_S[told_S], **judged)
    gain = expected_gain(labels_S[told_S], error_DS, more=MORE_LABELS, rng=rng)
    little = gain is not None and curve.source == "audit" and gain.accuracy.high < LITTLE
    return Advice(
        text=sentence(gain, rough=curve.source != "audit", run=snapshot.follows.run_id),
        gain=gain,
        labels=labels,
        source=curve.source,
        size=curve.size,
        changed=_changed(curve, snapshot),
        step=step,
        hint=LITTLE_HINT if little else "",
    )


def sentence(gain: Gain | None, *, rough: bool, run: int | None = None) -> str:
    """The advice in words: it is about the instant loop, and says so where a run is followed.

    >>> from sslcore.quality.intervals import Interval
    >>> sentence(Gain(20, Interval(0.006, 0.002, 0.011)), rough=False)
    '20 more labels are expected to bring about +0.6 points (0.2…1.1).'
    """
    if gain is None:
        return "The learning curve is too short to say what more labels would bring: label some more."
    about = "about " if str(gain).startswith("+") else ""
    whom = "" if run is None else "the instant loop "
    text = f"{gain.more} more labels are expected to bring {whom}{about}{gain}"
    text += ", roughly: judged on labels left out in turn." if rough else "."
    return text if run is None else f"{text} Run {run}, which is followed, gains when it is trained anew."


def _changed(curve: CurveResult, snapshot: Snapshot) -> float | None:
    """Share of the pseudo-labels that differ between the last two points of the curve."""
    count = len(curve.prediction_SN[-1])
    open_N = ~snapshot.state.labelled_N[:count]
    if snapshot.proba_NC is None or not open_N.any() or len(open_N) < count:
        return None
    labels_S = [point.labels for point in curve.points]
    said_SU = [said_N[open_N] for said_N in curve.prediction_SN]
    return advise(said_SU, np.asarray(snapshot.proba_NC[:count][open_N]), labels_S=labels_S).changed
