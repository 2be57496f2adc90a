"""The distance between ordered classes, one sample at a time."""

import pytest
import torch

from sslcore.losses.ordinal import masked_order_distance


def test_by_hand():
    proba_BC = torch.tensor([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.6, 0.2, 0.2]])
    label_B = torch.tensor([1, 0, -1])
    first = (0.2 - 0) ** 2 + (0.7 - 1) ** 2 + 0
    second = (0.1 - 1) ** 2 + (0.2 - 1) ** 2 + 0
    found = masked_order_distance(proba_BC.log(), label_B)
    assert found.item() == pytest.approx((first + second) / 2, rel=1e-5)


def test_two_classes_are_the_squared_error():
    proba_BC = torch.tensor([[0.3, 0.7]])
    found = masked_order_distance(proba_BC.log(), torch.tensor([1]))
    assert found.item() == pytest.approx(0.3**2, rel=1e-5)


def test_no_label_is_no_loss_and_no_gradient():
    logits_BC = torch.randn(3, 4, requires_grad=True)
    loss = masked_order_distance(logits_BC, torch.full((3,), -1))
    loss.backward()
    assert loss.item() == 0.0
    assert not logits_BC.grad.any()
