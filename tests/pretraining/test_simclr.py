import math

import pytest
import torch

from sslcore.pretraining.simclr import nt_xent


def test_the_loss_view_by_view():
    rng = torch.Generator().manual_seed(0)
    first_BD, second_BD = torch.randn(3, 4, generator=rng), torch.randn(3, 4, generator=rng)
    views = [*first_BD.tolist(), *second_BD.tolist()]
    unit = [[v / math.sqrt(sum(w * w for w in view)) for v in view] for view in views]

    def near(i, j):
        return math.exp(sum(a * b for a, b in zip(unit[i], unit[j], strict=True)) / 0.5)

    total = 0.0
    for i in range(6):
        total -= math.log(near(i, (i + 3) % 6) / sum(near(i, k) for k in range(6) if k != i)) / 6
    assert nt_xent(first_BD, second_BD, temperature=0.5).item() == pytest.approx(total, rel=1e-5)


def test_lengths_do_not_count():
    rng = torch.Generator().manual_seed(1)
    first_BD, second_BD = torch.randn(4, 5, generator=rng), torch.randn(4, 5, generator=rng)
    near = nt_xent(first_BD, second_BD, temperature=0.2)
    assert near.item() == pytest.approx(
        nt_xent(7 * first_BD, 0.1 * second_BD, temperature=0.2).item(), rel=1e-5
    )


def test_features_that_are_all_one_cost_the_log_of_the_others():
    one_BD = torch.ones(4, 3)
    assert nt_xent(one_BD, one_BD, temperature=0.3).item() == pytest.approx(math.log(7), rel=1e-5)
