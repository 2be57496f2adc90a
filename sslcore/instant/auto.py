"""Auto: which model, how far labels spread, which view and which blend, read off the labels at hand.

Every view gives five opinions: spreading on the broad and on the sharp graph, and linear heads on the
features as they are, on their near and on their far smoothing along the graph (``view.py``). Their blend is a
logarithmic pool whose powers are fitted on left-out answers with a prior (``pooling.py``), so nothing is
tuned to a set. Several views are weighed against each of them alone, by what each says of the left-out labels
(Bayesian model averaging), so that a weak one is left out. Then the safety rule: where one kind alone
explains the left-out labels better than the blend by more than the noise of that comparison, it is taken
instead. Last, class masses are brought as near to equal as the labels' counts warrant, or away from it
where even labels were picked from an uneven pool (``balance.py``).

When: always, unless one model is to be studied on its own. It takes what the labels at hand support, from the
first two classes to thousands of labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sslcore.config import Config
from sslcore.instant import INSTANT
from sslcore.instant.balance import balancing_shift, prior_shift
from sslcore.instant.label_spreading import LabelSpreading, SpreadingConfig
from sslcore.instant.linear import PROTOTYPES, LinearHead
from sslcore.instant.model import Guess, Known, log_softmax
from sslcore.instant.pooling import fit_pool, pooled
from sslcore.instant.view import View
from sslcore.shapes import BoolArray, FloatArray

GRAPH_ENTRIES = 40_000_000
"""Items × classes above which graphs are left out: a solve would need gigabytes."""

_GRAPHS = (("broad", 0.99, 0.75), ("sharp", 0.99, 0.75))  # graph, α, power before any label was judged
_HEAD, _SMOOTHED = 0.25, 0.4  # powers of the heads before any label was judged, with many labels
_KINDS = {"linear": "linear", "graph": "label_spreading", "smoothed": "smoothed"}
_TOGETHER = 0.6  # belief, before any label was judged, that all views together beat each of them alone
_NOISE = 1.0  # standard errors by which a single model must beat the blend


@dataclass(frozen=True, eq=False)
class _Opinion:
    name: str
    view: str
    kind: str  # "graph" | "linear" | "smoothed"
    prior: float
    guess: Guess


@INSTANT.register(
    "auto", title="Automatic choice", family="instant", paper="Genest & Zidek 1986; Zhou et al. 2004"
)
class Auto:
    """The default instant model."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self._spreading: dict[tuple[str, str, float], LabelSpreading] = {}
        self._heads: dict[tuple[str, int], LinearHead] = {}

    def fit(self, views: Sequence[View], known: Known) -> Guess:
        """Fits all opinions on all views, and chooses."""
        opinions = [opinion for view in views for opinion in self._opinions(view, known, len(views))]
        judged_L = np.logical_and.reduce([opinion.guess.judged_L for opinion in opinions])
        judged_L = known.evidence(judged_L)
        choices = {"committee": opinions}
        for kind, name in _KINDS.items():
            of_kind = [opinion for opinion in opinions if opinion.kind == kind]
            if of_kind and len(of_kind) < len(opinions):
                choices[name] = of_kind
        powers, left_out = {}, {}
        for name, chosen in choices.items():
            weigh = _weighed_views if name == "committee" else _weighed
            powers[name] = weigh(chosen, known, judged_L)
            left_out[name] = pooled([opinion.guess.left_out_LC for opinion in chosen], powers[name])
        best = _choose(left_out, known, judged_L)
        alone = "linear" if "linear" in choices else "committee"  # without a graph the blend is heads only
        head_NC = pooled([opinion.guess.log_NC for opinion in choices[alone]], powers[alone])
        log_NC = pooled([opinion.guess.log_NC for opinion in choices[best]], powers[best])
        shift_C = balancing_shift(log_NC, known.count_C)
        if shift_C.any():
            log_NC = log_softmax(log_NC + shift_C)
            left_out = {name: log_softmax(log_LC + shift_C) for name, log_LC in left_out.items()}
        prior_C = prior_shift(log_NC, known.count_C)
        if prior_C.any():
            log_NC = log_softmax(log_NC + prior_C)
        return Guess(
            log_NC=log_NC,
            left_out_LC=left_out[best],
            judged_L=judged_L,
            reason=_reason(best, choices[best], powers[best], int(judged_L.sum())),
            weights=tuple(
                (opinion.name, float(power)) for opinion, power in zip(choices[best], powers[best])
            ),
            parts=tuple(left_out.items()),
            head_NC=head_NC,
        )

    def _opinions(self, view: View, known: Known, views: int) -> list[_Opinion]:
        n = len(known.row_L)
        trust = n / (n + 20.0) / views  # heads on few labels err more than they admit
        head = self._head(view, known, 0)
        found = [_Opinion(f"linear on {view.name}", view.name, "linear", _HEAD * trust, head)]
        if view.knn is None or view.knn.k == 0:
            return found
        for at, smoothed in enumerate(view.smoothed, start=1):  # none yet, maybe, of many items
            name = f"linear on {smoothed.name} {at}"
            guess = self._head(smoothed, known, at)
            found.append(_Opinion(name, view.name, "smoothed", _SMOOTHED * trust, guess))
        if len(view) * known.classes > GRAPH_ENTRIES or known.classes > PROTOTYPES:
            return found  # a column a class: too many to solve between two keys
        for graph, alpha, prior in _GRAPHS:
            key = (view.name, graph, alpha)
            if key not in self._spreading:
                self._spreading[key] = LabelSpreading(SpreadingConfig(alpha=alpha, graph=graph))
            guess = self._spreading[key].raw(view, known)
            # one view's powers are shared among several: copies of one opinion must not count double
            name = f"{graph} graph on {view.name}"
            found.append(_Opinion(name, view.name, "graph", prior / views, guess))
        return found

    def _head(self, view: View, known: Known, at: int) -> Guess:
        return self._heads.setdefault((view.name, at), LinearHead()).raw(view, known)


def _weighed(opinions: Sequence[_Opinion], known: Known, judged_L: BoolArray) -> FloatArray:
    """Powers of the opinions as the left-out labels say."""
    return fit_pool(
        [opinion.guess.left_out_LC[judged_L] for opinion in opinions],
        known.label_L[judged_L],
        np.array([opinion.prior for opinion in opinions]),
    )


def _weighed_views(opinions: Sequence[_Opinion], known: Known, judged_L: BoolArray) -> FloatArray:
    """The same, averaged over "all views" and "this view alone" by how well each says the left-out labels."""
    together_M = _weighed(opinions, known, judged_L)
    of_view_M = np.array([opinion.view for opinion in opinions])
    views = np.unique(of_view_M)
    if len(views) < 2 or not judged_L.any():
        return together_M
    power_HM, log_prior_H = [together_M], [np.log(_TOGETHER)]
    for view in views:
        at_M = np.flatnonzero(of_view_M == view).tolist()
        # alone, a view's opinions are not shared with anybody
        alone = [replace(opinions[at], prior=opinions[at].prior * len(views)) for at in at_M]
        power_M = np.zeros(len(opinions))
        power_M[at_M] = _weighed(alone, known, judged_L)
        power_HM.append(power_M)
        log_prior_H.append(np.log((1.0 - _TOGETHER) / len(views)))
    at_J, label_J = np.arange(int(judged_L.sum())), known.label_L[judged_L]
    left_out_MJC = [opinion.guess.left_out_LC[judged_L] for opinion in opinions]
    score_H = [float(pooled(left_out_MJC, power_M)[at_J, label_J].sum()) for power_M in power_HM]
    weight_H = np.exp(log_softmax((np.array(score_H) + log_prior_H)[None, :]))[0]
    return np.asarray(weight_H @ np.array(power_HM))


def _choose(left_out: dict[str, FloatArray], known: Known, judged_L: BoolArray) -> str:
    """The blend, unless a single kind of model explains left-out labels better beyond the noise."""
    count = int(judged_L.sum())
    best, best_gain = "committee", 0.0
    if count < 2:
        return best
    at_L = np.flatnonzero(judged_L)
    blend_L = left_out["committee"][at_L, known.label_L[at_L]].astype(np.float64)
    for name in left_out:
        gain_L = left_out[name][at_L, known.label_L[at_L]] - blend_L
        gain, noise = float(gain_L.mean()), float(gain_L.std(ddof=1) / np.sqrt(count))
        if gain > best_gain and gain > _NOISE * noise:
            best, best_gain = name, gain
    return best


def _reason(best: str, chosen: Sequence[_Opinion], power_M: FloatArray, judged: int) -> str:
    if best == "linear":
        return f"The linear head alone: it explains the {judged} labels left out best."
    if best == "label_spreading":
        return f"The neighbour graph alone: it explains the {judged} labels left out best."
    if best == "smoothed":
        return f"Linear heads on smoothed features alone: they explain the {judged} labels left out best."
    if len(chosen) == 1:
        return "The linear head: there is no neighbour graph, or too many classes to spread over it."
    if judged == 0:
        return (
            "Graph and linear head by the rule for few labels: no class has two labels to test them on yet."
        )
    # what an opinion moves is its power times the spread of its logs, so powers alone would mislead
    pull_M = [
        float(power * opinion.guess.left_out_LC.std(axis=1).mean()) for opinion, power in zip(chosen, power_M)
    ]
    whole = max(sum(pull_M), 1e-12)
    graph = sum(pull for pull, opinion in zip(pull_M, chosen) if opinion.kind == "graph") / whole
    return f"Graph {graph:.0%} and linear heads {1 - graph:.0%}, as the {judged} labels left out in turn say."
