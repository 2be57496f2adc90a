import math

import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from sslcore.losses.elbo import (
    bernoulli_nats,
    draw_code,
    gaussian_nats,
    kl_to_standard_normal,
    marginalised,
)


def test_each_part_is_what_torchs_distributions_say_one_item_at_a_time():
    torch.manual_seed(0)
    logits, pixel = torch.randn(3, 1, 4, 4), torch.randint(0, 2, (3, 1, 4, 4)).float()
    mean, log_variance, value = torch.randn(3, 5), torch.randn(3, 5), torch.randn(3, 5)
    spread = torch.tensor(0.7)
    for item in range(3):
        wanted = -Bernoulli(logits=logits[item]).log_prob(pixel[item]).sum()
        torch.testing.assert_close(bernoulli_nats(logits, pixel)[item], wanted)
        wanted = -Normal(mean[item], spread.mul(0.5).exp()).log_prob(value[item]).sum()
        torch.testing.assert_close(gaussian_nats(mean, value, spread)[item], wanted)
        wanted = kl_divergence(Normal(mean[item], (0.5 * log_variance[item]).exp()), Normal(0.0, 1.0)).sum()
        torch.testing.assert_close(kl_to_standard_normal(mean, log_variance)[item], wanted)


def test_grey_pixels_cost_least_at_their_own_level():
    grey = torch.full((1, 1, 1, 1), 0.3)
    levels = torch.linspace(0.05, 0.95, 19)
    cost = [bernoulli_nats(torch.logit(level).view(1, 1, 1, 1), grey).item() for level in levels]
    assert math.isclose(levels[min(range(19), key=cost.__getitem__)].item(), 0.3, abs_tol=1e-6)


def test_the_sum_over_classes_by_hand():
    bound_UC = torch.tensor([[2.0, 5.0], [1.0, 1.0]])
    proba_UC = torch.tensor([[0.25, 0.75], [0.9, 0.1]])
    got_U = marginalised(bound_UC, proba_UC.log())
    first = 0.25 * 2 + 0.75 * 5 + 0.25 * math.log(0.25) + 0.75 * math.log(0.75)
    second = 1 + 0.9 * math.log(0.9) + 0.1 * math.log(0.1)
    torch.testing.assert_close(got_U, torch.tensor([first, second]))


def test_a_sure_answer_pays_its_classes_bound_and_the_best_answer_is_the_posterior():
    bound_UC = torch.tensor([[2.0, 5.0, 3.0]])
    sure_UC = torch.tensor([[0.0, 80.0, 0.0]])
    torch.testing.assert_close(marginalised(bound_UC, sure_UC), torch.tensor([5.0]))
    best = marginalised(bound_UC, -bound_UC)  # q(y|x) proportional to exp(-L)
    torch.testing.assert_close(best, -torch.logsumexp(-bound_UC, 1))
    for seed in range(5):
        torch.manual_seed(seed)
        assert marginalised(bound_UC, torch.randn(1, 3)) >= best


def test_codes_have_the_mean_and_the_spread_asked_for():
    noise = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0))
    code = draw_code(torch.full_like(noise, 3.0), torch.full_like(noise, math.log(4.0)), noise)
    assert abs(code.mean() - 3.0) < 0.05
    assert abs(code.std() - 2.0) < 0.05
