import torch
import torch.nn.functional as F

from sslcore.losses.elbo import gaussian_nats, kl_to_standard_normal
from tests.methods import bench


def test_the_virtual_loss_one_sample_at_a_time():
    net, at, given = bench.network(), bench.moment(seed=3), bench.batch(["weak"])
    made = bench.method("virtual_samples", latent=2, ratio=5.0)
    _, told = bench.loss(made, net, at=at, given=given)
    rng = torch.Generator().manual_seed(0)
    torch.randn(16, 2, generator=rng)  # the codes of the generator's own bound
    drawn_BD, label_B = made.draw(made.vae(0), 20, rng)
    total, kept = 0.0, 0
    with torch.no_grad():
        for item_D, label in zip(drawn_BD, label_B, strict=True):
            if at.teacher(item_D[None])[0][0].argmax() == label:
                kept += 1
                total -= net(item_D[None])[0][0].log_softmax(0)[label] / 20
    assert 0 < kept < 20
    torch.testing.assert_close(told.loss_unlabelled, total)


def test_the_generators_loss_one_item_at_a_time():
    net, at, given = bench.network(), bench.moment(seed=3), bench.batch(["weak"])
    given.label_TB[0, 2] = -1
    made = bench.method("virtual_samples", latent=2, threshold=0.7)
    _, told = bench.loss(made, net, at=at, given=given)
    noise_BD = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))
    vae, costs = made.vae(0), []
    with torch.no_grad():
        for place, item_D in enumerate(torch.cat([given.labelled_B, given.views["weak"]])):
            if place < 4:
                feature_BD, label = net.features(item_D[None]), int(given.label_TB[0, place])
                if label < 0:
                    continue
            else:
                feature_BD = at.teacher.features(item_D[None])
                sure, label = at.teacher.classify(feature_BD)[0][0].softmax(0).max(0)
                if sure < 0.7:
                    continue
            share_C = F.one_hot(torch.tensor([int(label)]), bench.CLASSES).float()
            mean, log_variance = vae.encode(vae.read(feature_BD, item_D[None]), share_C)
            code = mean + (log_variance / 2).exp() * noise_BD[place : place + 1]
            nats = gaussian_nats(vae.decode(code, share_C), item_D[None], vae.log_variance)
            costs.append(nats + kl_to_standard_normal(mean, log_variance))
    assert 3 < len(costs) < 15
    torch.testing.assert_close(told.loss_beside, torch.cat(costs).mean() / 5)


def test_before_the_warm_up_is_over_it_is_the_supervised_network():
    net, given, at = bench.network(), bench.batch(["weak"]), bench.moment(done=0.1)
    loss, told = bench.loss(bench.method("virtual_samples", warm_up=0.2), net, at=at, given=given)
    supervised, _ = bench.loss(bench.method("supervised"), net, at=at, given=given)
    torch.testing.assert_close(loss - told.loss_beside, supervised)
    assert told.loss_unlabelled == 0


def test_the_network_is_not_moved_by_what_the_generator_pays():
    net, made = bench.network(), bench.method("virtual_samples")
    _, beside, _ = made.losses(net, bench.batch(["weak"]), bench.moment(), torch.Generator().manual_seed(0))
    beside.backward()
    assert all(weight.grad is None for weight in net.parameters())


def test_classes_are_drawn_evenly():
    made = bench.method("virtual_samples")
    _, label_B = made.draw(made.vae(0), 8, torch.Generator().manual_seed(0))
    assert sorted(torch.bincount(label_B, minlength=3).tolist()) == [2, 3, 3]
