"""DCoM: density while little is covered, margin once most is, by one logistic switch.

Mishal & Weinshall 2024, "DCoM: Active Learning for All Learners". Each labelled item has a ball: the
largest in which the model's classes agree with its label at purity ``0.2 c + 0.4``, ``c`` the share of
the pool covered. Competence ``S = (1 + e^{−k(1−a)}) / (1 + e^{−k(c−a)})``; each pick maximises
``S · margin + (1 − S) · density``, both scaled to [0, 1]; density counts uncovered items within the mean
radius, and a pick covers its own.
Differs: the widest radius is ProbCover's; before the first model it is ProbCover. Score: falls by rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslcore.config import Config, param
from sslcore.queries import QUERIES
from sslcore.queries.geometry import kmeans, squared_distance
from sslcore.queries.max_herding import kernel_view
from sslcore.queries.pool import Pool, Selection, ranked
from sslcore.queries.probcover import probcover, pure_radius
from sslcore.queries.uncertainty import margin_score
from sslcore.shapes import FloatArray, IntArray


@dataclass(frozen=True)
class DcomConfig(Config):
    """The logistic switch from density to margin."""

    centre: float = param(0.8, low=0, high=1, help="Coverage at which the switch turns (a).")
    slope: float = param(50.0, low=0, high=500, help="How sharply it turns (k).")


def competence(coverage: float, *, centre: float, slope: float) -> float:
    """Weight of the margin: 0 while little is covered, 1 when all is.

    >>> competence(1.0, centre=0.8, slope=50.0), round(competence(0.3, centre=0.8, slope=50.0), 6)
    (1.0, 0.0)
    """
    return float((1 + np.exp(-slope * (1 - centre))) / (1 + np.exp(-slope * (coverage - centre))))


def pure_balls(
    distance_LM: FloatArray, label_L: IntArray, predicted_M: IntArray, *, purity: float, widest: float
) -> FloatArray:
    """For each labelled item the largest radius whose ball is that pure, at most ``widest``.

    Args:
        distance_LM: Distances from labelled items to the pool.
        label_L: Labels of the centres.
        predicted_M: Classes that the model gives the pool.
        purity: Share of a ball that must have the centre's label.
        widest: Upper limit of a radius.

    >>> pure_balls(
    ...     np.array([[0.1, 0.2, 0.3, 0.4]]), np.array([0]), np.array([0, 0, 1, 1]), purity=0.6, widest=1.0
    ... )
    array([0.3])
    """
    order_LM = np.argsort(distance_LM, axis=1)
    sorted_LM = np.take_along_axis(distance_LM, order_LM, axis=1)
    agree_LM = predicted_M[order_LM] == label_L[:, None]
    pure_LM = np.cumsum(agree_LM, axis=1) / np.arange(1, distance_LM.shape[1] + 1) >= purity - 1e-9
    good_LM = pure_LM & (sorted_LM <= widest)
    last_L = good_LM.shape[1] - 1 - good_LM[:, ::-1].argmax(axis=1)
    radius_L = np.where(good_LM.any(axis=1), sorted_LM[np.arange(len(sorted_LM)), last_L], 0.0)
    # all of the pool within reach is pure: nothing bounds the ball but the limit
    all_L = (pure_LM | (sorted_LM > widest)).all(axis=1)
    return np.where(all_L, widest, radius_L)


@QUERIES.register("dcom", title="DCoM", family="query", paper="Mishal & Weinshall 2024", config=DcomConfig)
def dcom(pool: Pool, n: int, *, rng: np.random.Generator, config: DcomConfig = DcomConfig()) -> Selection:
    """``n`` candidates by density or margin, as far as the pool is covered.

    >>> pool = Pool(np.eye(4), np.full(4, -1), np.arange(4))
    >>> len(dcom(pool, 3, rng=np.random.default_rng(0)))
    3
    """
    n = min(max(n, 0), len(pool.candidate_U))
    if pool.proba_NC is None or len(pool.labelled_L) == 0 or n == 0:
        return probcover(pool, n, rng=rng)
    seen = kernel_view(pool, n, rng=rng)
    proba_MC = np.asarray(pool.proba_NC)[seen.candidate_M]
    distance_MM = np.sqrt(squared_distance(seen.point_MD, seen.point_MD))
    cluster_M = kmeans(seen.point_MD, max(pool.class_count, 2), rng=rng).cluster_M
    widest = pure_radius(distance_MM, cluster_M, purity=0.95)

    distance_LM = np.sqrt(squared_distance(seen.labelled_LD, seen.point_MD))
    label_L = np.asarray(pool.label_N)[seen.labelled_L]
    radius_L = np.full(len(label_L), widest)
    for _ in range(2):  # the purity wanted follows from the coverage of the balls before
        covered_M = (distance_LM <= radius_L[:, None]).any(axis=0)
        radius_L = pure_balls(
            distance_LM, label_L, proba_MC.argmax(axis=1), purity=0.2 * covered_M.mean() + 0.4, widest=widest
        )
    covered_M = (distance_LM <= radius_L[:, None]).any(axis=0)
    weight = competence(float(covered_M.mean()), centre=config.centre, slope=config.slope)

    within_MM = (distance_MM <= max(float(radius_L.mean()), 1e-6)).astype(np.float32)
    margin_M = _to_unit(margin_score(proba_MC))
    open_M = np.asarray(~covered_M, dtype=np.float32)
    taken_M = np.zeros(len(margin_M), dtype=bool)
    chosen = []
    for _ in range(n):
        value_M = weight * margin_M + (1 - weight) * _to_unit(within_MM @ open_M)
        value_M[taken_M] = -1
        at = int(value_M.argmax())
        chosen.append(at)
        taken_M[at] = True
        open_M[within_MM[at] > 0] = 0
    return ranked(seen.candidate_M[chosen], pool.candidate_U, n, rng)


def _to_unit(value_M: FloatArray) -> FloatArray:
    span = float(value_M.max() - value_M.min())
    return (value_M - value_M.min()) / span if span > 0 else np.zeros(len(value_M))
