import pytest
import torch

from .bench import items, loss, network, warm
from .test_autoencoder import Constant


def test_the_network_sees_noise_and_is_asked_for_the_clean_item():
    net = network("feature")
    made = warm("denoising", net, "feature", noise=0.5)
    plain_BD = items("feature")
    seen = []
    net.backbone.register_forward_hook(lambda module, given, out: seen.append(given[0]))
    value = loss(made, net, "feature", given={"plain": plain_BD}, seed=4)
    noise_BD = torch.randn(plain_BD.shape, generator=torch.Generator().manual_seed(4))
    assert torch.allclose(seen[0], plain_BD + 0.5 * noise_BD)
    out_BD = made.own["decoder"](net.backbone(seen[0])).flatten().tolist()
    wanted = plain_BD.flatten().tolist()
    by_hand = sum((o - w) ** 2 for o, w in zip(out_BD, wanted, strict=True)) / len(wanted)
    assert value.item() == pytest.approx(by_hand, rel=1e-4)


def test_giving_back_the_noise_is_no_answer():
    net = network()
    made = warm("denoising", net, noise=1.0)
    image_BXHW = items()
    noise_BXHW = torch.randn(image_BXHW.shape, generator=torch.Generator().manual_seed(0))
    made.own["decoder"] = Constant(image_BXHW)
    assert loss(made, net, given={"plain": image_BXHW}).item() == 0.0
    made.own["decoder"] = Constant(image_BXHW + noise_BXHW)
    assert loss(made, net, given={"plain": image_BXHW}).item() > 0.5
