import math

import torch
import torch.nn.functional as F

from sslcore.losses.consistency import ramp_up
from sslcore.losses.elbo import gaussian_nats, kl_to_standard_normal
from tests.methods import bench


def bound(vae, feature_D, item_D, label, noise_D):
    """``L(x, y)`` of one item, by hand."""
    share_C = F.one_hot(torch.tensor([label]), bench.CLASSES).float()
    mean, log_variance = vae.encode(vae.read(feature_D[None], item_D[None]), share_C)
    out = vae.decode(mean + (log_variance / 2).exp() * noise_D[None], share_C)
    cost = gaussian_nats(out, item_D[None], vae.log_variance) + kl_to_standard_normal(mean, log_variance)
    return (cost + math.log(bench.CLASSES)).item()


def test_the_papers_formula_one_item_at_a_time():
    net, given, at = bench.network(), bench.batch(["weak"]), bench.moment(done=0.1)
    made = bench.method("ssvae", latent=2, ramp=0.4, summed=5)
    _, told = bench.loss(made, net, at=at, given=given)
    rng = torch.Generator().manual_seed(0)
    noise_B, noise_UC = (torch.randn(*shape, 2, generator=rng) for shape in [(4,), (5, bench.CLASSES)])
    vae, labelled, unknown = made.vae(0), 0.0, 0.0
    with torch.no_grad():
        for item_D, label, noise_D in zip(given.labelled_B, given.label_TB[0], noise_B, strict=True):
            labelled += bound(vae, net.features(item_D[None])[0], item_D, int(label), noise_D) / 4
        for item_D, noise_CD in zip(given.views["weak"][:5], noise_UC, strict=True):
            feature_D = net.features(item_D[None])[0]
            proba_C = net.classify(feature_D[None])[0][0].softmax(0)
            for label in range(bench.CLASSES):
                cost = bound(vae, feature_D, item_D, label, noise_CD[label])
                unknown += (proba_C[label] * (cost + proba_C[label].log())).item() / 5
    wanted = (labelled + ramp_up(0.1, 0.4) * unknown) / 5  # five numbers a feature vector
    assert abs(told.loss_unlabelled.item() - wanted) < 1e-5 * abs(wanted)


def test_items_without_a_label_are_not_in_the_labelled_bound():
    given = bench.batch(["weak"])
    changed = bench.batch(["weak"])
    for held in (given, changed):
        held.label_TB[0, 1] = -1
    changed.labelled_B[1] += 5.0
    first, second = (bench.loss(bench.method("ssvae"), given=held)[1] for held in (given, changed))
    torch.testing.assert_close(first.loss_unlabelled, second.loss_unlabelled)


def test_where_the_bound_knows_the_class_the_network_learns_it():
    """A decoder that can draw one class only: the sum over classes pulls the answer there."""
    from sslcore.losses.elbo import marginalised

    logits_UC = torch.zeros(1, 3, requires_grad=True)
    marginalised(torch.tensor([[1.0, 9.0, 9.0]]), logits_UC).sum().backward()
    assert logits_UC.grad[0, 0] < 0 < logits_UC.grad[0, 1]
