import pytest
import torch
import torch.nn.functional as F

from sslcore.losses.elbo import bernoulli_nats, gaussian_nats, kl_to_standard_normal
from sslcore.models import InputSpec
from sslcore.models.conditional_vae import ConditionalVAE

SPECS = {
    "grey": InputSpec("image", channels=1, size=8),
    "colour": InputSpec("image", channels=3, size=40),
    "feature": InputSpec("feature", dim=6),
}


def made(name):
    torch.manual_seed(0)
    spec = SPECS[name]
    shape = (4, spec.channels, spec.size, spec.size) if spec.kind == "image" else (4, spec.dim)
    return ConditionalVAE(spec, 10, 3, 2), torch.rand(shape), torch.randn(4, 10)


@pytest.mark.parametrize("name", list(SPECS))
def test_the_bound_is_reconstruction_and_divergence_one_item_at_a_time(name):
    vae, value_B, feature_BD = made(name)
    share_BC, noise_BD = F.one_hot(torch.tensor([0, 2, 1, 1]), 3).float(), torch.randn(4, 2)
    got_B = vae.bound(vae.read(feature_BD, value_B), share_BC, value_B, noise_BD)
    for item in range(4):
        one = slice(item, item + 1)
        mean, log_variance = vae.encode(vae.read(feature_BD[one], value_B[one]), share_BC[one])
        out = vae.decode(mean + (log_variance / 2).exp() * noise_BD[one], share_BC[one])
        nats = (
            gaussian_nats(out, value_B[one], vae.log_variance)
            if name == "feature"
            else bernoulli_nats(out, value_B[one])
        )
        torch.testing.assert_close(got_B[one], nats + kl_to_standard_normal(mean, log_variance))


def test_the_bound_of_all_classes_is_that_of_each():
    vae, value_B, feature_BD = made("grey")
    noise_BCD = torch.randn(4, 3, 2)
    read_BH = vae.read(feature_BD, value_B)
    got_BC = vae.bound_of_all(read_BH, value_B, noise_BCD)
    assert got_BC.shape == (4, 3)
    for label in range(3):
        share_BC = F.one_hot(torch.full((4,), label), 3).float()
        torch.testing.assert_close(
            got_BC[:, label], vae.bound(read_BH, share_BC, value_B, noise_BCD[:, label])
        )


@pytest.mark.parametrize("name", list(SPECS))
def test_what_it_draws_has_the_shape_of_an_item(name):
    vae, value_B, _ = made(name)
    drawn_B = vae.draw(torch.randn(4, 2), torch.tensor([0, 1, 2, 0]))
    assert drawn_B.shape == value_B.shape
    if name != "feature":
        assert ((drawn_B >= 0) & (drawn_B <= 1)).all()


def test_it_learns_what_a_class_looks_like():
    """Two classes, black and white: after 250 steps a drawn item is of its class."""
    torch.manual_seed(0)
    vae = ConditionalVAE(SPECS["grey"], 4, 2, 2)
    label_B = torch.arange(16) % 2
    value_B = label_B.float().view(-1, 1, 1, 1).expand(-1, 1, 8, 8).contiguous()
    optimiser = torch.optim.Adam(vae.parameters(), lr=1e-2)
    for _ in range(250):
        read_BH = vae.read(torch.zeros(16, 4), value_B)
        loss = vae.bound(read_BH, F.one_hot(label_B, 2).float(), value_B, torch.randn(16, 2)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    drawn_B = vae.draw(torch.randn(20, 2), torch.arange(20) % 2).mean((1, 2, 3))
    assert ((drawn_B > 0.5) == (torch.arange(20) % 2 == 1)).all()
