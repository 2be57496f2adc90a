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
    value_U, target_U = torch.tensor([0.5, 3.5, 2.0]), torch.tensor([1.0, 2.0, 3.0])
    first, second = ((part - part.mean()) / part.std(correction=0) for part in (value_U, target_U))
    gap_U = (first - second).abs()
    by_hand = torch.where(gap_U < 1, gap_U**2 / 2, gap_U - 0.5).mean()
    assert same_number(value_U, target_U).item() == pytest.approx(by_hand.item(), rel=1e-4)


def test_nothing_is_won_by_shrinking():
    """The scale of the numbers gets no gradient from two views: only labels set it."""
    scale = torch.tensor(2.0, requires_grad=True)
    same_number(scale * torch.randn(50), torch.randn(50)).backward()
    assert abs(scale.grad.item()) < 1e-5
    one = torch.tensor([3.0], requires_grad=True)
    same_number(one, torch.tensor([5.0])).backward()
    assert torch.isfinite(one.grad).all()


@pytest.mark.parametrize(
    ("values", "scale"),
    [([NAN, NAN], (0.0, 1.0)), ([7.0, NAN], (7.0, 1.0)), ([10.0, 20.0, NAN], (15.0, 5.0))],
)
def test_scales(values, scale):
    assert scale_of(torch.tensor(values)) == pytest.approx(scale)
