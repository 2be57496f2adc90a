"""Committee: the graph and the linear head, the head weighing n/(n + 20) with n labels in all.

A logarithmic opinion pool, ``log P = (1 − w) log p_graph + w log p_head + const`` with both sides
calibrated first; early the graph knows more, later the head does. A fixed recipe, kept as the plain
rival of ``auto``, which fits the weights. A head weight of 1 is the head, of 0 the graph.

When: a fixed recipe is wanted that can be told in a sentence, for experiments and replays beside ``auto``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sslcore.config import Config, param
from sslcore.instant import INSTANT
from sslcore.instant.label_spreading import LabelSpreading
from sslcore.instant.linear import LinearHead
from sslcore.instant.model import Guess, Known
from sslcore.instant.pooling import pooled
from sslcore.instant.view import View


@dataclass(frozen=True)
class CommitteeConfig(Config):
    """Settings of the committee."""

    head_weight: float | None = param(
        None, low=0.0, high=1.0, help="Weight of the linear head. Empty: n/(n + 20) with n labels."
    )


@INSTANT.register(
    "committee",
    title="Committee of graph and head",
    family="instant",
    paper="Genest & Zidek 1986, Combining Probability Distributions",
    config=CommitteeConfig,
)
class Committee:
    """Spreading and linear head on the first view, blended by a rule."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config if isinstance(config, CommitteeConfig) else CommitteeConfig()
        self._spreading, self._head = LabelSpreading(), LinearHead()

    def fit(self, views: Sequence[View], known: Known) -> Guess:
        """Both are fitted, calibrated and blended."""
        head = self._head.fit(views, known)
        graph = self._spreading.fit(views, known)
        weight = self.config.head_weight
        if weight is None:
            weight = len(known.row_L) / (len(known.row_L) + 20.0)
        power_M = np.array([1.0 - weight, weight])
        return Guess(
            log_NC=pooled([graph.log_NC, head.log_NC], power_M),
            left_out_LC=pooled([graph.left_out_LC, head.left_out_LC], power_M),
            judged_L=graph.judged_L & head.judged_L,
            reason=f"Neighbour graph and linear head of {views[0].name}, the head weighing {weight:.0%}.",
            weights=(("label_spreading", 1.0 - weight), ("linear", weight)),
            head_NC=head.log_NC,
        )
