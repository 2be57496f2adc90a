import math

import pytest
import torch

from sslcore.pretraining.masked import hide, word_loss, word_table
from sslcore.pretraining.reconstruction import error

from .bench import items, loss, network, warm
from .test_autoencoder import Constant


def test_the_error_counts_hidden_pixels_alone():
    rng = torch.Generator().manual_seed(0)
    out_BXHW, wanted_BXHW = torch.randn(2, 3, 4, 4, generator=rng), torch.randn(2, 3, 4, 4, generator=rng)
    hidden_B1HW = hide(wanted_BXHW, 0.5, rng)
    total, count = 0.0, 0
    for b in range(2):
        for x in range(3):
            for h in range(4):
                for w in range(4):
                    if hidden_B1HW[b, 0, h, w]:
                        total += (out_BXHW[b, x, h, w] - wanted_BXHW[b, x, h, w]).item() ** 2
                        count += 1
    assert 0 < count < 96
    assert error(out_BXHW, wanted_BXHW, hidden_B1HW).item() == pytest.approx(total / count, rel=1e-5)


def test_patches_are_square_and_as_many_as_wished():
    rng = torch.Generator().manual_seed(0)
    hidden_B1HW = hide(torch.zeros(200, 3, 28, 28), 0.4, rng)
    assert hidden_B1HW.float().mean().item() == pytest.approx(0.4, abs=0.02)
    patch = hidden_B1HW.reshape(200, 7, 4, 7, 4)
    assert torch.equal(patch.all(4).all(2), patch.any(4).any(2))


def test_what_is_hidden_does_not_reach_the_network():
    net = network()
    made = warm("masked", net, hidden=0.5)
    seen = []
    net.backbone.register_forward_hook(lambda module, given, out: seen.append(given[0].clone()))
    image_BXHW = items()
    loss(made, net, given={"plain": image_BXHW}, seed=2)
    hidden_B1HW = hide(image_BXHW, 0.5, torch.Generator().manual_seed(2))
    assert (seen[0][hidden_B1HW] == 0).all()
    assert torch.equal(seen[0][~hidden_B1HW], image_BXHW[~hidden_B1HW])


def test_a_wrong_answer_where_nothing_is_hidden_costs_nothing():
    net = network()
    made = warm("masked", net)
    image_BXHW = items()
    hidden_B1HW = hide(image_BXHW, 0.5, torch.Generator().manual_seed(0))
    made.own["decoder"] = Constant(torch.where(hidden_B1HW, image_BXHW, image_BXHW + 9))
    assert loss(made, net, given={"plain": image_BXHW}).item() == 0.0


def test_hidden_words_word_by_word():
    rng = torch.Generator().manual_seed(0)
    told_BE, table_VE = torch.randn(2, 3, generator=rng), torch.randn(5, 3, generator=rng)
    word_BS = torch.tensor([[1, 2, 4], [3, 3, 0]])
    hidden_BS = torch.tensor([[True, False, True], [False, True, False]])
    total = 0.0
    for text, word in ((0, 1), (0, 4), (1, 3)):
        score = [sum(told_BE[text] * table_VE[v]).item() for v in range(5)]
        total -= score[word] - math.log(sum(math.exp(score[v]) for v in range(1, 5)))
    assert word_loss(told_BE, table_VE, word_BS, hidden_BS).item() == pytest.approx(total / 3, rel=1e-5)


def test_a_hidden_word_does_not_reach_the_network():
    net = network("text")
    made = warm("masked", net, "text", hidden_words=0.5)
    seen = []
    net.backbone.register_forward_hook(lambda module, given, out: seen.append(given[0].clone()))
    word_BS = items("text")
    loss(made, net, "text", given={"plain": word_BS}, seed=1)
    draw_BS = torch.rand(word_BS.shape, generator=torch.Generator().manual_seed(1))
    hidden_BS = (word_BS > 0) & (draw_BS < 0.5)
    assert hidden_BS.any()
    assert (seen[0][hidden_BS] == 0).all()
    assert torch.equal(seen[0][~hidden_BS], word_BS[~hidden_BS])
    assert word_table(net.backbone).shape[0] == 40
