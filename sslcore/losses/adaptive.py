"""How far an answer is trusted: thresholds and weights that follow the model.

FlexMatch (arXiv:2110.08263): ``tau_c = tau * b_c / (2 - b_c)``, ``b_c`` the class's learned share.
FreeMatch (arXiv:2205.07246): ``tau_c = tau_t * p_c / max p``, both moving averages, and a fairness term.
SoftMatch (arXiv:2301.10921): ``exp(-(max p - mu)_-^2 n^2 / (2 sigma^2))``, a weight and no threshold.
AdaMatch (arXiv:2106.04732): ``tau * mean max p_l``, relative to the confidence on labelled items.
MultiMatch (arXiv:2506.07801): margins, and a weight by how many of two heads find an answer useful.
Dash (arXiv:2109.00650): a bar on the loss, ``max(1.0001 g^-t r_0, floor)``, that falls from the labelled one.
All are functions of tensors; the moving averages live in the methods.
"""

from __future__ import annotations

import torch
from torch import Tensor


def above(proba_UC: Tensor, threshold: Tensor | float) -> Tensor:
    """1 where the top probability reaches the threshold (one for all, or one a class), else 0.

    >>> above(torch.tensor([[0.9, 0.1], [0.4, 0.6]]), torch.tensor([0.95, 0.5])).tolist()
    [0.0, 1.0]
    """
    top_U, label_U = proba_UC.max(1)
    bar = threshold[label_U] if isinstance(threshold, Tensor) and threshold.ndim == 1 else threshold
    return (top_U >= bar).to(proba_UC.dtype)


def class_counts(label_N: Tensor, classes: int) -> Tensor:
    """How often each label occurs, "no label" (-1) first; unlike ``bincount`` it never waits for a GPU.

    >>> class_counts(torch.tensor([1, 1, -1]), 2).tolist()
    [1.0, 0.0, 2.0]
    """
    count_C = torch.zeros(classes + 1, device=label_N.device)
    return count_C.index_add_(0, label_N + 1, torch.ones(len(label_N), device=label_N.device))


def curriculum_threshold(count_C: Tensor, unused: Tensor, *, threshold: float) -> Tensor:
    """FlexMatch: the bar of a class falls where few of its items were learned so far.

    Args:
        count_C: Items whose last confident answer was the class.
        unused: Items without any confident answer yet (a scalar).
        threshold: The bar of a class that is fully learned.

    >>> curriculum_threshold(torch.tensor([10.0, 5.0]), torch.tensor(0.0), threshold=0.9).numpy().round(
    ...     3
    ... ).tolist()
    [0.8999999761581421, 0.30000001192092896]
    """
    share_C = count_C / torch.maximum(count_C.max(), unused).clamp(min=1)
    return threshold * share_C / (2 - share_C)


def free_threshold(confidence: Tensor, mean_proba_C: Tensor) -> Tensor:
    """FreeMatch: the global bar, lower for classes that the model gives seldom.

    >>> free_threshold(torch.tensor(0.8), torch.tensor([0.5, 0.25, 0.25])).numpy().round(2).tolist()
    [0.800000011920929, 0.4000000059604645, 0.4000000059604645]
    """
    return confidence * mean_proba_C / mean_proba_C.max()


def fairness(logits_UC: Tensor, weight_U: Tensor, mean_proba_C: Tensor, histogram_C: Tensor) -> Tensor:
    """FreeMatch's fairness term: pushes the mean of the confident predictions towards the balance seen.

    ``sum_c n(p_c / h_c) log n(q_c / g_c)``: ``p``, ``h`` the moving mean probability and answer histogram,
    ``q``, ``g`` the same of this batch's confident strong views; ``n`` normalises to sum 1. It is minus a
    cross-entropy, so a loss: lower is fairer. 0 where nothing is confident. A class without an answer has no
    histogram to divide by: it counts 0 times, as in the authors' code (microsoft/Semi-supervised-learning,
    ``replace_inf_to_zero(1 / hist_s)``), so a class that was not given in the batch is pushed nowhere itself.
    """
    proba_UC = logits_UC.softmax(1)
    kept = weight_U.sum()
    mean_C = (proba_UC * weight_U[:, None]).sum(0) / kept.clamp(min=1)
    answer_UC = torch.zeros_like(proba_UC).scatter_(1, proba_UC.argmax(1, keepdim=True), 1.0)
    seen_C = (answer_UC * weight_U[:, None]).sum(0) / kept.clamp(min=1)

    def tempered(value_C: Tensor, by_C: Tensor) -> Tensor:
        times_C = 1 / by_C
        ratio_C = value_C * times_C.masked_fill(torch.isinf(times_C), 0.0)
        return ratio_C / ratio_C.sum().clamp(min=1e-12)

    target_C = tempered(mean_proba_C, histogram_C)
    loss = (target_C * (tempered(mean_C, seen_C) + 1e-12).log()).sum()
    return torch.where(kept > 0, loss, torch.zeros_like(loss))


def truncated_gaussian(proba_UC: Tensor, mean: Tensor, variance: Tensor, *, n_sigma: float) -> Tensor:
    """SoftMatch: weight 1 from the mean confidence up, a Gaussian fall below it.

    >>> proba_UC = torch.tensor([[0.9, 0.1], [0.5, 0.5]])
    >>> weight_U = truncated_gaussian(proba_UC, torch.tensor(0.7), torch.tensor(0.04), n_sigma=2)
    >>> weight_U.numpy().round(3).tolist()
    [1.0, 0.13500000536441803]
    """
    below_U = (proba_UC.max(1).values - mean).clamp(max=0)
    return torch.exp(-below_U.square() * n_sigma**2 / (2 * variance))


def align(proba_UC: Tensor, target_C: Tensor, mean_proba_C: Tensor) -> Tensor:
    """Distribution alignment: ``n(p * target / mean)``; corrects a model that gives some classes too often.

    >>> align(torch.tensor([[0.6, 0.4]]), torch.tensor([0.5, 0.5]), torch.tensor([0.6, 0.4])).mul(
    ...     1000
    ... ).round().tolist()
    [[500.0, 500.0]]
    """
    ratio_UC = proba_UC * (target_C + 1e-6) / (mean_proba_C + 1e-6)
    return ratio_UC / ratio_UC.sum(1, keepdim=True)


def dash_bar(start: Tensor, falls: int, *, gamma: float, floor: float) -> Tensor:
    """Dash: the largest loss an answer may have, after the bar has fallen a number of times.

    Args:
        start: The loss on labelled items when the bar began to fall.
        falls: How often it fell.
        gamma: What it is divided by each time.
        floor: Where it stops.

    >>> [round(dash_bar(torch.tensor(1.0), falls, gamma=2.0, floor=0.05).item(), 3) for falls in (0, 2, 9)]
    [1.0, 0.25, 0.05]
    """
    return (1.0001 * gamma**-falls * start).clamp(min=floor)  # the factor is the authors' C


def margins(proba_UC: Tensor) -> Tensor:
    """How far each class lies above the best of the others, along the last axis; an only class above 0.

    >>> margins(torch.tensor([[0.5, 0.25, 0.25]])).tolist()
    [[0.25, -0.25, -0.25]]
    >>> margins(torch.tensor([[1.0]])).tolist()
    [[1.0]]
    """
    if proba_UC.shape[-1] == 1:
        return proba_UC
    top = proba_UC.topk(2, dim=-1)
    best, second = top.values[..., :1], top.values[..., 1:]
    place = torch.arange(proba_UC.shape[-1], device=proba_UC.device)
    return proba_UC - torch.where(place == top.indices[..., :1], second, best)


def agreed_weight(agree_U: Tensor, first_U: Tensor, second_U: Tensor, *, hard: float) -> Tensor:
    """MultiMatch: 1 where two heads agree and both find the answer useful, ``hard`` where one does, else 0.

    >>> yes, no = torch.tensor([True, True, True, False]), torch.tensor([True, False, False, True])
    >>> agreed_weight(yes, no, torch.tensor([True, True, False, True]), hard=3.0).tolist()
    [1.0, 3.0, 0.0, 0.0]
    """
    useful_U = first_U.float() + second_U.float()
    return agree_U * torch.where(useful_U == 1, hard, useful_U.clamp(max=1))
