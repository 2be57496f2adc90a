import torch

from sslcore.augment.dice import Dice
from sslcore.augment.feature import FeatureViews
from sslcore.augment.text import TextViews, cut_features, drop_words, hash_words, mask_span, swap_words
from sslcore.models import InputSpec
from sslcore.models.network import build_network


def rows():
    word_BS = torch.randint(1, 50, (40, 20), generator=torch.Generator().manual_seed(0))
    word_BS[:, 15:] = 0
    word_BS[0, 1:] = 0  # a text of one word
    word_BS[1] = 0  # a text without any
    return word_BS


def test_words_hash_alike_whatever_their_case_and_the_rest_is_zero():
    word_NS = hash_words(["A rose, a ROSE!", "", "日本 語"], buckets=1000, length=6)
    assert word_NS[0].tolist()[:4] == [word_NS[0, 0], word_NS[0, 1]] * 2
    assert word_NS[0, 4] == 0
    assert word_NS[1].sum() == 0
    assert (word_NS[2, :2] > 0).all()


def test_dropping_leaves_out_about_the_share_and_never_everything():
    word_BS = rows()
    out_BS = drop_words(word_BS, 0.5, rng=torch.Generator().manual_seed(1))
    assert ((out_BS == word_BS) | (out_BS == 0)).all()
    lost = (out_BS != word_BS)[2:].float().sum() / (word_BS[2:] > 0).sum()
    assert 0.4 < lost < 0.6
    assert out_BS[0, 0] == word_BS[0, 0]
    assert (out_BS[2:] > 0).any(1).all()


def test_swapping_takes_words_of_the_pool_and_none_where_a_text_has_ended():
    word_BS = rows()
    out_BS = swap_words(word_BS, torch.tensor([99]), 0.3, rng=torch.Generator().manual_seed(1))
    changed_BS = out_BS != word_BS
    assert (out_BS[changed_BS] == 99).all()
    assert (out_BS[word_BS == 0] == 0).all()
    assert 0.2 < changed_BS.sum() / (word_BS > 0).sum() < 0.4


def test_half_of_the_texts_are_marked_for_a_cut_and_their_words_stay():
    word_BS = rows().repeat(10, 1)
    out_BS = cut_features(word_BS, 0.5, buckets=50, rng=torch.Generator().manual_seed(1))
    assert torch.equal(out_BS[:, :-1], word_BS[:, :-1])
    marked_B = out_BS[:, -1] > 50
    assert (out_BS[~marked_B, -1] == 0).all()
    assert 0.4 < marked_B.float().mean() < 0.6
    network = build_network("text_embedding", InputSpec("text", size=20, dim=50), [2])
    feature_BD = network.backbone.embed(out_BS)
    gone_B = (feature_BD == 0).float().mean(1)
    assert (gone_B[~marked_B & (word_BS > 0).any(1)] < 0.05).all()
    assert gone_B[marked_B].mean() > 0.15


def test_a_span_is_one_run_of_neighbours():
    word_BS = rows()
    out_BS = mask_span(word_BS, 0.2, rng=torch.Generator().manual_seed(1))
    for before_S, after_S in zip(word_BS[2:], out_BS[2:], strict=True):
        gone = (before_S != after_S).nonzero().flatten().tolist()
        assert gone == list(range(gone[0], gone[0] + 3))
        assert gone[-1] < 15
    assert out_BS[0, 0] == word_BS[0, 0]


def test_views_differ_between_texts_and_plain_does_not():
    same_BS = rows()[2:3].repeat(30, 1)
    made = TextViews(torch.arange(1, 50), 50)
    assert torch.equal(made.plain(same_BS), same_BS)
    for view_BS in (made.weak(same_BS, Dice(0)), made.strong(same_BS, Dice(0))):
        assert len({tuple(row.tolist()) for row in view_BS}) > 15


def test_feature_views_are_centred_and_the_strong_one_is_further_off():
    feature_BD = torch.randn(200, 32, generator=torch.Generator().manual_seed(0)) * 3 + 5
    unit_BD = feature_BD / feature_BD.norm(dim=1, keepdim=True)
    made = FeatureViews(unit_BD.mean(0), float((unit_BD - unit_BD.mean(0)).std()))
    plain_BD = made.plain(feature_BD)
    assert plain_BD.mean().abs() < 1e-5
    weak = (made.weak(feature_BD, Dice(0)) - plain_BD).square().mean()
    strong = (made.strong(feature_BD, Dice(0)) - plain_BD).square().mean()
    assert abs(weak / made.weak_noise**2 - 1) < 0.05
    assert strong > 5 * weak
