import pytest
import torch

from .bench import items, loss, network, warm


def test_the_loss_pixel_by_pixel():
    net = network()
    made = warm("autoencoder", net)
    net.eval()
    image_BXHW = items(count=2)
    out_BXHW = made.own["decoder"](net.backbone(image_BXHW)).flatten().tolist()
    by_hand = sum((o - w) ** 2 for o, w in zip(out_BXHW, image_BXHW.flatten().tolist(), strict=True))
    value = loss(made, net, given={"plain": image_BXHW}).item()
    assert value == pytest.approx(by_hand / len(out_BXHW), rel=1e-4)


def test_a_perfect_copy_costs_nothing():
    net = network()
    made = warm("autoencoder", net)
    image_BXHW = items()
    made.own["decoder"] = Constant(image_BXHW)
    assert loss(made, net, given={"plain": image_BXHW}).item() == 0.0


class Constant(torch.nn.Module):
    def __init__(self, answer_B):
        super().__init__()
        self.answer_B = answer_B

    def forward(self, feature_BD):
        return self.answer_B
