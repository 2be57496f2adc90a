"""When to stop labelling: advice, with what further labels may still bring.

Kappa average, Bloodgood & Vijay-Shanker 2009: the mean agreement (Cohen's κ) of successive models'
predictions over the last 3 steps is at least .99. Classification change, Zhu, Wang & Hovy 2008: no
prediction on the unlabelled items changed at the last step. Overall uncertainty, same paper: mean
entropy over the unlabelled items, as a share of its maximum, is at most .05.
Expected gain: if labels go on changing predictions as they did (the largest share of the window), even
changes that are all for the better raise accuracy by no more than that share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sslcore.config import Config, param
from sslcore.quality.agreement import cohen_kappa
from sslcore.queries.uncertainty import entropy_score
from sslcore.shapes import FloatArray, IntArray


@dataclass(frozen=True)
class StoppingConfig(Config):
    """When each rule holds."""

    window: int = param(3, low=1, help="Steps that agreement is averaged over.", paper="Bloodgood 2009")
    kappa: float = param(0.99, low=0, high=1, help="Agreement between steps that counts as settled.")
    uncertainty: float = param(0.05, low=0, high=1, help="Mean uncertainty that counts as settled.")


@dataclass(frozen=True)
class Advice:
    """Whether to stop, why, and how much the next labels may bring at most.

    Attributes:
        stop: Whether at least two of the three rules hold.
        text: One sentence for the annotator.
        expected_gain: At most this much accuracy from as many labels again; None before two steps.
        kappa: Mean agreement over the window; None before it is full.
        changed: Share of predictions that changed at the last step; None before two steps.
        uncertainty: Mean entropy as a share of its maximum.
    """

    stop: bool
    text: str
    expected_gain: float | None
    kappa: float | None
    changed: float | None
    uncertainty: float


def advise(
    predicted_SN: Sequence[IntArray],
    proba_NC: FloatArray,
    *,
    labels_S: Sequence[int],
    config: StoppingConfig = StoppingConfig(),
) -> Advice:
    """Advice from the predictions of successive models on the same unlabelled items.

    Args:
        predicted_SN: Predicted classes after each step, oldest first.
        proba_NC: Probabilities of the newest model on these items.
        labels_S: Labels in hand at each step.
        config: When each rule holds.

    >>> steps = [np.array([0, 1, 1, 0])] * 4
    >>> advise(steps, np.eye(2)[steps[0]], labels_S=[10, 20, 30, 40]).stop
    True
    """
    uncertainty = _overall(proba_NC)
    if len(predicted_SN) < 2:
        text = "Too early to say: label some more, then the pseudo-labels can be compared."
        return Advice(False, text, None, None, None, uncertainty)
    changed = float(np.mean(np.asarray(predicted_SN[-1]) != np.asarray(predicted_SN[-2])))
    recent = list(predicted_SN[-config.window - 1 :])
    kappa = None
    if len(recent) == config.window + 1:
        kappa = float(np.mean([cohen_kappa(a, b) for a, b in pairwise(recent)]))
    gain = max(float(np.mean(np.asarray(a) != np.asarray(b))) for a, b in pairwise(recent))
    rules = (kappa is not None and kappa >= config.kappa, changed == 0, uncertainty <= config.uncertainty)
    stop = sum(rules) >= 2
    step = max(int(labels_S[-1]) - int(labels_S[-2]), 1)
    what = f"The last {step} labels changed {changed:.1%} of the pseudo-labels"
    if stop:
        text = f"{what}: they have settled. Check the audit figure, and stop if it is good enough."
    else:
        text = f"{what}: as many again can raise accuracy by at most about {100 * gain:.1f} points."
    return Advice(stop, text, gain, kappa, changed, uncertainty)


def _overall(proba_NC: FloatArray) -> float:
    if len(proba_NC) == 0 or proba_NC.shape[1] < 2:
        return 0.0
    return float(entropy_score(proba_NC).mean() / np.log(proba_NC.shape[1]))
