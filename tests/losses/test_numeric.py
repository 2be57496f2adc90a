"""Losses of numbers, one sample at a time."""

import pytest
import torch

from sslcore.losses.numeric import masked_huber, same_number, scale_of

NAN = float("nan")


def test_huber_by_hand():
    value_B, target_B = torch.tensor([0.4, -2.0, 5.0]), torch.tensor([0.0, 1.0, NAN])
    assert masked_huber(value_B, target_B).item() == pytest.approx((0.5 * 0.4**2 + 3.0 - 0.5) / 2)


def test_no_label_is_no_loss_and_no_gradient():
    value_B = torch.randn(3, requires_grad=True)
    loss = masked_huber(value_B, torch.full((3,), NAN))
    loss.backward()
    assert loss.item() == 0.0
    assert not value_B.grad.any()


def test_two_views_by_hand():
    assert same_number(torch.tensor([0.5, 3.0]), torch.zeros(2)).item() == pytest.approx((0.125 + 2.5) / 2)


@pytest.mark.parametrize(
    ("values", "scale"),
    [([NAN, NAN], (0.0, 1.0)), ([7.0, NAN], (7.0, 1.0)), ([10.0, 20.0, NAN], (15.0, 5.0))],
)
def test_scales(values, scale):
    assert scale_of(torch.tensor(values)) == pytest.approx(scale)
