"""Each loss against its formula, one row at a time."""

import math

import numpy as np
import pytest
import torch

from sslcore.losses.adaptive import (
    above,
    align,
    curriculum_threshold,
    fairness,
    free_threshold,
    truncated_gaussian,
)
from sslcore.losses.consistency import mean_squared_difference, ramp_up
from sslcore.losses.pseudo_label import sharpen, weighted_pseudo_label, weighted_soft_label
from sslcore.losses.supervised import masked_cross_entropy


@pytest.fixture
def logits_UC():
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(0)) * 2


def test_masked_cross_entropy_is_the_mean_over_labelled_rows(logits_UC):
    label_U = torch.tensor([0, -1, 3, 2, -1, 1])
    rows = [i for i in range(6) if label_U[i] >= 0]
    expected = sum(-logits_UC[i].log_softmax(0)[label_U[i]].item() for i in rows) / 4
    assert abs(masked_cross_entropy(logits_UC, label_U).item() - expected) < 1e-6


def test_a_batch_without_labels_has_no_loss_and_no_nan_gradient(logits_UC):
    logits_UC.requires_grad_()
    masked_cross_entropy(logits_UC, torch.full((6,), -1)).backward()
    assert torch.equal(logits_UC.grad, torch.zeros_like(logits_UC))


def test_pseudo_label_loss_averages_over_all_rows(logits_UC):
    label_U, weight_U = torch.tensor([0, 1, 2, 3, 0, 1]), torch.tensor([1.0, 0, 0.5, 0, 0, 1])
    rows = zip(logits_UC, label_U, weight_U, strict=True)
    expected = sum(-w.item() * row.log_softmax(0)[y].item() for row, y, w in rows) / 6
    assert abs(weighted_pseudo_label(logits_UC, label_U, weight_U).item() - expected) < 1e-6


def test_soft_labels_that_are_hard_give_the_hard_loss(logits_UC):
    label_U, weight_U = (
        torch.tensor([0, 1, 2, 3, 0, 1]),
        torch.rand(6, generator=torch.Generator().manual_seed(1)),
    )
    target_UC = torch.nn.functional.one_hot(label_U, 4).float()
    torch.testing.assert_close(
        weighted_soft_label(logits_UC, target_UC, weight_U),
        weighted_pseudo_label(logits_UC, label_U, weight_U),
    )


def test_sharpening(logits_UC):
    proba_UC = logits_UC.softmax(1)
    torch.testing.assert_close(sharpen(proba_UC, 1.0), proba_UC)
    torch.testing.assert_close(sharpen(proba_UC, 0.5), (logits_UC * 2).softmax(1))


def test_squared_difference_one_row_at_a_time(logits_UC):
    target_UC = torch.full((6, 4), 0.25)
    expected = sum((row.softmax(0) - 0.25).square().sum().item() for row in logits_UC) / 24
    assert abs(mean_squared_difference(logits_UC, target_UC).item() - expected) < 1e-7


def test_the_ramp_rises_to_one():
    values = [ramp_up(done / 20, 0.4) for done in range(21)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(math.exp(-5))
    assert set(values[8:]) == {1.0}


def test_one_threshold_or_one_a_class():
    proba_UC = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    assert above(proba_UC, 0.85).tolist() == [1, 0]
    assert above(proba_UC, torch.tensor(0.85)).tolist() == [1, 0]
    assert above(proba_UC, torch.tensor([0.95, 0.5])).tolist() == [0, 1]


def test_flexmatch_warms_up_on_what_is_not_yet_learned():
    count_C = torch.tensor([10.0, 5.0, 0.0])
    bar_C = curriculum_threshold(count_C, torch.tensor(40.0), threshold=0.95)
    for count, bar in zip(count_C.tolist(), bar_C.tolist(), strict=True):
        beta = count / 40
        assert bar == pytest.approx(0.95 * beta / (2 - beta))
    assert curriculum_threshold(count_C, torch.tensor(0.0), threshold=0.95)[0] == pytest.approx(0.95)


def test_freematch_threshold():
    bar_C = free_threshold(torch.tensor(0.9), torch.tensor([0.5, 0.3, 0.2]))
    torch.testing.assert_close(bar_C, torch.tensor([0.9, 0.9 * 0.6, 0.9 * 0.4]))


def test_fairness_is_lowest_where_the_batch_is_like_the_average():
    mean_C, histogram_C = torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.5])
    weight_U = torch.ones(4)
    even_UC = torch.tensor([[2.0, 0], [0, 2.0], [2.0, 0], [0, 2.0]])
    skew_UC = torch.tensor([[2.0, 0], [2.0, 0], [2.0, 0], [0, 0.1]])
    even, skew = (fairness(logits, weight_U, mean_C, histogram_C) for logits in (even_UC, skew_UC))
    assert even == pytest.approx(math.log(0.5))
    # one class with few answers: its mean probability is divided by its own small share, as in the paper
    p_C = skew_UC.softmax(1).mean(0) / torch.tensor([0.75, 0.25])
    expected = 0.5 * (p_C / p_C.sum()).log().sum()
    assert skew == pytest.approx(expected.item(), abs=1e-5)
    assert fairness(even_UC, torch.zeros(4), mean_C, histogram_C) == 0


def test_fairness_counts_classes_without_an_answer_as_the_authors_code_does():
    """Written anew in numpy; ``1 / histogram`` is 0 where the histogram is empty."""
    rng = np.random.default_rng(0)
    logits_UC = 2 * rng.normal(size=(9, 5))
    logits_UC[:, 3] -= 9  # no strong view says 3
    kept_U = rng.random(9) < 0.6
    for histogram_C in (np.array([0.3, 0.2, 0.1, 0.3, 0.1]), np.array([0.4, 0.3, 0.1, 0.2, 0.0])):
        mean_C = rng.dirichlet(np.ones(5))
        proba_KC = np.exp(logits_UC[kept_U])
        proba_KC /= proba_KC.sum(1, keepdims=True)
        own_C = np.array([(proba_KC.argmax(1) == label).mean() for label in range(5)])
        assert own_C[3] == 0
        target_C = np.array([p / h if h else 0.0 for p, h in zip(mean_C, histogram_C)])
        batch_C = np.array([q / h if h else 0.0 for q, h in zip(proba_KC.mean(0), own_C)])
        expected = np.dot(target_C / target_C.sum(), np.log(batch_C / batch_C.sum() + 1e-12))
        given = (torch.tensor(held, dtype=torch.float32) for held in (logits_UC, kept_U, mean_C, histogram_C))
        assert fairness(*given).item() == pytest.approx(expected, rel=1e-4)


def test_softmatch_weight_is_one_above_the_mean_and_falls_below():
    proba_UC = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    weight_U = truncated_gaussian(proba_UC, torch.tensor(0.8), torch.tensor(0.02), n_sigma=2)
    assert weight_U[0] == 1
    assert weight_U[1] == pytest.approx(math.exp(-(0.2**2) * 4 / (2 * 0.02)))


def test_alignment_to_the_models_own_mean_changes_nothing(logits_UC):
    proba_UC = logits_UC.softmax(1)
    mean_C = proba_UC.mean(0)
    torch.testing.assert_close(align(proba_UC, mean_C, mean_C), proba_UC)
    moved_UC = align(proba_UC, torch.tensor([0.7, 0.1, 0.1, 0.1]), mean_C)
    torch.testing.assert_close(moved_UC.sum(1), torch.ones(6))
    assert moved_UC[:, 0].mean() > proba_UC[:, 0].mean()
