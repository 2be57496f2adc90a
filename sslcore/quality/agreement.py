"""How far annotators agree beyond chance: Cohen, Fleiss, Krippendorff.

All are ``1 − observed disagreement / expected disagreement``: 1 full agreement, 0 chance.
Cohen 1960: two annotators (scikit-learn's). Fleiss 1971: a fixed number of answers an item.
Krippendorff 2011 ("Computing Krippendorff's Alpha-Reliability"): any number of annotators, gaps,
and nominal, ordinal or interval answers; for two or more annotators with gaps, use this one. Sets of classes
differ by MASI (Passonneau 2006, "Measuring Agreement on Set-valued Items"): by how much of them is not
shared, and less where one holds the other.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Literal

import numpy as np

from sslcore.errors import DataError
from sslcore.shapes import FloatArray, IntArray


def cohen_kappa(one_N: IntArray, two_N: IntArray) -> float:
    """Cohen's κ of two annotators on the items that both answered (-1: no answer).

    Returns:
        nan where both answered nothing; 1.0 where both gave one and the same answer throughout.

    >>> round(cohen_kappa(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])), 3)
    0.5
    """
    from sklearn.metrics import cohen_kappa_score

    one_N, two_N = np.asarray(one_N), np.asarray(two_N)
    both_N = (one_N >= 0) & (two_N >= 0)
    if not both_N.any():
        return float("nan")
    one_N, two_N = one_N[both_N], two_N[both_N]
    if len(np.unique(np.concatenate([one_N, two_N]))) == 1:
        return 1.0
    return float(cohen_kappa_score(one_N, two_N))


def fleiss_kappa(count_NC: IntArray) -> float:
    """Fleiss' κ of ``count_NC``, the answers of each class that each item got.

    Raises:
        DataError: Items with different numbers of answers, or fewer than two.

    >>> fleiss_kappa(np.array([[3, 0], [0, 3]]))
    1.0
    """
    count_NC = np.asarray(count_NC, dtype=np.float64)
    answers_N = count_NC.sum(axis=1)
    if len(count_NC) == 0 or answers_N[0] < 2 or (answers_N != answers_N[0]).any():
        raise DataError(
            "fleiss_kappa needs the same number of answers, two or more, for every item. "
            f"Received: {sorted(set(answers_N.astype(int).tolist()))}. Use krippendorff_alpha for gaps."
        )
    r = answers_N[0]
    observed = ((count_NC**2).sum(axis=1) - r).mean() / (r * (r - 1))
    expected = ((count_NC.sum(axis=0) / count_NC.sum()) ** 2).sum()
    return 1.0 if expected == 1 else float((observed - expected) / (1 - expected))


def krippendorff_alpha(
    answer_RN: FloatArray,
    *,
    scale: Literal["nominal", "ordinal", "interval"] = "nominal",
    difference_VV: FloatArray | None = None,
) -> float:
    """Krippendorff's α.

    Args:
        answer_RN: One row an annotator, one column an item; nan: no answer, and so a negative number, but on
            the interval scale.
        scale: What a difference means: another class, ranks apart, or numbers apart.
        difference_VV: In place of a scale, how much answer i differs from answer j, answers being 0 … V - 1.

    Returns:
        nan where no item has two answers; 1.0 where all answers are the same.

    >>> round(krippendorff_alpha(np.array([[0, 0, 1, 1], [0, 1, 1, 1]])), 3)
    0.533
    """
    answer_RN = np.asarray(answer_RN, dtype=np.float64)
    if scale == "interval":
        return _interval_alpha(answer_RN)
    given_RN = ~np.isnan(answer_RN) & (answer_RN >= 0)
    value_V = np.unique(answer_RN[given_RN])
    count_NV = (
        np.stack([(given_RN & (answer_RN == v)).sum(axis=0) for v in value_V], axis=1, dtype=float)
        if len(value_V)
        else np.zeros((answer_RN.shape[1], 0))
    )
    count_NV = count_NV[count_NV.sum(axis=1) >= 2]
    if len(count_NV) == 0:
        return float("nan")
    answers_N = count_NV.sum(axis=1)
    # coincidences: ordered pairs within an item, each item worth its number of answers
    pair_NV = count_NV / (answers_N - 1)[:, None]
    coincidence_VV = count_NV.T @ pair_NV - np.diag(pair_NV.sum(axis=0))
    total_V = coincidence_VV.sum(axis=1)
    if difference_VV is None:
        differ_VV = _difference(total_V, scale)
    else:
        at_V = value_V.astype(np.int64)
        differ_VV = np.asarray(difference_VV)[np.ix_(at_V, at_V)]
    expected = float(total_V @ differ_VV @ total_V) / (total_V.sum() - 1)
    return 1.0 if expected == 0 else float(1 - (coincidence_VV * differ_VV).sum() / expected)


def masi_distance(one: Set[int], two: Set[int]) -> float:
    """How much two sets of classes differ, 0 to 1.

    >>> masi_distance({1, 2}, {1, 2}), masi_distance({1}, {2}), round(masi_distance({1}, {1, 2}), 3)
    (0.0, 1.0, 0.667)
    """
    if one == two:
        return 0.0
    shared, either = len(one & two), len(one | two)
    alike = 2 / 3 if one <= two or two <= one else 1 / 3
    return 1.0 - alike * shared / either


def _interval_alpha(number_RN: FloatArray) -> float:
    """α of numbers: squared differences, within items and among all, are sums of squares."""
    number_RN = number_RN[:, (~np.isnan(number_RN)).sum(axis=0) >= 2]
    if not number_RN.size:
        return float("nan")
    answers_N = (~np.isnan(number_RN)).sum(axis=0)
    off_RN = number_RN - np.nanmean(number_RN, axis=0)
    within = float((np.nansum(off_RN**2, axis=0) * answers_N / (answers_N - 1)).sum())
    count = float(answers_N.sum())
    among = float(np.nansum((number_RN - np.nanmean(number_RN)) ** 2)) * count / (count - 1)
    return 1.0 if among == 0 else 1.0 - within / among


def _difference(total_V: FloatArray, scale: str) -> FloatArray:
    if scale == "nominal":
        return 1.0 - np.eye(len(total_V))
    if scale == "ordinal":
        # answers between the two, the ends counted half
        middle_V = np.cumsum(total_V) - total_V / 2
        return (middle_V[:, None] - middle_V[None, :]) ** 2
    raise DataError(f"scale must be nominal, ordinal or interval. Received: {scale!r}.")
