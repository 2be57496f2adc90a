"""Class masses: how far the labels speak for equal classes, and what follows for the rest.

A model of few labels gives some classes too much of the pool, and where classes are equally large that
can be seen and mended (class-mass normalisation, Zhu et al. 2003). Where they are not, mending it does
harm: here, up to 20 points at 10:1. So the labels' own counts decide. Under a symmetric
Dirichlet prior of concentration α they have the Pólya marginal likelihood (Minka 2000); the posterior
weight of large α is the evidence that classes are alike. Uneven counts, drawn or picked, switch the
correction off; a pool is never assumed to be balanced.

Even counts may have been picked: an import brings ten a class of whatever there is. Then the masses that the
model finds tell. From four labels a class on they were within a divergence of .04 nats of equal in balanced
pools (six sets, two draws, most within .01) and .03 to .4 away from it at 10:1 and 100:1; equalling them cost
2 to 14 points there and brought 0 to 1 here. So the correction fades as that divergence grows, and gives way
to its opposite: the masses found become the classes' prior.
"""

from __future__ import annotations

import numpy as np

from sslcore.shapes import FloatArray, IntArray

_ALPHAS = np.array([0.3, 1.0, 3.0, 10.0, 30.0, 100.0])
_ALIKE = 10.0  # under this concentration, and above, shares differ by about a third at most
_FAR = 0.6  # of the whole correction: some of the unevenness is the pool's own
_APART = 0.03  # nats between found masses and equal ones at which about a third of it is left
_ENOUGH = 4  # labels of each class from which on found masses are believed
_ROWS = 1024
_STEPS = 10


def evidence_of_balance(count_C: IntArray) -> float:
    """How far the counts of labels speak for classes of like size, in [0, 1]; 0 where they are undecided.

    >>> evidence_of_balance(np.full(10, 4)) > 0.9
    True
    >>> evidence_of_balance(np.array([20, 9, 5, 3, 2, 1]))
    0.0
    """
    from scipy.special import gammaln

    count_C = np.asarray(count_C, np.float64)
    total_A, each_A = len(count_C) * _ALPHAS, _ALPHAS[:, None]
    log_A = gammaln(total_A) - gammaln(count_C.sum() + total_A)
    log_A += (gammaln(count_C + each_A) - gammaln(each_A)).sum(axis=1)
    weight_A = np.exp(log_A - log_A.max())
    alike = float(weight_A[_ALPHAS >= _ALIKE].sum() / weight_A.sum())
    return max(0.0, 2.0 * alike - 1.0)


def balancing_shift(log_NC: FloatArray, count_C: IntArray) -> FloatArray:
    """What to add to each class's logits so that masses come as near to equal as labels and pool warrant.

    Args:
        log_NC: Log probabilities of all items.
        count_C: Labels each class has.

    >>> skewed_NC = np.log(np.tile([[0.55, 0.45]], (10, 1)))
    >>> shift_C = balancing_shift(skewed_NC, np.array([8, 8]))
    >>> bool(shift_C[1] > 0 > shift_C[0])
    True
    >>> bool(np.abs(balancing_shift(np.log(np.tile([[0.9, 0.1]], (10, 1))), np.array([8, 8]))).max() < 1e-6)
    True
    """
    classes = log_NC.shape[1]
    shift_C = np.zeros(classes, np.float32)
    far = _FAR * evidence_of_balance(count_C) if classes > 1 else 0.0
    if far == 0.0:
        return shift_C
    sample_CS = _sample(log_NC)
    far *= 1.0 - _apart(_masses(sample_CS))
    for _ in range(_STEPS):  # a damped fixed point: each class's log mass against an equal share
        mass_C = _masses(sample_CS * np.exp(shift_C)[:, None])
        shift_C -= np.float32(0.7) * np.log(np.maximum(mass_C * classes, 1e-6)).astype(np.float32)
    return np.float32(far) * (shift_C - shift_C.mean())


def prior_shift(log_NC: FloatArray, count_C: IntArray) -> FloatArray:
    """What to add to each class's logits where even labels were picked from a pool that is found uneven.

    One step of Saerens et al. 2002: a model of even labels takes all classes for alike, so its answers are
    multiplied by the masses it found. For the pool alone, not for the labels, which are even.

    Args:
        log_NC: Log probabilities of all items.
        count_C: Labels each class has.

    >>> uneven_NC = np.log(np.tile([[0.8, 0.2]], (10, 1)))
    >>> shift_C = prior_shift(uneven_NC, np.array([8, 8]))
    >>> bool(shift_C[0] > 0.2), bool(shift_C[1] < -0.2), prior_shift(uneven_NC, np.array([2, 2])).tolist()
    (True, True, [0.0, 0.0])
    """
    classes = log_NC.shape[1]
    if classes < 2 or count_C.min() < _ENOUGH:
        return np.zeros(classes, np.float32)
    mass_C = _masses(_sample(log_NC))
    log_C = np.log(np.maximum(mass_C * classes, 1e-4))
    return np.asarray(evidence_of_balance(count_C) * _apart(mass_C) * (log_C - log_C.mean()), np.float32)


def _sample(log_NC: FloatArray) -> FloatArray:
    """Probabilities of evenly spaced items, a row a class."""
    return np.exp(np.ascontiguousarray(log_NC[:: max(1, len(log_NC) // _ROWS)].T))


def _masses(sample_CS: FloatArray) -> FloatArray:
    return np.asarray((sample_CS / sample_CS.sum(axis=0)).mean(axis=1))


def _apart(mass_C: FloatArray) -> float:
    """How sure it is that masses are not equal, in [0, 1): by their divergence from equal ones."""
    nats = float((mass_C * np.log(np.maximum(mass_C * len(mass_C), 1e-12))).sum())
    return float(1.0 - np.exp(-((nats / _APART) ** 2)))
