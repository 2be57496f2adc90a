"""Losses of several choices, one sample at a time."""

import math

import pytest
import torch

from sslcore.losses.multiple import binary_pseudo_label, masked_binary_cross_entropy

NAN = float("nan")


def bce(score, answer):
    proba = 1 / (1 + math.exp(-score))
    return -math.log(proba if answer else 1 - proba)


def test_by_hand():
    logits_BC = torch.tensor([[0.3, -1.2, 2.0], [0.5, 0.1, -0.7]])
    target_BC = torch.tensor([[1.0, 0.0, NAN], [NAN, NAN, 1.0]])
    expected = (bce(0.3, 1) + bce(-1.2, 0) + bce(-0.7, 1)) / 3
    assert masked_binary_cross_entropy(logits_BC, target_BC).item() == pytest.approx(expected, rel=1e-6)


def test_what_is_unknown_gets_no_gradient():
    logits_BC = torch.zeros(2, 2, requires_grad=True)
    masked_binary_cross_entropy(logits_BC, torch.tensor([[1.0, NAN], [NAN, NAN]])).backward()
    assert logits_BC.grad.tolist() == [[-0.5, 0.0], [0.0, 0.0]]
    nothing = masked_binary_cross_entropy(logits_BC, torch.full((2, 2), NAN))
    assert nothing.item() == 0.0


def test_pseudo_labels_by_hand():
    logits_UC = torch.tensor([[0.3, -1.2, 2.0], [0.5, 0.1, -0.7]])
    proba_UC = torch.tensor([[0.96, 0.03, 0.5], [0.9, 0.2, 0.95]])
    expected = (bce(0.3, 1) + bce(-1.2, 0) + bce(-0.7, 1)) / 6
    found = binary_pseudo_label(logits_UC, proba_UC, threshold=0.95)
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_all_sure_and_right_is_the_supervised_loss():
    logits_UC, answer_UC = torch.randn(5, 3), torch.randint(2, (5, 3)).float()
    torch.testing.assert_close(
        binary_pseudo_label(logits_UC, answer_UC, threshold=0.95),
        masked_binary_cross_entropy(logits_UC, answer_UC),
    )
